"""Tickets of all companies as the operator's staff reads and answers them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.desk import Desk
from app.db.session import Work
from app.domain.provider.people import find_person
from app.domain.tenants.models import Tenant
from app.domain.tickets import threads
from app.domain.tickets.models import SupportTicket, SupportTicketState
from app.domain.tickets.schemas import (
    AnswerTicket,
    AssignTicket,
    StaffMessageOut,
    StaffTicketItem,
    StaffTicketOut,
    StaffTicketPage,
)
from app.domain.tickets.threads import ID_TAKEN, Said
from app.lib.errors import FieldError, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint
from app.lib.staff import STAFF_ROLES

ANSWERS: Final = "tickets:answer"


class TicketFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tickets a list is about."""

    status: str | None = None
    tenant_id: UUID | None = None
    assignee_id: UUID | None = None


class TicketDesk:
    """The operator's side."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, wanted: TicketFilter, limit: int, cursor: str | None) -> StaffTicketPage:
        """Tickets of all companies, the one that was written to last first."""
        statement: Any = (
            select(SupportTicket, SupportTicketState, Tenant.name)
            .join(
                SupportTicketState,
                (SupportTicketState.tenant_id == SupportTicket.tenant_id)
                & (SupportTicketState.ticket_id == SupportTicket.id),
            )
            .join(Tenant, Tenant.tenant_id == SupportTicket.tenant_id)
            .limit(limit + 1)
        )
        for column, value in (
            (SupportTicketState.status, wanted.status),
            (SupportTicket.tenant_id, wanted.tenant_id),
            (SupportTicketState.assignee_id, wanted.assignee_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        statement = after(
            statement,
            (SupportTicketState.last_at, SupportTicket.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        async with self._desk.database.platform_transaction() as session:
            rows: Sequence[Any] = (await session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[1].last_at, row[0].id))
        return StaffTicketPage(items=[StaffTicketItem(**_values(*row)) for row in page], next_cursor=next_cursor)

    async def read(self, tenant_id: UUID, ticket_id: UUID) -> StaffTicketOut:
        """A ticket with its whole thread. Raises `NotFound`."""
        work = await self._desk.enter(tenant_id)
        return await _whole(work, *await threads.find(work, ticket_id))

    async def answer(self, tenant_id: UUID, ticket_id: UUID, data: AnswerTicket) -> tuple[StaffTicketOut, bool]:
        """Write to the company, or a note among the staff. Answers the ticket, and whether the message is new.

        Raises 404, 409 `id-taken`, 422 `thread-full` or `note-moves-nothing`.
        """
        if data.is_internal and data.status is not None:
            raise RuleBroken(
                "Una nota interna no cambia el estado del caso.",
                code="note-moves-nothing",
                errors=(FieldError("/status", "note-moves-nothing", "Quítelo, o escriba a la empresa."),),
            )
        work, staff, body_hash = await self._desk.enter(tenant_id), self._desk.staff, fingerprint(data)
        ticket, state = await threads.find(work, ticket_id, lock=True)
        if data.id is not None and (known := await threads.find_message(work, data.id)) is not None:
            if known.body_hash != body_hash or (known.ticket_id, known.author_id) != (ticket_id, staff.id):
                raise ID_TAKEN
            return await _whole(work, ticket, state), False
        said = Said(
            id=data.id or uuid7(),
            side="provider",
            author_id=staff.id,
            author_name=staff.name,
            body=data.body,
            status=state.status if data.is_internal else data.status or "answered",
            is_internal=data.is_internal,
            body_hash=body_hash,
        )
        await threads.write(work, ticket, state, said)
        told = await _whole(work, ticket, state)
        after_it = {"status": said.status, "isInternal": said.is_internal}
        await self._desk.note("ticket.answered", ticket_id, company_id=tenant_id, after=after_it)
        return told, True

    async def assign(self, tenant_id: UUID, ticket_id: UUID, data: AssignTicket) -> StaffTicketOut:
        """Give a ticket to somebody of the staff who may answer it, or to nobody. Raises 404, 422 `unknown-reference`."""
        name = None
        if isinstance(data.assignee_id, UUID):
            person = await find_person(self._desk.database, data.assignee_id)
            if person is None or not person.is_active or ANSWERS not in STAFF_ROLES[person.role]:
                raise unknown_reference("/assigneeId", "No hay tal persona en el soporte.")
            name = person.name
        work = await self._desk.enter(tenant_id)
        ticket, state = await threads.find(work, ticket_id, lock=True)
        if not isinstance(data.assignee_id, msgspec.UnsetType) and data.assignee_id != state.assignee_id:
            state.assignee_id, state.assignee_name = data.assignee_id, name
            await work.flush()
            work.record("support-ticket.assigned", ticket_id, after={"number": ticket.number, "assigneeName": name})
            told = await _whole(work, ticket, state)
            await self._desk.note(
                "ticket.assigned", ticket_id, company_id=tenant_id, after={"assigneeId": data.assignee_id}
            )
            return told
        return await _whole(work, ticket, state)


async def _whole(work: Work, ticket: SupportTicket, state: SupportTicketState) -> StaffTicketOut:
    company = await work.session.scalar(select(Tenant.name).where(Tenant.tenant_id == work.tenant_id))
    messages = [
        msgspec.convert(row, StaffMessageOut, from_attributes=True) for row in await threads.thread(work, ticket.id)
    ]
    return StaffTicketOut(**_values(ticket, state, str(company)), messages=messages)


def _values(ticket: SupportTicket, state: SupportTicketState, company: str) -> dict[str, Any]:
    return threads.item_values(ticket, state) | {
        "tenant_id": ticket.tenant_id,
        "company_name": company,
        "assignee_id": state.assignee_id,
    }
