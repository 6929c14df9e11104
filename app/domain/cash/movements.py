"""Cash that moves by hand: in, out, and between drawers."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.cash.models import CashDrawer, CashMovement, CashSession
from app.domain.cash.schemas import MakeMovement, MakeTransfer, MovementOut, MovementPage, TransferOut
from app.domain.cash.sessions import ID_TAKEN, SESSION_CLOSED, SUPERVISE
from app.domain.tenants.scope import check_branch
from app.lib import clock
from app.lib.errors import FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.money import cents
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

OUTGOING: Final = frozenset({"out", "refund", "transfer-out"})
"""Kinds whose stored amount is what left."""


class MovementService:
    """Moves cash by hand, each time with a reason."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def make(self, session_id: UUID, data: MakeMovement) -> tuple[MovementOut, bool]:
        """Put cash into an open drawer or take it out; answers the movement and whether it is new.

        Raises 409 `session-closed` or `id-taken`, 422 `drawer-short`.
        """
        work, body_hash = self._work, fingerprint([session_id, data])
        amount = _amount(data.amount)
        reason = _reason(data.reason)
        if data.id is not None and (earlier := await self._stored(data.id)):
            if earlier.body_hash != body_hash:
                raise ID_TAKEN
            return movement_out(earlier), False
        await self._check_branches(session_id)
        await self._move(session_id, amount if data.kind == "in" else -amount)
        movement = await self._write(
            id=data.id or uuid7(),
            session_id=session_id,
            kind=data.kind,
            amount=amount if data.kind == "in" else -amount,
            category=data.category,
            reason=reason,
            body_hash=body_hash,
        )
        work.record("cash-movement.made", movement.id, after=movement)
        return movement, True

    async def transfer(self, data: MakeTransfer) -> tuple[TransferOut, bool]:
        """Carry cash from one open drawer to another; answers the transfer and whether it is new.

        Raises 409 `session-closed` or `id-taken`, 422 `drawer-short` or `unknown-reference`.
        """
        work, body_hash = self._work, fingerprint(data)
        amount = _amount(data.amount)
        reason = _reason(data.reason)
        if data.from_session_id == data.to_session_id:
            raise RuleBroken(
                "El traslado debe ser entre dos cajas distintas.",
                code="same-session",
                errors=(FieldError("/toSessionId", "same-session", "Debe ser otro turno."),),
            )
        if data.id is not None and (earlier := await self._stored(data.id)):
            if earlier.body_hash != body_hash:
                raise ID_TAKEN
            return await self._stored_transfer(earlier, data.to_session_id), False
        await self._check_branches(data.from_session_id, data.to_session_id)
        await self._lock(data.from_session_id, data.to_session_id)
        await self._move(data.from_session_id, -amount)
        await self._move(data.to_session_id, amount)
        transfer_id = data.id or uuid7()
        shared = {"document_id": transfer_id, "reason": reason}
        # The outgoing movement carries the transfer's id, so its key settles a race of two equal ids.
        going = await self._write(
            id=transfer_id,
            session_id=data.from_session_id,
            kind="transfer-out",
            amount=-amount,
            body_hash=body_hash,
            **shared,
        )
        coming = await self._write(
            id=uuid7(), session_id=data.to_session_id, kind="transfer-in", amount=amount, **shared
        )
        transfer = _transfer_out(going, coming)
        work.record("cash-transfer.made", transfer_id, after=transfer)
        return transfer, True

    async def find(self, movement_id: UUID) -> MovementOut:
        """One movement. Raises `NotFound`, also for another company's."""
        if movement := await self._stored(movement_id):
            await self._check_branches(movement.session_id)
            return movement_out(movement)
        raise NotFound("Ese movimiento de caja no existe.")

    async def page(self, session_id: UUID, limit: int, cursor: str | None) -> MovementPage:
        """Movements of a shift, the first one first."""
        statement = (
            select(CashMovement)
            .where(CashMovement.tenant_id == self._work.tenant_id, CashMovement.session_id == session_id)
            .limit(limit + 1)
        )
        statement = after(statement, [CashMovement.id], cursor, tuple[UUID], descending=False)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.id,))
        return MovementPage(items=[movement_out(row) for row in page], next_cursor=next_cursor)

    async def _check_branches(self, *session_ids: UUID) -> None:
        """Raise 403 for a drawer of a branch that is not the caller's; an unknown one is refused by who looks for it."""
        if self._work.actor.branches is None:
            return
        branches = await self._work.session.scalars(
            select(CashSession.branch_id).where(
                CashSession.tenant_id == self._work.tenant_id, CashSession.id.in_(session_ids)
            )
        )
        for branch_id in branches:
            check_branch(self._work.actor, branch_id)

    async def _lock(self, from_session_id: UUID, to_session_id: UUID) -> None:
        """Take both drawers in the order of their ids, so that two crossing transfers never wait for each other."""
        rows = await self._work.session.execute(
            select(CashDrawer.session_id, CashDrawer.is_open)
            .where(
                CashDrawer.tenant_id == self._work.tenant_id,
                CashDrawer.session_id.in_([from_session_id, to_session_id]),
            )
            .order_by(CashDrawer.session_id)
            .with_for_update(key_share=True)
        )
        found = {row.session_id: row.is_open for row in rows}
        for pointer, session_id in (("/fromSessionId", from_session_id), ("/toSessionId", to_session_id)):
            if session_id not in found:
                raise unknown_reference(pointer)
        if not all(found.values()):
            raise SESSION_CLOSED

    async def _move(self, session_id: UUID, amount: Decimal) -> None:
        """Change an open drawer's cash, never below zero. Raises 404, 409 `session-closed`, 422 `drawer-short`."""
        mine = (CashDrawer.tenant_id == self._work.tenant_id, CashDrawer.session_id == session_id)
        moved = await self._work.session.execute(
            update(CashDrawer)
            .where(*mine, CashDrawer.is_open, CashDrawer.cash + amount >= 0)
            .values(cash=CashDrawer.cash + amount)
            .returning(CashDrawer.cash)
            .execution_options(synchronize_session=False)
        )
        if moved.one_or_none() is not None:
            return
        drawer = (
            await self._work.session.execute(select(CashDrawer.is_open, CashDrawer.cash).where(*mine))
        ).one_or_none()
        if drawer is None:
            raise NotFound("Ese turno de caja no existe.")
        if not drawer.is_open:
            raise SESSION_CLOSED
        # How much is there is the answer to a blind count, so a cashier is not told.
        available = {"available": drawer.cash} if self._work.actor.may(SUPERVISE) else {}
        raise RuleBroken("La caja no tiene tanto efectivo.", code="drawer-short", **available)

    async def _write(self, **values: Any) -> MovementOut:
        row = CashMovement(
            tenant_id=self._work.tenant_id,
            method="cash",
            user_id=self._work.actor.user_id,
            created_at=clock.now(),
            **{"document_id": None, "category": None, "body_hash": None} | values,
        )
        self._work.session.add(row)
        await self._work.flush()
        return movement_out(row)

    async def _stored(self, movement_id: UUID) -> CashMovement | None:
        found: CashMovement | None = await self._work.session.scalar(
            select(CashMovement).where(CashMovement.tenant_id == self._work.tenant_id, CashMovement.id == movement_id)
        )
        return found

    async def _stored_transfer(self, going: CashMovement, to_session_id: UUID) -> TransferOut:
        coming = await self._work.session.scalars(
            select(CashMovement).where(
                CashMovement.tenant_id == self._work.tenant_id,
                CashMovement.session_id == to_session_id,
                CashMovement.document_id == going.id,
            )
        )
        return _transfer_out(movement_out(going), movement_out(coming.one()))


def movement_out(row: CashMovement) -> MovementOut:
    """A movement as answered: the amount in the direction its kind tells."""
    return MovementOut(
        id=row.id,
        session_id=row.session_id,
        kind=row.kind,
        method=row.method,
        amount=-row.amount if row.kind in OUTGOING else row.amount,
        category=row.category,
        reason=row.reason,
        document_id=row.document_id,
        user_id=row.user_id,
        at=row.created_at,
    )


def _transfer_out(going: MovementOut, coming: MovementOut) -> TransferOut:
    return TransferOut(
        id=going.id,
        from_session_id=going.session_id,
        to_session_id=coming.session_id,
        amount=going.amount,
        reason=going.reason,
        user_id=going.user_id,
        at=going.at,
        movement_ids=[going.id, coming.id],
    )


def _amount(amount: Decimal) -> Decimal:
    if amount <= 0:
        raise RuleBroken(
            "El monto debe ser mayor que cero.",
            code="not-positive",
            errors=(FieldError("/amount", "not-positive", "Debe ser más de cero."),),
        )
    return cents(amount)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise RuleBroken(
            "Escriba el motivo.", code="blank", errors=(FieldError("/reason", "blank", "No puede estar en blanco."),)
        )
    return reason.strip()
