"""Table of consents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped

from app.db.base import ClientCreated, DefaultBase, TenantRow


class Consent(TenantRow, ClientCreated, DefaultBase):
    """What a person agreed to or took back, once, in which words and by which way. Append-only: a change is another row."""

    __tablename__ = "consent"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]),
        CheckConstraint("num_nonnulls(customer_id, user_id) = 1", name="whose"),
        CheckConstraint("decision IN ('granted','withdrawn')", name="decision"),
        CheckConstraint("channel IN ('in-person','web','phone','email','message','paper')", name="channel"),
        Index("ix_consent_customer", "tenant_id", "customer_id"),
        Index("ix_consent_user", "tenant_id", "user_id"),
    )

    customer_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    purpose: Mapped[str]
    """What the data may be used for, as the processing register names it."""
    version: Mapped[str]
    """Of the authorisation's text."""
    channel: Mapped[str]
    decision: Mapped[str]
    at: Mapped[datetime]
    """When the person decided."""
    recorded_by: Mapped[UUID]
    """User who wrote it down."""
