"""Tables of people and their sessions."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import DefaultBase, Editable, TenantOwned, TenantRow


class Role(StrEnum):
    """House roles; what each may do is `app.lib.permissions`."""

    OWNER = "owner"
    CASHIER = "cashier"


class AppUser(Editable, DefaultBase):
    """A person who logs in; belongs to companies through `Membership`. Global: one login, several companies."""

    __tablename__ = "app_user"
    __table_args__ = (UniqueConstraint("email_norm"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str]
    email_norm: Mapped[str]
    """Lower case, as compared at login."""
    name: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default="true")
    email_verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Membership(TenantRow, Editable, DefaultBase):
    """One person's role in one company."""

    __tablename__ = "membership"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["user_id"], ["app_user.id"]),
        UniqueConstraint("tenant_id", "user_id"),
        Index("ix_membership_user_id", "user_id"),
    )

    user_id: Mapped[UUID]
    role: Mapped[str]
    display_name: Mapped[str]
    """Printed on tickets; the shop sees this and not the person's account."""
    is_active: Mapped[bool] = mapped_column(server_default="true")
    all_branches: Mapped[bool] = mapped_column(server_default="true")
    """False limits the person to the branches of `membership_branch`, also when none is left there."""


class MembershipBranch(TenantOwned, DefaultBase):
    """A branch that a person is limited to; counts only while the membership is not open to all branches."""

    __tablename__ = "membership_branch"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "membership_id"], ["membership.tenant_id", "membership.id"]),
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
    )

    membership_id: Mapped[UUID] = mapped_column(primary_key=True)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)


class AuthSession(DefaultBase):
    """One login on one device: what the access token names, and what a revocation ends at once."""

    __tablename__ = "auth_session"
    __table_args__ = (Index("ix_auth_session_user", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    tenant_id: Mapped[UUID]
    """The company the session is in; no foreign key: this table is of people, not of companies."""
    address: Mapped[str]
    agent: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class RefreshToken(DefaultBase):
    """One link of a session's rotating chain."""

    __tablename__ = "refresh_token"
    __table_args__ = (UniqueConstraint("token_hash"), Index("ix_refresh_token_session", "session_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("auth_session.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    token_hash: Mapped[bytes]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OneTimeToken(DefaultBase):
    """A hashed, single-use token bound to one purpose, as mailed to a person."""

    __tablename__ = "one_time_token"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("purpose IN ('verify-email')", name="purpose"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    purpose: Mapped[str]
    token_hash: Mapped[bytes]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TermsAcceptance(TenantRow, DefaultBase):
    """Who accepted which version of the terms, and from where."""

    __tablename__ = "terms_acceptance"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["user_id"], ["app_user.id"]),
    )

    user_id: Mapped[UUID]
    version: Mapped[str]
    address: Mapped[str]
