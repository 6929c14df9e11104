"""People: second factors, password history, purposes of mailed tokens, what is seen of a session."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_PURPOSES = "purpose IN ('verify-email','reset-password','change-email')"


def upgrade() -> None:
    op.add_column("tenant", sa.Column("totp_required", sa.Boolean(), server_default="false", nullable=False))
    op.add_column(
        "app_user", sa.Column("password_change_required", sa.Boolean(), server_default="false", nullable=False)
    )
    op.add_column("app_user", sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("app_user", sa.Column("totp_enabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "auth_session",
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column(
        "auth_session",
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now() + interval '30 days'"),
            nullable=False,
        ),
    )
    op.create_index("ix_auth_session_expires", "auth_session", ["expires_at"], unique=False)
    op.create_index("ix_refresh_token_expires", "refresh_token", ["expires_at"], unique=False)
    op.add_column("one_time_token", sa.Column("email", sa.Text(), nullable=True))
    op.drop_constraint(op.f("ck_one_time_token_purpose"), "one_time_token")
    op.create_check_constraint(op.f("ck_one_time_token_purpose"), "one_time_token", _PURPOSES)
    op.create_index("ix_one_time_token_user", "one_time_token", ["user_id", "purpose"], unique=False)
    op.create_index("ix_one_time_token_expires", "one_time_token", ["expires_at"], unique=False)
    op.create_table(
        "password_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_password_history_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_history")),
    )
    op.create_index("ix_password_history_user", "password_history", ["user_id"], unique=False)
    op.create_table(
        "totp_factor",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_totp_factor_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_totp_factor")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_recovery_code_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_recovery_code_user_id_code_hash")),
    )
    own = f"user_id = {tenancy.USER_SETTING}"
    tenancy.protect_person("password_history", own, ("select", "insert", "delete"))
    tenancy.protect_person("totp_factor", own, ("select", "insert", "update", "delete"))
    tenancy.protect_person("recovery_code", own, ("select", "insert", "update", "delete"))
    for table in _OUTLIVED:
        tenancy.open_to_platform(table, ("select", "delete"))


_OUTLIVED = ("refresh_token", "one_time_token", "auth_session")
"""What a chore deletes once it has ended."""


def downgrade() -> None:
    for table in _OUTLIVED:
        for verb in ("select", "delete"):
            op.execute(f'DROP POLICY platform_{verb} ON "{table}"')
        op.execute(f'REVOKE SELECT, DELETE ON "{table}" FROM {tenancy.PLATFORM_ROLE}')
    op.drop_table("recovery_code")
    op.drop_table("totp_factor")
    op.drop_table("password_history")
    op.drop_index("ix_one_time_token_expires", "one_time_token")
    op.drop_index("ix_one_time_token_user", "one_time_token")
    op.drop_constraint(op.f("ck_one_time_token_purpose"), "one_time_token")
    op.execute("DELETE FROM one_time_token WHERE purpose <> 'verify-email'")
    op.create_check_constraint(op.f("ck_one_time_token_purpose"), "one_time_token", "purpose IN ('verify-email')")
    op.drop_column("one_time_token", "email")
    op.drop_index("ix_refresh_token_expires", "refresh_token")
    op.drop_index("ix_auth_session_expires", "auth_session")
    op.drop_column("auth_session", "expires_at")
    op.drop_column("auth_session", "last_seen_at")
    op.drop_column("app_user", "totp_enabled_at")
    op.drop_column("app_user", "password_changed_at")
    op.drop_column("app_user", "password_change_required")
    op.drop_column("tenant", "totp_required")
