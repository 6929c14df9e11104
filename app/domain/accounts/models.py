"""Tables of people and their sessions."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import DefaultBase, Editable, TenantOwned, TenantRow


class Role(StrEnum):
    """House roles; what each may do is `app.lib.permissions`."""

    OWNER = "owner"
    ADMIN = "admin"
    CASHIER = "cashier"
    SELLER = "seller"
    WAREHOUSE = "warehouse"
    ACCOUNTANT = "accountant"
    AUDITOR = "auditor"


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
    password_change_required: Mapped[bool] = mapped_column(server_default="false")
    """Until the password is changed the person may do nothing else."""
    password_changed_at: Mapped[datetime | None]
    totp_enabled_at: Mapped[datetime | None]
    """Since when logging in needs a second factor (`TotpFactor`)."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Membership(TenantRow, Editable, DefaultBase):
    """One person's role in one company."""

    __tablename__ = "membership"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["user_id"], ["app_user.id"]),
        ForeignKeyConstraint(["tenant_id", "company_role_id"], ["company_role.tenant_id", "company_role.id"]),
        UniqueConstraint("tenant_id", "user_id"),
        CheckConstraint("(company_role_id IS NULL) = (permissions IS NULL)", name="own_permissions"),
        Index("ix_membership_user_id", "user_id"),
    )

    user_id: Mapped[UUID]
    role: Mapped[str]
    """Code of a house role, or of the company's own role named by `company_role_id`."""
    company_role_id: Mapped[UUID | None]
    permissions: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Of the company's own role, copied here so that the first statement of a request reads them; none for a house role."""
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
    __table_args__ = (
        Index("ix_auth_session_user", "user_id"),
        Index("ix_auth_session_expires", "expires_at"),
        CheckConstraint("key_name IS NULL OR scopes IS NOT NULL", name="key_scopes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    tenant_id: Mapped[UUID]
    """The company the session is in; no foreign key: this table is of people, not of companies."""
    address: Mapped[str]
    """Where it was last renewed from."""
    agent: Mapped[str]
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """The most it may, where that is less than its person: an operator's at a till, or an API key's."""
    key_name: Mapped[str | None]
    """Of the API key whose session this is, as the audit trail names it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When it was last renewed: clients renew every ten minutes while they are used."""
    expires_at: Mapped[datetime] = mapped_column(server_default=text("now() + interval '30 days'"))
    """When its last refresh token ends."""
    revoked_at: Mapped[datetime | None]


class RefreshToken(DefaultBase):
    """One link of a session's rotating chain."""

    __tablename__ = "refresh_token"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("ix_refresh_token_session", "session_id"),
        Index("ix_refresh_token_expires", "expires_at"),
    )

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
        CheckConstraint("purpose IN ('verify-email','reset-password','change-email')", name="purpose"),
        Index("ix_one_time_token_user", "user_id", "purpose"),
        Index("ix_one_time_token_expires", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    purpose: Mapped[str]
    token_hash: Mapped[bytes]
    email: Mapped[str | None]
    """The address it was mailed to: it proves that one, and no other the person has by then."""
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PasswordHistory(DefaultBase):
    """A former password, so that it is not chosen again; only the newest few are kept."""

    __tablename__ = "password_history"
    __table_args__ = (Index("ix_password_history_user", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TotpFactor(DefaultBase):
    """The secret that a person's authenticator shares with us."""

    __tablename__ = "totp_factor"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"), primary_key=True)
    sealed: Mapped[bytes]
    """The secret, by `app.lib.sealing`."""
    confirmed_at: Mapped[datetime | None]
    """Null while the person has not shown a first code."""
    last_step: Mapped[int | None]
    """Of the newest code that was taken: no code counts twice."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RecoveryCode(DefaultBase):
    """A code for the day the authenticator is lost; good once."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    code_hash: Mapped[bytes]
    """HMAC with a key of the installation: the codes themselves are short."""
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
