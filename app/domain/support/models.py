"""Tables of the operator's support in a company."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, TenantOwned, TenantRow


class SupportAccess(TenantRow, ClientCreated, DefaultBase):
    """The operator's support looking into a company: by whom, why, until when. At most an hour, and reading only."""

    __tablename__ = "support_access"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["staff_id"], ["provider_user.id"]),
        CheckConstraint("expires_at > opened_at AND expires_at <= opened_at + interval '60 minutes'", name="an_hour"),
        CheckConstraint("reason <> ''", name="reason"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
        CheckConstraint("ended_by IN ('company', 'provider')", name="ended_by"),
        Index("ix_support_access_open", "staff_id", postgresql_where=text("ended_at IS NULL")),
    )

    staff_id: Mapped[UUID]
    staff_name: Mapped[str]
    """As it was then: the company reads no account of the operator's."""
    reason: Mapped[str]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """Before its time."""
    ended_by: Mapped[str | None]


class SupportRoute(TenantOwned, DefaultBase):
    """What an access looked at: one row a route, however often it was read."""

    __tablename__ = "support_route"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "access_id"], ["support_access.tenant_id", "support_access.id"]),
    )

    access_id: Mapped[UUID] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int] = mapped_column(server_default="1")
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
