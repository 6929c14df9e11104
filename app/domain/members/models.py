"""Tables of what people may do in a company."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Editable, TenantOwned, TenantRow

APPROVAL_KINDS = ("void", "cash-difference", "discount", "below-cost")
"""Acts that a supervisor may approve."""


class CompanyRole(TenantRow, Editable, ClientCreated, DefaultBase):
    """A role that the company made for itself. Its permissions are copied into the memberships that hold it."""

    __tablename__ = "company_role"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "code"),
    )

    code: Mapped[str]
    name: Mapped[str]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text))


class Invitation(TenantRow, Editable, DefaultBase):
    """A place in the company that waits for a person; takes a seat while it is pending."""

    __tablename__ = "invitation"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "token_hash"),
        CheckConstraint("accepted_at IS NULL OR revoked_at IS NULL", name="one_end"),
        CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name="accepted_by"),
        Index(
            "uq_invitation_pending",
            "tenant_id",
            "email_norm",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
    )

    email: Mapped[str]
    email_norm: Mapped[str]
    name: Mapped[str]
    """As it will be printed on tickets."""
    role: Mapped[str]
    """Code of a house role or of a role of the company."""
    invited_by: Mapped[UUID]
    mailing: Mapped[int] = mapped_column(server_default="1")
    """Counts the mails; only the newest one's link works."""
    token_hash: Mapped[bytes]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None]
    revoked_at: Mapped[datetime | None]
    body_hash: Mapped[bytes | None]


class MemberPin(TenantOwned, DefaultBase):
    """The digits with which somebody takes over a till; wrong ones are counted before they are compared."""

    __tablename__ = "member_pin"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]),
        CheckConstraint("strangers >= 0", name="strangers"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    pin_hash: Mapped[str]
    strangers: Mapped[int] = mapped_column(server_default="0")
    """Wrong attempts, since it was set, of those for whom it was never right."""
    changed_at: Mapped[datetime]


class MemberPinTry(TenantOwned, DefaultBase):
    """How often somebody asked for somebody's PIN in vain: one person's wrong tries lock it for that person alone."""

    __tablename__ = "member_pin_try"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["member_pin.tenant_id", "member_pin.user_id"]),
        CheckConstraint("failures >= 0 AND wrong >= 0", name="counts"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    """Whose PIN."""
    asker_id: Mapped[UUID] = mapped_column(primary_key=True)
    """Who was logged in where it was typed."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Attempts since the last right one."""
    wrong: Mapped[int] = mapped_column(server_default="0")
    """Wrong attempts since the PIN was set."""
    locked_until: Mapped[datetime | None]
    proven_at: Mapped[datetime | None]
    """When it was first right: the PIN's owner has been there."""


class Approval(TenantRow, DefaultBase):
    """A supervisor's yes to one act of one person; used once, by the act's own transaction."""

    __tablename__ = "approval"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint(f"kind IN {APPROVAL_KINDS}", name="kind"),
        CheckConstraint("requested_by <> approved_by", name="somebody_else"),
        Index("ix_approval_created", "tenant_id", "created_at", "id"),
    )

    kind: Mapped[str]
    subject: Mapped[dict[str, Any]]
    act_hash: Mapped[bytes]
    """SHA-256 over kind and subject in canonical JSON."""
    requested_by: Mapped[UUID]
    approved_by: Mapped[UUID]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiKey(TenantRow, DefaultBase):
    """What a program comes in with. Its row of `auth_session` has the same id and is what ends it."""

    __tablename__ = "api_key"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]),
    )

    name: Mapped[str]
    user_id: Mapped[UUID]
    """Who made it: it may never do more than they may, and ends when they leave."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    hint: Mapped[str]
    """Last four letters, to tell keys apart."""
    secret_hash: Mapped[bytes]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
