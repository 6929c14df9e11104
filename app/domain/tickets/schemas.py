"""Bodies of support tickets, for both sides."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.lib.schemas import Input, Output, Page
from app.lib.text import NAME

Category = Literal["billing", "dian", "sales", "technical", "other"]
TicketStatus = Literal["open", "answered", "closed"]
Side = Literal["company", "provider"]
Body = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=5_000,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples=["La caja 2 no abre desde esta mañana."],
    ),
]


class OpenTicket(Input):
    subject: Annotated[str, Meta(min_length=1, max_length=150, pattern=NAME, examples=["La caja no abre"])]
    category: Category
    body: Body
    id: UUID | None = None


class WriteMessage(Input):
    body: Body
    id: UUID | None = None


class AnswerTicket(Input):
    """A message of the operator's staff."""

    body: Body
    status: TicketStatus | None = None
    """Where the ticket goes; by default to the company, `answered`. A note leaves it where it is."""
    is_internal: bool = False
    """A note among the staff: the company neither sees it nor is told."""
    id: UUID | None = None


class AssignTicket(Input):
    assignee_id: UUID | UnsetType | None = UNSET
    """Who of the staff has it; null: nobody."""


class MessageOut(Output):
    id: UUID
    side: Side
    author_name: str
    body: str
    status: TicketStatus
    at: datetime


class StaffMessageOut(MessageOut):
    is_internal: bool


class TicketItem(Output):
    id: UUID
    number: int
    subject: str
    category: Category
    status: TicketStatus
    status_since: datetime
    opened_by: str
    assignee_name: str | None
    created_at: datetime
    last_at: datetime


class TicketPage(Page):
    items: list[TicketItem]


class TicketOut(TicketItem):
    """A ticket with its thread, the oldest first."""

    messages: list[MessageOut]


class StaffTicketItem(TicketItem):
    tenant_id: UUID
    company_name: str
    assignee_id: UUID | None


class StaffTicketPage(Page):
    items: list[StaffTicketItem]


class StaffTicketOut(StaffTicketItem):
    messages: list[StaffMessageOut]
