"""Tables of the operator's staff, and of what they do."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import DefaultBase, Editable


class ProviderUser(Editable, DefaultBase):
    """Somebody of the operator's staff: an account of its own, that belongs to no company and logs in by its own door."""

    __tablename__ = "provider_user"
    __table_args__ = (
        UniqueConstraint("email_norm"),
        CheckConstraint("role IN ('admin', 'support', 'billing', 'ops')", name="role"),
        CheckConstraint("totp_enabled_at IS NULL OR totp_sealed IS NOT NULL", name="totp"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str]
    email_norm: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    """What it may do is `app.lib.staff`."""
    password_hash: Mapped[str]
    password_change_required: Mapped[bool] = mapped_column(server_default="true")
    """A first password was made by somebody else."""
    is_active: Mapped[bool] = mapped_column(server_default="true")
    totp_sealed: Mapped[bytes | None]
    """Secret of the second factor, by `app.lib.sealing`; it counts since `totp_enabled_at`."""
    totp_enabled_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProviderSession(DefaultBase):
    """One login of the staff; its refresh tokens are numbered, and only the newest counts."""

    __tablename__ = "provider_session"
    __table_args__ = (Index("ix_provider_session_user", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("provider_user.id"))
    address: Mapped[str]
    agent: Mapped[str]
    generation: Mapped[int] = mapped_column(server_default="0")
    rotated_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ProviderAnswer(DefaultBase):
    """The stored answer of a request of the staff, by idempotency key. Kept 48 hours."""

    __tablename__ = "provider_answer"
    __table_args__ = (Index("ix_provider_answer_created", "created_at"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("provider_user.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    status: Mapped[int | None]
    answer: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProviderTrailHead(DefaultBase):
    """End of the operator's own audit chain; locked last."""

    __tablename__ = "provider_trail_head"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[bytes]


class ProviderEntry(DefaultBase):
    """One link of the operator's chain: who of the staff did what, to which company. Append-only."""

    __tablename__ = "provider_entry"
    __table_args__ = (
        Index("ix_provider_entry_company", "company_id", "seq"),
        Index("ix_provider_entry_staff", "staff_id", "seq"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    """Seed of the row's own key."""
    at: Mapped[datetime]
    action: Mapped[str]
    staff_id: Mapped[UUID]
    """Zero for the command line."""
    company_id: Mapped[UUID | None]
    content: Mapped[str]
    hash: Mapped[bytes]
