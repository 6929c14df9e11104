"""Tables of the webhooks domain."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Editable, TenantOwned, TenantRow


class WebhookFeed(TenantOwned, DefaultBase):
    """How far a company's audit chain was read into events; locked by whoever changes who listens."""

    __tablename__ = "webhook_feed"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    is_listening: Mapped[bool] = mapped_column(server_default="false")
    """Whether any endpoint is active: of other companies nothing is read."""
    audit_seq: Mapped[int] = mapped_column(server_default="0")
    """Last entry of the chain that was read."""
    event_no: Mapped[int] = mapped_column(server_default="0")
    """Last event's number."""
    stock_seq: Mapped[int | None]
    """`audit_seq` at the last look for low stock; none while nobody wants to hear of it."""
    stock_at: Mapped[datetime | None]


class WebhookEndpoint(TenantRow, Editable, DefaultBase):
    """Where a company wants to be told, of what, and how it is doing."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("disabled_reason IN ('gone','failing')", name="disabled_reason"),
        CheckConstraint("removed_at IS NULL OR NOT is_active", name="removed"),
    )

    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_active: Mapped[bool] = mapped_column(server_default="true")
    disabled_at: Mapped[datetime | None]
    """When we gave up on it; none while it is active or was switched off by somebody."""
    disabled_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    """Attempts that failed since one did not."""
    failing_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class WebhookSecret(TenantRow, DefaultBase):
    """What an endpoint's deliveries are signed with, sealed. The older one ends some time after a rotation."""

    __tablename__ = "webhook_secret"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "endpoint_id"], ["webhook_endpoint.tenant_id", "webhook_endpoint.id"]),
        Index("ix_webhook_secret_endpoint", "tenant_id", "endpoint_id"),
    )

    endpoint_id: Mapped[UUID]
    sealed: Mapped[bytes]
    expires_at: Mapped[datetime | None]


class WebhookEvent(TenantRow, DefaultBase):
    """Something that happened, exactly as it is told. Kept for a while and then purged."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "no"),
        Index("ix_webhook_event_occurred", "tenant_id", "occurred_at"),
        Index("ix_webhook_event_created", "created_at"),
    )

    no: Mapped[int]
    """1, 2, 3 … per company, in the order of the audit chain."""
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    payload: Mapped[str]
    """The body that is sent and signed."""


class WebhookDelivery(TenantRow, DefaultBase):
    """One event on its way to one endpoint."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "endpoint_id"], ["webhook_endpoint.tenant_id", "webhook_endpoint.id"]),
        ForeignKeyConstraint(["tenant_id", "event_id"], ["webhook_event.tenant_id", "webhook_event.id"]),
        UniqueConstraint("tenant_id", "endpoint_id", "event_id"),
        CheckConstraint("status IN ('pending','delivered','failed')", name="status"),
        Index("ix_webhook_delivery_event", "tenant_id", "event_id"),
        Index(
            "ix_webhook_delivery_due",
            "tenant_id",
            "endpoint_id",
            "next_at",
            postgresql_where=text("status = 'pending'"),
        ),
    )

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Since it was last begun: a replay begins anew."""
    begun_at: Mapped[datetime]
    next_at: Mapped[datetime]
    """When it is tried next; while a worker has it, when another one may take it."""
    last_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str] = mapped_column(server_default="")
    last_duration_ms: Mapped[int | None]
    delivered_at: Mapped[datetime | None]


class WebhookAttempt(TenantRow, DefaultBase):
    """One try of a delivery. Kept as long as its event."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["webhook_delivery.tenant_id", "webhook_delivery.id"]),
        Index("ix_webhook_attempt_delivery", "tenant_id", "delivery_id", "at"),
        # For the monitor, which asks about all companies' last hour.
        Index("ix_webhook_attempt_at", "at"),
    )

    delivery_id: Mapped[UUID]
    at: Mapped[datetime]
    status_code: Mapped[int | None]
    duration_ms: Mapped[int]
    excerpt: Mapped[str]
    error: Mapped[str]


class WebhookLowStock(TenantOwned, DefaultBase):
    """A shelf below its minimum that was told of; gone once it is full again."""

    __tablename__ = "webhook_low_stock"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
    )

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID] = mapped_column(primary_key=True)
