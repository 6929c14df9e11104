"""Tables of support tickets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Editable, TenantOwned, TenantRow


class SupportTicket(TenantRow, ClientCreated, DefaultBase):
    """What a company asked the operator. Append-only; where it stands is `SupportTicketState`."""

    __tablename__ = "support_ticket"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "number"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("category IN ('billing','dian','sales','technical','other')", name="category"),
    )

    number: Mapped[int]
    """1, 2, 3 … of the company."""
    subject: Mapped[str]
    category: Mapped[str]
    user_id: Mapped[UUID]
    """Who asked."""
    user_name: Mapped[str]


class SupportTicketState(TenantOwned, Editable, DefaultBase):
    """Mutable companion of a ticket: whose turn it is, and who of the operator's has it."""

    __tablename__ = "support_ticket_state"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "ticket_id"], ["support_ticket.tenant_id", "support_ticket.id"]),
        ForeignKeyConstraint(["assignee_id"], ["provider_user.id"]),
        CheckConstraint("status IN ('open','answered','closed')", name="status"),
        CheckConstraint("(assignee_id IS NULL) = (assignee_name IS NULL)", name="assignee"),
        CheckConstraint("messages >= 1", name="messages"),
        Index("ix_support_ticket_state_last", "last_at", "ticket_id"),
    )

    ticket_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default="open")
    """open: the operator's turn; answered: the company's; closed."""
    status_since: Mapped[datetime]
    assignee_id: Mapped[UUID | None]
    assignee_name: Mapped[str | None]
    """As it was then: the company reads no account of the operator's."""
    messages: Mapped[int] = mapped_column(server_default="1")
    last_at: Mapped[datetime]
    """Of the last message that both sides see."""


class SupportMessage(TenantRow, ClientCreated, DefaultBase):
    """One message of a thread. Append-only."""

    __tablename__ = "support_message"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "ticket_id"], ["support_ticket.tenant_id", "support_ticket.id"]),
        CheckConstraint("side IN ('company','provider')", name="side"),
        CheckConstraint("status IN ('open','answered','closed')", name="status"),
        CheckConstraint("side = 'provider' OR NOT is_internal", name="internal"),
        Index("ix_support_message_ticket", "tenant_id", "ticket_id", "at", "id"),
    )

    ticket_id: Mapped[UUID]
    side: Mapped[str]
    author_id: Mapped[UUID]
    author_name: Mapped[str]
    body: Mapped[str]
    is_internal: Mapped[bool] = mapped_column(server_default="false")
    """A note among the operator's staff: the company never sees it."""
    status: Mapped[str]
    """Of the ticket, after it."""
    at: Mapped[datetime]
