"""Tables that hold a chain from outside: its anchored heads and its archives."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, TenantOwned, TenantRow


class AuditCheckpoint(TenantOwned, DefaultBase):
    """Where a chain ended one day, signed: what an end that was cut off is found by. Append-only."""

    __tablename__ = "audit_checkpoint"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    seq: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[bytes]
    at: Mapped[datetime]
    signature: Mapped[bytes]
    """Ed25519 over company, place, hash and instant (`app.domain.audit.seals`)."""


class AuditArchive(TenantRow, DefaultBase):
    """A stretch of the chain that lies in a signed file: its heads let verification go on over it. Append-only."""

    __tablename__ = "audit_archive"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "first_seq"),
        CheckConstraint("first_seq >= 1 AND last_seq >= first_seq", name="range"),
    )

    first_seq: Mapped[int]
    last_seq: Mapped[int]
    previous_hash: Mapped[bytes]
    """Head before the first entry."""
    last_hash: Mapped[bytes]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    file_name: Mapped[str]
    file_hash: Mapped[bytes]
    """SHA-256 of the compressed file."""
    manifest: Mapped[str]
    """Canonical JSON, as it was signed."""
    signature: Mapped[bytes]
