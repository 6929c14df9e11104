"""Tables for what comes back later: secrets that were replaced, notes that are still owed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, TenantOwned, TenantRow


class DianFormerSecret(TenantRow, DefaultBase):
    """A PIN or a technical key that was replaced: documents identified with it still have to be sent."""

    __tablename__ = "dian_former_secret"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "range_id"], ["document_range.tenant_id", "document_range.id"]),
        CheckConstraint("(software_id IS NULL) <> (range_id IS NULL)", name="owner"),
    )

    software_id: Mapped[str | None]
    """Of a PIN."""
    range_id: Mapped[UUID | None]
    """Of a technical key."""
    sealed: Mapped[bytes]


class OwedNote(TenantOwned, DefaultBase):
    """The note of a return that was taken back while none could be issued; it is issued as soon as that is possible."""

    __tablename__ = "owed_note"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "return_id"], ["sale_return.tenant_id", "sale_return.id"]),
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint("reason IN ('not-enabled','document-rejected','secrets-unreadable')", name="reason"),
        CheckConstraint("outcome IN ('','issued','withdrawn')", name="outcome"),
        Index("ix_owed_note_open", "tenant_id", "document_id", postgresql_where=text("outcome = ''")),
    )

    return_id: Mapped[UUID] = mapped_column(primary_key=True)
    document_id: Mapped[UUID]
    """What it will correct."""
    reason: Mapped[str]
    is_whole: Mapped[bool]
    """Everything of the sale came back at once."""
    goods: Mapped[str]
    """`notes.ReturnedGoods` in JSON."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    outcome: Mapped[str] = mapped_column(server_default="")


class TranscribedPaper(TenantOwned, DefaultBase):
    """Which document a paper of the shop's own failure became."""

    __tablename__ = "transcribed_paper"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"]),
        CheckConstraint("environment IN ('1','2')", name="environment"),
    )

    environment: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    """In capitals."""
    document_id: Mapped[UUID]
