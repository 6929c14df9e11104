"""The end of a shift: a blind count against the books, and a numbered Z."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, update

from app.db.session import Work
from app.domain.cash.models import CashClose, CashCloseTender, CashDrawer
from app.domain.cash.report import ReportService
from app.domain.cash.schemas import CloseSession, Counted, Denomination, SessionOut, TenderOut
from app.domain.cash.sessions import SESSION_CLOSED, SUPERVISE, SessionService, drawer_tenders
from app.domain.members.approvals import approved_by
from app.domain.members.schemas import ApprovalSubject
from app.domain.tenants.models import Tenant
from app.domain.tenants.numbering import next_number
from app.lib import clock
from app.lib.errors import FieldError, Forbidden, RuleBroken
from app.lib.money import ZERO, ZeroOrMorePesos, cents
from app.lib.tenders import METHODS, TENDER_COLUMNS

DENOMINATIONS: Final = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Coins and notes of Banco de la República in circulation, in pesos."""


class CloseService:
    """Closes shifts; a closed one never changes again."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def close(self, session_id: UUID, data: CloseSession) -> SessionOut:
        """Count a drawer and end its shift.

        Raises 403 `not-your-session`, 409 `session-closed`, 422 `repeated-method`, `negative-amount`,
        `unknown-denomination`, `denominations-mismatch` or `approval-required`; nothing has changed then.
        """
        work, sessions = self._work, SessionService(self._work)
        session, drawer, *_ = await sessions.row(session_id)
        supervises = work.actor.may(SUPERVISE)
        if session.opened_by != work.actor.user_id and not supervises:
            raise Forbidden(
                "Este turno lo abrió otra persona; pídale a un supervisor que lo cierre.", code="not-your-session"
            )
        if not drawer.is_open:
            raise SESSION_CLOSED
        counted = count(data.counted)
        check_denominations(data.denominations or (), counted.get("cash", ZERO))
        # From here on nothing can be posted; what was under way has committed, and is in the sums that follow.
        tenders = settle(await self._shut(session_id), counted)
        cash = next(tender for tender in tenders if tender.method == "cash")
        approver = await self._approve(session_id, cash, data.approval_id)
        totals = await ReportService(work).totals(session, tenders)
        z_number, _ = await next_number(work, session.register_id, "z")
        at = clock.now()
        await work.session.execute(
            insert(CashClose).values(
                tenant_id=work.tenant_id,
                session_id=session_id,
                register_id=session.register_id,
                z_number=z_number,
                closed_by=work.actor.user_id,
                closed_at=at,
                business_day=clock.business_day(at, work.actor.time_zone),
                approved_by=approver,
                denominations=[
                    {"value": entry.value, "count": entry.count}
                    for entry in sorted(data.denominations or (), key=lambda entry: -entry.value)
                ],
                totals=msgspec.to_builtins(totals),
            )
        )
        await work.session.execute(
            insert(CashCloseTender),
            [
                {
                    "tenant_id": work.tenant_id,
                    "session_id": session_id,
                    "method": tender.method,
                    "expected": tender.expected,
                    "counted": tender.counted,
                    "difference": tender.difference,
                }
                for tender in tenders
            ],
        )
        closed = await sessions.find(session_id)
        work.record("cash-session.closed", session_id, after={"session": closed, "totals": totals}, number=z_number)
        return closed

    async def _shut(self, session_id: UUID) -> dict[str, Decimal]:
        """Lock the drawer and shut it; answers its totals by column."""
        columns = [getattr(CashDrawer, column) for column in TENDER_COLUMNS.values()]
        shut = await self._work.session.execute(
            update(CashDrawer)
            .where(
                CashDrawer.tenant_id == self._work.tenant_id, CashDrawer.session_id == session_id, CashDrawer.is_open
            )
            .values(is_open=False, closed_total=sum(columns[1:], start=columns[0]))
            .returning(*columns)
            .execution_options(synchronize_session=False)
        )
        row = shut.mappings().one_or_none()
        if row is None:
            raise SESSION_CLOSED
        return {column: row[column] for column in TENDER_COLUMNS.values()}

    async def _approve(self, session_id: UUID, cash: TenderOut, approval_id: UUID | None) -> UUID | None:
        """Who stands for a difference above the company's tolerance; None when none need. Raises `approval-required`."""
        tolerance = await self._work.session.scalar(
            select(Tenant.cash_tolerance).where(Tenant.tenant_id == self._work.tenant_id)
        )
        if abs(cash.difference or ZERO) <= (tolerance or ZERO):
            return None
        # The count is part of what is approved: the supervisor has seen it.
        subject = ApprovalSubject(session_id=session_id, counted_cash=ZeroOrMorePesos(cash.counted or ZERO))
        return await approved_by(
            self._work,
            "cash-difference",
            subject,
            approval_id,
            "El efectivo contado no cuadra; cuente de nuevo o pida la aprobación de un supervisor.",
        )


def count(counted: Sequence[Counted]) -> dict[str, Decimal]:
    """Pesos counted by method. A tender other than cash may come out negative: its refunds were of other days."""
    found: dict[str, Decimal] = {}
    for place, entry in enumerate(counted):
        if entry.method in found:
            raise _refusal(f"/counted/{place}/method", "repeated-method", "Este medio de pago ya se contó.")
        if entry.method == "cash" and entry.amount < 0:
            raise _refusal(f"/counted/{place}/amount", "negative-amount", "El efectivo contado no puede ser negativo.")
        found[entry.method] = cents(entry.amount)
    return found


def check_denominations(denominations: Sequence[Denomination], cash: Decimal) -> None:
    """Refuse notes and coins that do not exist, repeat, or do not add up to the counted cash."""
    if not denominations:
        return
    seen: set[int] = set()
    for place, entry in enumerate(denominations):
        if entry.value not in DENOMINATIONS or entry.value in seen:
            raise _refusal(
                f"/denominations/{place}/value",
                "unknown-denomination",
                "No hay billete o moneda de ese valor, o ya se contó.",
            )
        seen.add(entry.value)
    added = sum(entry.value * entry.count for entry in denominations)
    if added != cash:
        raise _refusal(
            "/denominations",
            "denominations-mismatch",
            "Los billetes y monedas no suman el efectivo contado.",
        )


def settle(columns: Mapping[str, Decimal], counted: Mapping[str, Decimal]) -> list[TenderOut]:
    """Expected, counted and difference of each tender that is either; one that nobody named was counted as nothing."""
    expected = drawer_tenders(columns)
    return [
        TenderOut(
            method=method,
            expected=expected.get(method, ZERO),
            counted=counted.get(method, ZERO),
            difference=counted.get(method, ZERO) - expected.get(method, ZERO),
        )
        for method in METHODS
        if method in expected or method in counted
    ]


def _refusal(pointer: str, code: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))
