"""Tables of what buyers get: how a company hands its documents over, each mailing, and how far it came."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Editable, TenantOwned, TenantRow

DELIVERY_STATUSES = ("pending", "sending", "sent", "refused", "failed", "uncertain", "bounced")


class DeliverySetting(TenantOwned, Editable, DefaultBase):
    """How a company hands documents over. Without a row: everything, to whoever left an address."""

    __tablename__ = "delivery_setting"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("mails IN ('all','invoices','none')", name="mails"),
    )

    mails: Mapped[str] = mapped_column(server_default="all")
    """What goes to the buyer by itself once DIAN accepted it."""
    attach_pdf: Mapped[bool] = mapped_column(server_default="true")
    line_of_business: Mapped[str] = mapped_column(server_default="")
    """Last part of the subject, for buyers that sort their mail by it."""


class DocumentDelivery(TenantRow, ClientCreated, DefaultBase):
    """One mailing of a document to one address, as it was wanted. How it went is `DeliveryState`."""

    __tablename__ = "document_delivery"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint("address <> ''", name="address"),
        Index("ix_document_delivery_document", "tenant_id", "document_id", "id"),
        Index(
            "uq_document_delivery_automatic",
            "tenant_id",
            "document_id",
            unique=True,
            postgresql_where=text("is_automatic"),
        ),
    )

    document_id: Mapped[UUID]
    version: Mapped[int]
    address: Mapped[str]
    is_automatic: Mapped[bool] = mapped_column(server_default="false")
    user_id: Mapped[UUID]


class DeliveryState(TenantOwned, DefaultBase):
    """Mutable companion of a mailing: which run has it, and what became of it."""

    __tablename__ = "document_delivery_state"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["document_delivery.tenant_id", "document_delivery.id"]),
        CheckConstraint(f"status IN {DELIVERY_STATUSES}", name="status"),
        CheckConstraint("attempts >= 0", name="attempts"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    claim: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    handed: Mapped[bool] = mapped_column(server_default="false")
    """The message was about to go over: whoever finds the claim expired cannot know whether it went."""
    message: Mapped[str] = mapped_column(server_default="")
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
