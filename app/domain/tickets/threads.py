"""A ticket and its thread in the transaction of one company: found, written to, and told of."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.tickets.models import SupportMessage, SupportTicket, SupportTicketState
from app.domain.tickets.schemas import TicketItem
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, NotFound, RuleBroken

TELL: Final = "tickets.tell"
"""Kind of the job that tells the other side of a message: named here, declared in `jobs`."""

MOST_OPEN: Final = 50
"""Tickets that a company may have open at once."""
MOST_MESSAGES: Final = 300
"""Of one ticket: its thread is always shown whole."""

ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")
_NO_SUCH: Final = "No hay tal caso de soporte."
_IN_TURN: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant_id, 7046033))")

for _name in ("pk_support_ticket", "pk_support_message"):
    BROKEN_CONSTRAINTS[_name] = ID_TAKEN


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody writes into a thread."""

    id: UUID
    side: str
    author_id: UUID
    author_name: str
    body: str
    status: str
    is_internal: bool = False
    body_hash: bytes | None = None


async def find(work: Work, ticket_id: UUID, *, lock: bool = False) -> tuple[SupportTicket, SupportTicketState]:
    """A ticket of the company and where it stands. Raises `NotFound`."""
    statement = (
        select(SupportTicket, SupportTicketState)
        .join(
            SupportTicketState,
            (SupportTicketState.tenant_id == SupportTicket.tenant_id)
            & (SupportTicketState.ticket_id == SupportTicket.id),
        )
        .where(SupportTicket.tenant_id == work.tenant_id, SupportTicket.id == ticket_id)
        .execution_options(populate_existing=True)
    )
    if lock:
        statement = statement.with_for_update(of=SupportTicketState)
    found: Any = (await work.session.execute(statement)).one_or_none()
    if found is None:
        raise NotFound(_NO_SUCH)
    return found[0], found[1]


async def thread(work: Work, ticket_id: UUID) -> Sequence[SupportMessage]:
    """All messages of a ticket, notes among the staff as well, the oldest first."""
    rows = await work.session.scalars(
        select(SupportMessage)
        .where(SupportMessage.tenant_id == work.tenant_id, SupportMessage.ticket_id == ticket_id)
        .order_by(SupportMessage.at, SupportMessage.id)
    )
    return rows.all()


async def find_message(work: Work, message_id: UUID) -> SupportMessage | None:
    found: SupportMessage | None = await work.session.scalar(
        select(SupportMessage).where(SupportMessage.tenant_id == work.tenant_id, SupportMessage.id == message_id)
    )
    return found


async def next_number(work: Work) -> int:
    """The number of a new ticket; companies take turns only with themselves. Raises 422 `too-many-tickets`."""
    await work.session.execute(_IN_TURN, {"tenant_id": str(work.tenant_id)})
    last = await work.session.scalar(
        select(func.max(SupportTicket.number)).where(SupportTicket.tenant_id == work.tenant_id)
    )
    opened = await work.session.scalar(
        select(func.count()).where(
            SupportTicketState.tenant_id == work.tenant_id, SupportTicketState.status != "closed"
        )
    )
    if (opened or 0) >= MOST_OPEN:
        raise RuleBroken(
            f"La empresa tiene {opened} casos de soporte abiertos; cierre alguno o escriba en él.",
            code="too-many-tickets",
        )
    return (last or 0) + 1


async def write(work: Work, ticket: SupportTicket, state: SupportTicketState, said: Said) -> SupportMessage:
    """Add a message to a ticket that is held, and tell the other side. Raises 422 `thread-full`."""
    if state.messages >= MOST_MESSAGES:
        raise RuleBroken("Este caso ya tiene demasiados mensajes; abra otro.", code="thread-full")
    now = clock.now()
    message = SupportMessage(
        tenant_id=work.tenant_id,
        id=said.id,
        ticket_id=ticket.id,
        side=said.side,
        author_id=said.author_id,
        author_name=said.author_name,
        body=said.body.strip(),
        is_internal=said.is_internal,
        status=said.status,
        at=now,
        body_hash=said.body_hash,
    )
    work.session.add(message)
    state.messages += 1
    if said.status != state.status:
        state.status, state.status_since = said.status, now
    if not said.is_internal:
        state.last_at = now
        work.ask(TELL, {"messageId": str(message.id)})
    await work.flush()
    work.record(
        "support-ticket.answered" if said.side == "provider" else "support-ticket.written",
        ticket.id,
        after={"number": ticket.number, "messageId": message.id, "status": said.status},
    )
    return message


async def begin(
    work: Work, said: Said, subject: str, category: str, ticket_id: UUID
) -> tuple[SupportTicket, SupportTicketState]:
    """A new ticket with its first message. Raises 422 `too-many-tickets`."""
    now, number = clock.now(), await next_number(work)
    ticket = SupportTicket(
        tenant_id=work.tenant_id,
        id=ticket_id,
        number=number,
        subject=subject.strip(),
        category=category,
        user_id=said.author_id,
        user_name=said.author_name,
        body_hash=said.body_hash,
    )
    work.session.add(ticket)
    await work.flush()
    state = SupportTicketState(
        tenant_id=work.tenant_id, ticket_id=ticket_id, status="open", status_since=now, messages=1, last_at=now
    )
    message = SupportMessage(
        tenant_id=work.tenant_id,
        id=uuid7(),
        ticket_id=ticket_id,
        side=said.side,
        author_id=said.author_id,
        author_name=said.author_name,
        body=said.body.strip(),
        is_internal=False,
        status="open",
        at=now,
    )
    work.session.add_all([state, message])
    await work.flush()
    await work.session.refresh(ticket)
    work.ask(TELL, {"messageId": str(message.id)})
    work.record("support-ticket.opened", ticket_id, after={"number": number, "category": category})
    return ticket, state


def item_values(ticket: SupportTicket, state: SupportTicketState) -> dict[str, Any]:
    """What both sides see of a ticket in a list."""
    return {
        "id": ticket.id,
        "number": ticket.number,
        "subject": ticket.subject,
        "category": ticket.category,
        "status": state.status,
        "status_since": state.status_since,
        "opened_by": ticket.user_name,
        "assignee_name": state.assignee_name,
        "created_at": ticket.created_at,
        "last_at": state.last_at,
    }


def ticket_item(ticket: SupportTicket, state: SupportTicketState) -> TicketItem:
    return TicketItem(**item_values(ticket, state))
