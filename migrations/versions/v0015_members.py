"""Roles, invitations, PINs, approvals, API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def _company_role() -> None:
    op.create_table(
        "company_role",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_company_role_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_company_role")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_company_role_tenant_id_code")),
    )
    tenancy.protect("company_role", ("select", "insert", "update", "delete"))


def _membership() -> None:
    op.add_column("membership", sa.Column("company_role_id", sa.Uuid(), nullable=True))
    op.add_column("membership", sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=True))
    op.create_foreign_key(
        op.f("fk_membership_tenant_id_company_role_id"),
        "membership",
        "company_role",
        ["tenant_id", "company_role_id"],
        ["tenant_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_membership_own_permissions"), "membership", "(company_role_id IS NULL) = (permissions IS NULL)"
    )
    op.add_column("auth_session", sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("auth_session", sa.Column("key_name", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_auth_session_key_scopes"), "auth_session", "key_name IS NULL OR scopes IS NOT NULL"
    )


def _tenant() -> None:
    op.add_column("tenant", sa.Column("discount_limit", sa.BigInteger(), server_default="10", nullable=False))
    op.add_column("tenant", sa.Column("allow_below_cost", sa.Boolean(), server_default="false", nullable=False))
    op.create_check_constraint(op.f("ck_tenant_discount_limit"), "tenant", "discount_limit BETWEEN 0 AND 100")


def _invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("mailing", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("accepted_at IS NULL OR revoked_at IS NULL", name=op.f("ck_invitation_one_end")),
        sa.CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name=op.f("ck_invitation_accepted_by")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_invitation_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("tenant_id", "token_hash", name=op.f("uq_invitation_tenant_id_token_hash")),
    )
    op.create_index(
        "uq_invitation_pending",
        "invitation",
        ["tenant_id", "email_norm"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND revoked_at IS NULL"),
    )
    tenancy.protect("invitation", ("select", "insert", "update"))


def _member_pin() -> None:
    op.create_table(
        "member_pin",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_member_pin_failures")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["membership.tenant_id", "membership.user_id"],
            name=op.f("fk_member_pin_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_member_pin")),
    )
    tenancy.protect("member_pin", ("select", "insert", "update", "delete"))


def _approval() -> None:
    op.create_table(
        "approval",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", postgresql.JSONB(), nullable=False),
        sa.Column("act_hash", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint(
            "kind IN ('void', 'cash-difference', 'discount', 'below-cost')", name=op.f("ck_approval_kind")
        ),
        sa.CheckConstraint("requested_by <> approved_by", name=op.f("ck_approval_somebody_else")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_approval_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_created", "approval", ["tenant_id", "created_at", "id"], unique=False)
    tenancy.protect("approval", ("select", "insert", "update"), update_columns=("used_at",))


def _api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_api_key_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["membership.tenant_id", "membership.user_id"],
            name=op.f("fk_api_key_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_api_key")),
    )
    tenancy.protect("api_key", ("select", "insert", "update"), update_columns=("last_used_at", "revoked_at"))


def upgrade() -> None:
    _company_role()
    _membership()
    _tenant()
    _invitation()
    _member_pin()
    _approval()
    _api_key()


def downgrade() -> None:
    for table in ("api_key", "approval", "member_pin", "invitation"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_tenant_discount_limit"), "tenant", type_="check")
    op.drop_column("tenant", "allow_below_cost")
    op.drop_column("tenant", "discount_limit")
    op.drop_constraint(op.f("ck_auth_session_key_scopes"), "auth_session", type_="check")
    # Keys and operators' sessions would be whole logins without their scopes.
    op.execute("UPDATE auth_session SET revoked_at = now() WHERE scopes IS NOT NULL AND revoked_at IS NULL")
    op.drop_column("auth_session", "key_name")
    op.drop_column("auth_session", "scopes")
    op.drop_constraint(op.f("ck_membership_own_permissions"), "membership", type_="check")
    op.drop_constraint(op.f("fk_membership_tenant_id_company_role_id"), "membership", type_="foreignkey")
    op.drop_column("membership", "permissions")
    op.drop_column("membership", "company_role_id")
    op.drop_table("company_role")
