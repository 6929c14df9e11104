"""Shifts of a drawer: opening one, and reading them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, Select, and_, insert, select
from sqlalchemy.orm import aliased
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.cash.models import CashClose, CashCloseTender, CashDrawer, CashMovement, CashSession
from app.domain.cash.schemas import (
    CashRegisterOut,
    CashRegisterPage,
    DenominationOut,
    OpenSession,
    OpenSessionOut,
    SessionItem,
    SessionOut,
    SessionPage,
    TenderOut,
)
from app.domain.tenants.models import Branch, CashRegister
from app.domain.tenants.scope import check_branch, in_branches
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint
from app.lib.tenders import METHODS, TENDER_COLUMNS

SUPERVISE: Final = "cash:approve"
"""Who may see what is expected before it is counted, close another's shift and accept a difference."""

SESSION_CLOSED: Final = Conflict("Este turno de caja ya está cerrado.", code="session-closed")
ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")

BROKEN_CONSTRAINTS["uq_cash_drawer_open"] = Conflict(
    "Esta caja ya tiene un turno abierto; ciérrelo antes de abrir otro.", code="register-busy"
)
BROKEN_CONSTRAINTS["ck_cash_drawer_nothing_after_close"] = SESSION_CLOSED
BROKEN_CONSTRAINTS["ck_cash_drawer_cash"] = RuleBroken(
    "La caja no tiene tanto efectivo; intente de nuevo.", code="drawer-short"
)

_OPENER = aliased(Membership, name="opener")
_CLOSER = aliased(Membership, name="closer")
_CASH = aliased(CashCloseTender, name="cash_tender")


SessionRow = Row[CashSession, CashDrawer, CashClose | None, str, str | None, str | None]


class SessionService:
    """Opens and reads the shifts of the company's drawers."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def registers(self, limit: int, cursor: str | None) -> CashRegisterPage:
        """The tills of the caller's branches by name, each with the shift that is open on it."""
        tenant_id = self._work.tenant_id
        statement = (
            select(CashRegister, Branch.name, CashSession, _OPENER.display_name)
            .join(Branch, and_(Branch.tenant_id == tenant_id, Branch.id == CashRegister.branch_id))
            .outerjoin(
                CashDrawer,
                and_(CashDrawer.tenant_id == tenant_id, CashDrawer.register_id == CashRegister.id, CashDrawer.is_open),
            )
            .outerjoin(CashSession, and_(CashSession.tenant_id == tenant_id, CashSession.id == CashDrawer.session_id))
            .outerjoin(_OPENER, and_(_OPENER.tenant_id == tenant_id, _OPENER.user_id == CashSession.opened_by))
            .where(
                CashRegister.tenant_id == tenant_id,
                CashRegister.retired_at.is_(None),
                *in_branches(self._work.actor, CashRegister.branch_id),
            )
            .limit(limit + 1)
        )
        statement = after(
            statement,
            [CashRegister.name, CashRegister.id],
            cursor,
            tuple[str, UUID],
            descending=False,
        )
        rows = (await self._work.session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].name, row[0].id))
        return CashRegisterPage(
            items=[
                CashRegisterOut(
                    id=register.id,
                    name=register.name,
                    branch_id=register.branch_id,
                    branch_name=branch_name,
                    warehouse_id=register.warehouse_id,
                    open_session=OpenSessionOut(
                        id=session.id,
                        opened_at=session.opened_at,
                        opened_by=session.opened_by,
                        opened_by_name=opener or "",
                    )
                    if session
                    else None,
                )
                for register, branch_name, session, opener in page
            ],
            next_cursor=next_cursor,
        )

    async def open(self, data: OpenSession) -> tuple[SessionOut, bool]:
        """Begin a shift; answers it and whether it is new.

        Raises 409 `register-busy` while another one is open there, 409 `id-taken`, 422 `unknown-reference`, 403 for a
        register of a branch that is not the caller's.
        """
        work, body_hash = self._work, fingerprint(data)
        if data.opening_amount < 0:
            raise RuleBroken(
                "El monto de apertura no puede ser negativo.",
                code="negative-amount",
                errors=(FieldError("/openingAmount", "negative-amount", "Debe ser cero o más."),),
            )
        if data.id is not None and (earlier := await self._hash_of(data.id)):
            if earlier[0] != body_hash:
                raise ID_TAKEN
            return await self.find(data.id), False
        # Held until the shift is there: whoever retires the register waits, and then sees it.
        register = await work.session.scalar(
            select(CashRegister)
            .where(
                CashRegister.tenant_id == work.tenant_id,
                CashRegister.id == data.register_id,
                CashRegister.retired_at.is_(None),
            )
            .with_for_update(read=True)
        )
        if register is None:
            raise unknown_reference("/registerId")
        check_branch(work.actor, register.branch_id)
        session_id, at, amount = data.id or uuid7(), clock.now(), Decimal(data.opening_amount)
        shared = {"tenant_id": work.tenant_id, "session_id": session_id}
        await work.session.execute(
            insert(CashSession).values(
                tenant_id=work.tenant_id,
                id=session_id,
                register_id=register.id,
                branch_id=register.branch_id,
                warehouse_id=register.warehouse_id,
                opened_by=work.actor.user_id,
                opened_at=at,
                opening_amount=amount,
                body_hash=body_hash,
            )
        )
        await work.session.execute(
            insert(CashDrawer).values(
                **shared, register_id=register.id, opened_by=work.actor.user_id, is_open=True, cash=amount
            )
        )
        await work.session.execute(
            insert(CashMovement).values(
                **shared,
                id=uuid7(),
                kind="opening",
                method="cash",
                amount=amount,
                user_id=work.actor.user_id,
                created_at=at,
            )
        )
        opened = await self.find(session_id)
        work.record("cash-session.opened", session_id, after=opened)
        return opened, True

    async def find(self, session_id: UUID) -> SessionOut:
        """A shift with its tenders. Raises `NotFound`, also for another company's."""
        session, drawer, close, register_name, opener, closer = await self.row(session_id)
        tenders = await self._counted(session_id) if close else self._expected(drawer)
        return SessionOut(
            id=session.id,
            status="open" if drawer.is_open else "closed",
            register_id=session.register_id,
            register_name=register_name,
            branch_id=session.branch_id,
            warehouse_id=session.warehouse_id,
            opened_at=session.opened_at,
            opened_by=session.opened_by,
            opened_by_name=opener or "",
            opening_amount=session.opening_amount,
            closed_at=close.closed_at if close else None,
            closed_by=close.closed_by if close else None,
            closed_by_name=(closer or "") if close else None,
            z_number=close.z_number if close else None,
            business_day=close.business_day if close else None,
            approved_by=close.approved_by if close else None,
            tenders=tenders,
            denominations=[
                DenominationOut(value=entry["value"], count=entry["count"])
                for entry in (close.denominations if close else [])
            ],
        )

    async def page(
        self, status: Literal["open", "closed"] | None, register_id: UUID | None, limit: int, cursor: str | None
    ) -> SessionPage:
        """Shifts of the caller's branches, the newest first."""
        statement = (
            self._select().where(*in_branches(self._work.actor, CashSession.branch_id)).add_columns(_CASH.difference)
        )
        statement = statement.outerjoin(
            _CASH,
            and_(_CASH.tenant_id == self._work.tenant_id, _CASH.session_id == CashSession.id, _CASH.method == "cash"),
        ).limit(limit + 1)
        if status is not None:
            statement = statement.where(CashDrawer.is_open.is_(status == "open"))
        if register_id is not None:
            statement = statement.where(CashSession.register_id == register_id)
        statement = after(
            statement,
            [CashSession.opened_at, CashSession.id],
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows = (await self._work.session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].opened_at, row[0].id))
        return SessionPage(items=[_item(*row) for row in page], next_cursor=next_cursor)

    async def row(self, session_id: UUID) -> SessionRow:
        """A shift with its drawer, its close, its register's name and the names of who opened and closed it.

        Raises `NotFound`, also for another company's, and 403 for one of a branch that is not the caller's.
        """
        statement = self._select().where(CashSession.id == session_id)
        row = (await self._work.session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("Ese turno de caja no existe.")
        check_branch(self._work.actor, row[0].branch_id)
        return row

    def sees_expected(self, *, is_open: bool) -> bool:
        """Whether the caller may read what the books expect: a cashier counts first."""
        return not is_open or self._work.actor.may(SUPERVISE)

    def _select(self) -> Select[*tuple[Any, ...]]:
        tenant_id = self._work.tenant_id
        return (
            select(CashSession, CashDrawer, CashClose, CashRegister.name, _OPENER.display_name, _CLOSER.display_name)
            .join(CashDrawer, and_(CashDrawer.tenant_id == tenant_id, CashDrawer.session_id == CashSession.id))
            .join(CashRegister, and_(CashRegister.tenant_id == tenant_id, CashRegister.id == CashSession.register_id))
            .outerjoin(CashClose, and_(CashClose.tenant_id == tenant_id, CashClose.session_id == CashSession.id))
            .outerjoin(_OPENER, and_(_OPENER.tenant_id == tenant_id, _OPENER.user_id == CashSession.opened_by))
            .outerjoin(_CLOSER, and_(_CLOSER.tenant_id == tenant_id, _CLOSER.user_id == CashClose.closed_by))
            .where(CashSession.tenant_id == tenant_id)
            # Another statement of this transaction may have moved the drawer since it was read.
            .execution_options(populate_existing=True)
        )

    async def _hash_of(self, session_id: UUID) -> Row[bytes | None] | None:
        return (
            await self._work.session.execute(
                select(CashSession.body_hash).where(
                    CashSession.tenant_id == self._work.tenant_id, CashSession.id == session_id
                )
            )
        ).one_or_none()

    def _expected(self, drawer: CashDrawer) -> list[TenderOut]:
        shown = self.sees_expected(is_open=True)
        return [
            TenderOut(method=method, expected=amount if shown else None, counted=None, difference=None)
            for method, amount in drawer_tenders(drawer_columns(drawer)).items()
        ]

    async def _counted(self, session_id: UUID) -> list[TenderOut]:
        rows = await self._work.session.scalars(
            select(CashCloseTender).where(
                CashCloseTender.tenant_id == self._work.tenant_id, CashCloseTender.session_id == session_id
            )
        )
        found = {row.method: row for row in rows}
        return [
            TenderOut(
                method=method,
                expected=found[method].expected,
                counted=found[method].counted,
                difference=found[method].difference,
            )
            for method in METHODS
            if method in found
        ]


def drawer_columns(drawer: CashDrawer) -> dict[str, Decimal]:
    """A drawer's totals by column."""
    return {column: getattr(drawer, column) for column in TENDER_COLUMNS.values()}


def drawer_tenders(columns: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What has to be counted, in pesos by method: cash always, any other tender that adds up to something.

    Cash rounding is in no drawer: nobody counts it.
    """
    amounts = {method: columns[TENDER_COLUMNS[method]] for method in METHODS}
    return {method: amount for method, amount in amounts.items() if amount or method == "cash"}


def _item(
    session: CashSession,
    drawer: CashDrawer,
    close: CashClose | None,
    register_name: str,
    opener: str | None,
    _closer: str | None,
    difference: Decimal | None,
) -> SessionItem:
    return SessionItem(
        id=session.id,
        status="open" if drawer.is_open else "closed",
        register_id=session.register_id,
        register_name=register_name,
        branch_id=session.branch_id,
        opened_at=session.opened_at,
        opened_by=session.opened_by,
        opened_by_name=opener or "",
        opening_amount=session.opening_amount,
        closed_at=close.closed_at if close else None,
        closed_by=close.closed_by if close else None,
        z_number=close.z_number if close else None,
        business_day=close.business_day if close else None,
        difference=difference,
    )
