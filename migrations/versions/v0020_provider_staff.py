"""The operator's staff: accounts, logins, trail, and their time-boxed look into a company. PIN tries by who asks."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_OF_STAFF = f"user_id = {tenancy.USER_SETTING}"


def _provider_user() -> None:
    op.create_table(
        "provider_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("password_change_required", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("totp_enabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("role IN ('admin', 'support', 'billing', 'ops')", name=op.f("ck_provider_user_role")),
        sa.CheckConstraint("totp_enabled_at IS NULL OR totp_sealed IS NOT NULL", name=op.f("ck_provider_user_totp")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_user")),
        sa.UniqueConstraint("email_norm", name=op.f("uq_provider_user_email_norm")),
    )
    tenancy.protect_person(
        "provider_user",
        f"id = {tenancy.USER_SETTING} OR email_norm = {tenancy.LOGIN_SETTING}",
        ("select", "insert", "update"),
    )
    tenancy.open_to_platform("provider_user", ("select",))


def _provider_session() -> None:
    op.create_table(
        "provider_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["provider_user.id"], name=op.f("fk_provider_session_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_session")),
    )
    op.create_index("ix_provider_session_user", "provider_session", ["user_id"], unique=False)
    tenancy.protect_person("provider_session", _OF_STAFF, ("select", "insert", "update"))


def _provider_answer() -> None:
    op.create_table(
        "provider_answer",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["provider_user.id"], name=op.f("fk_provider_answer_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_provider_answer")),
    )
    op.create_index("ix_provider_answer_created", "provider_answer", ["created_at"], unique=False)
    tenancy.protect_person("provider_answer", _OF_STAFF, ("select", "insert", "update"))
    tenancy.open_to_platform("provider_answer", ("select", "delete"))


def _provider_trail() -> None:
    head = op.create_table(
        "provider_trail_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_provider_trail_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_trail_head")),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": bytes(32)}])
    tenancy.share("provider_trail_head", ("select", "update"))
    op.create_table(
        "provider_entry",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_provider_entry")),
    )
    op.create_index("ix_provider_entry_company", "provider_entry", ["company_id", "seq"], unique=False)
    op.create_index("ix_provider_entry_staff", "provider_entry", ["staff_id", "seq"], unique=False)
    # A company's request could write here, were it made to; it can never read what the operator did elsewhere.
    tenancy.share("provider_entry", ("insert",))


def _support() -> None:
    op.create_table(
        "support_access",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("staff_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint(
            "expires_at > opened_at AND expires_at <= opened_at + interval '60 minutes'",
            name=op.f("ck_support_access_an_hour"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_support_access_reason")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_support_access_ended")),
        sa.CheckConstraint("ended_by IN ('company', 'provider')", name=op.f("ck_support_access_ended_by")),
        sa.ForeignKeyConstraint(["staff_id"], ["provider_user.id"], name=op.f("fk_support_access_staff_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_support_access_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_support_access")),
    )
    op.create_index(
        "ix_support_access_open",
        "support_access",
        ["staff_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    tenancy.protect(
        "support_access",
        ("select", "insert", "update"),
        update_columns=("ended_at", "ended_by"),
        platform=("select",),
    )
    op.create_table(
        "support_route",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("access_id", sa.Uuid(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "access_id"],
            ["support_access.tenant_id", "support_access.id"],
            name=op.f("fk_support_route_tenant_id_access_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "access_id", "route", name=op.f("pk_support_route")),
    )
    tenancy.protect("support_route", ("select", "insert", "update"), update_columns=("times", "last_at"))


def _pins() -> None:
    op.create_table(
        "member_pin_try",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("asker_id", sa.Uuid(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wrong", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("failures >= 0 AND wrong >= 0", name=op.f("ck_member_pin_try_counts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["member_pin.tenant_id", "member_pin.user_id"],
            name=op.f("fk_member_pin_try_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "asker_id", name=op.f("pk_member_pin_try")),
    )
    tenancy.protect("member_pin_try", ("select", "insert", "update", "delete"))
    op.drop_constraint(op.f("ck_member_pin_failures"), "member_pin", type_="check")
    op.alter_column("member_pin", "failures", new_column_name="strangers")
    op.drop_column("member_pin", "locked_until")
    op.create_check_constraint(op.f("ck_member_pin_strangers"), "member_pin", "strangers >= 0")


def upgrade() -> None:
    _provider_user()
    _provider_session()
    _provider_answer()
    _provider_trail()
    _support()
    _pins()


def downgrade() -> None:
    op.drop_constraint(op.f("ck_member_pin_strangers"), "member_pin", type_="check")
    op.add_column("member_pin", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("member_pin", "strangers", new_column_name="failures")
    op.create_check_constraint(op.f("ck_member_pin_failures"), "member_pin", "failures >= 0")
    for table in (
        "member_pin_try",
        "support_route",
        "support_access",
        "provider_entry",
        "provider_trail_head",
        "provider_answer",
        "provider_session",
        "provider_user",
    ):
        op.drop_table(table)
