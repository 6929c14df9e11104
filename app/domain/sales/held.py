"""Tickets put aside before payment, and taken up again by one till."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import SQLColumnExpression, delete, select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.catalog.models import Product
from app.domain.customers.models import Customer
from app.domain.sales.models import HeldTicket
from app.domain.sales.schemas import HeldLineOut, HeldTicketOut, HeldTicketPage, HoldTicket
from app.domain.tenants.models import CashRegister
from app.domain.tenants.scope import check_branch, in_branches
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, NotFound, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import decode_special, encode_special, fingerprint

_ID_TAKEN = Conflict("Ya existe otro tiquete en espera con ese identificador.", code="id-taken")
BROKEN_CONSTRAINTS["pk_held_ticket"] = _ID_TAKEN


class HeldTicketService:
    """Holds, lists and takes up tickets of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def hold(self, data: HoldTicket) -> tuple[HeldTicketOut, bool]:
        """Put a ticket aside; answers it, and whether it is new.

        Raises 422 for unknown ids in it, 409 `id-taken`, 403 for a till of a branch that is not the caller's.
        """
        body = fingerprint(data)
        if data.id is not None and (earlier := await self._find(data.id)) is not None:
            if earlier.body_hash != body:
                raise _ID_TAKEN
            return _out(earlier), False
        tenant_id = self._work.tenant_id
        register = await self._work.session.get(CashRegister, (tenant_id, data.register_id))
        if register is None or register.retired_at is not None:
            raise unknown_reference("/registerId", "No hay tal caja.")
        check_branch(self._work.actor, register.branch_id)
        if data.customer_id and await self._work.session.get(Customer, (tenant_id, data.customer_id)) is None:
            raise unknown_reference("/customerId", "No hay tal cliente.")
        await self._check_products(data)
        held = HeldTicket(
            tenant_id=tenant_id,
            id=data.id or uuid7(),
            register_id=data.register_id,
            label=data.label,
            ticket=msgspec.to_builtins(data, enc_hook=encode_special),
            user_id=self._work.actor.user_id,
            body_hash=body,
        )
        self._work.session.add(held)
        await self._work.flush()
        await self._work.session.refresh(held)
        self._work.record("ticket.held", held.id, after=held.ticket)
        return _out(held), True

    async def page(self, limit: int, cursor: str | None) -> HeldTicketPage:
        """Tickets in wait in the caller's branches, the oldest first."""
        statement = after(
            select(HeldTicket).where(*self._mine()).limit(limit + 1),
            (HeldTicket.created_at, HeldTicket.id),
            cursor,
            tuple[datetime, UUID],
            descending=False,
        )
        rows, next_cursor = cut(
            list(await self._work.session.scalars(statement)), limit, lambda row: (row.created_at, row.id)
        )
        return HeldTicketPage(items=[_out(row) for row in rows], next_cursor=next_cursor)

    async def resume(self, held_id: UUID) -> HeldTicketOut:
        """Take a ticket up: it stops waiting, so no second till gets it. Raises `NotFound` when one already did."""
        held = await self._work.session.scalar(
            delete(HeldTicket).where(HeldTicket.id == held_id, *self._mine()).returning(HeldTicket)
        )
        if held is None:
            raise NotFound("No hay tal tiquete en espera; quizá ya lo retomaron.")
        self._work.record("ticket.resumed", held.id, before=held.ticket)
        return _out(held)

    def _mine(self) -> list[SQLColumnExpression[bool]]:
        """Conditions of the tickets that the caller may see: another branch's are as good as taken up."""
        actor = self._work.actor
        conditions: list[SQLColumnExpression[bool]] = [HeldTicket.tenant_id == self._work.tenant_id]
        if inside := in_branches(actor, CashRegister.branch_id):
            tills = select(CashRegister.id).where(CashRegister.tenant_id == self._work.tenant_id, *inside)
            conditions.append(HeldTicket.register_id.in_(tills))
        return conditions

    async def _check_products(self, data: HoldTicket) -> None:
        wanted = {line.product_id for line in data.lines}
        found = set(
            await self._work.session.scalars(
                select(Product.id).where(Product.tenant_id == self._work.tenant_id, Product.id.in_(wanted))
            )
        )
        for number, line in enumerate(data.lines):
            if line.product_id not in found:
                raise unknown_reference(f"/lines/{number}/productId", "No hay tal producto.")

    async def _find(self, held_id: UUID) -> HeldTicket | None:
        return await self._work.session.get(HeldTicket, (self._work.tenant_id, held_id))


def _out(held: HeldTicket) -> HeldTicketOut:
    ticket: dict[str, Any] = held.ticket
    data = msgspec.convert(ticket, HoldTicket, dec_hook=decode_special)
    return HeldTicketOut(
        id=held.id,
        register_id=held.register_id,
        label=held.label,
        customer_id=data.customer_id,
        discount=data.discount,
        lines=[
            HeldLineOut(
                product_id=line.product_id,
                quantity=line.quantity,
                unit_code=line.unit_code,
                unit_price=line.unit_price,
                discount=line.discount,
            )
            for line in data.lines
        ],
        user_id=held.user_id,
        created_at=held.created_at,
    )
