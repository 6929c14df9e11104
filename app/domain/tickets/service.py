"""Tickets as the company asks, reads, writes and closes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.tickets import threads
from app.domain.tickets.models import SupportMessage, SupportTicket, SupportTicketState
from app.domain.tickets.schemas import MessageOut, OpenTicket, TicketOut, TicketPage, WriteMessage
from app.domain.tickets.threads import ID_TAKEN, Said
from app.lib import clock
from app.lib.errors import Conflict
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint


class Tickets:
    """Of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, status: str | None, limit: int, cursor: str | None) -> TicketPage:
        """The company's tickets, the newest first."""
        statement: Any = (
            select(SupportTicket, SupportTicketState)
            .join(
                SupportTicketState,
                (SupportTicketState.tenant_id == SupportTicket.tenant_id)
                & (SupportTicketState.ticket_id == SupportTicket.id),
            )
            .where(SupportTicket.tenant_id == self._work.tenant_id)
            .limit(limit + 1)
        )
        if status is not None:
            statement = statement.where(SupportTicketState.status == status)
        statement = after(
            statement, (SupportTicket.created_at, SupportTicket.id), cursor, tuple[datetime, UUID], descending=True
        )
        rows: Sequence[Any] = (await self._work.session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].created_at, row[0].id))
        return TicketPage(items=[threads.ticket_item(ticket, state) for ticket, state in page], next_cursor=next_cursor)

    async def read(self, ticket_id: UUID) -> TicketOut:
        """A ticket with what both sides see of its thread. Raises `NotFound`."""
        return await self._whole(*await threads.find(self._work, ticket_id))

    async def open(self, data: OpenTicket) -> tuple[TicketOut, bool]:
        """Ask the operator; answers the ticket, and whether it is new. Raises 409 `id-taken`, 422 `too-many-tickets`."""
        body_hash = fingerprint(data)
        if data.id is not None:
            known = await self._work.session.scalar(
                select(SupportTicket).where(
                    SupportTicket.tenant_id == self._work.tenant_id, SupportTicket.id == data.id
                )
            )
            if known is not None:
                if known.body_hash != body_hash:
                    raise ID_TAKEN
                return await self.read(data.id), False
        ticket_id = data.id or uuid7()
        said = self._said(ticket_id, data.body, "open", body_hash)
        made = await threads.begin(self._work, said, data.subject, data.category, ticket_id)
        return await self._whole(*made), True

    async def write(self, ticket_id: UUID, data: WriteMessage) -> tuple[TicketOut, bool]:
        """Write into a ticket; a closed one is open again. Answers it, and whether the message is new.

        Raises 404, 409 `id-taken`, 422 `thread-full`.
        """
        body_hash = fingerprint(data)
        ticket, state = await threads.find(self._work, ticket_id, lock=True)
        if data.id is not None and (known := await threads.find_message(self._work, data.id)) is not None:
            if known.body_hash != body_hash or known.ticket_id != ticket_id:
                raise ID_TAKEN
            return await self._whole(ticket, state), False
        await threads.write(self._work, ticket, state, self._said(data.id or uuid7(), data.body, "open", body_hash))
        return await self._whole(ticket, state), True

    async def close(self, ticket_id: UUID) -> TicketOut:
        """The company needs no more help. Raises 404, 409 `already-closed`."""
        ticket, state = await threads.find(self._work, ticket_id, lock=True)
        if state.status == "closed":
            raise Conflict("El caso ya está cerrado.", code="already-closed")
        state.status, state.status_since = "closed", clock.now()
        await self._work.flush()
        self._work.record("support-ticket.closed", ticket_id, after={"number": ticket.number})
        return await self._whole(ticket, state)

    def _said(self, message_id: UUID, body: str, status: str, body_hash: bytes) -> Said:
        actor = self._work.actor
        return Said(
            id=message_id,
            side="company",
            author_id=actor.user_id,
            author_name=actor.display_name,
            body=body,
            status=status,
            body_hash=body_hash,
        )

    async def _whole(self, ticket: SupportTicket, state: SupportTicketState) -> TicketOut:
        rows = [row for row in await threads.thread(self._work, ticket.id) if not row.is_internal]
        return TicketOut(**threads.item_values(ticket, state), messages=[message_out(row) for row in rows])


def message_out(row: SupportMessage) -> MessageOut:
    return msgspec.convert(row, MessageOut, from_attributes=True)
