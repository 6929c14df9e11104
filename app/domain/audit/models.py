"""Tables that hold a chain from outside: its anchored heads and its archives."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, func
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


class AuditOrigin(TenantOwned, DefaultBase):
    """Where the first stretch of a trail was written, when the company was brought in as a copy: its links were made with
    another company's or installation's keys, so what arrived is held by its hash instead. Written by a restore alone.
    """

    __tablename__ = "audit_origin"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("last_seq >= 0", name="last_seq"),
    )

    source_tenant_id: Mapped[UUID]
    last_seq: Mapped[int]
    """Last entry that came along."""
    last_hash: Mapped[bytes]
    """Its hash, which the next entry follows."""
    content_hash: Mapped[bytes]
    """SHA-256 over the stretch, as `app.domain.audit.origin` reads it."""
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    signature: Mapped[bytes]
    """Ed25519, ours, over all of the above."""
