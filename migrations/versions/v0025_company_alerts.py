"""Alerts of companies: rules, quiet hours, what was seen, alerts, people's preferences, mails."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.db import tenancy

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_CLOCK = r"~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'"
_SEVERITY = "severity IN ('info','warning','critical')"
_QUIET = "(quiet_from IS NULL) = (quiet_to IS NULL)"
_TIMES = f"quiet_from {_CLOCK} AND quiet_to {_CLOCK} AND quiet_from <> quiet_to"


def _made(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f(f"fk_{table}_tenant_id"))


def _of_member(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        ["membership.tenant_id", "membership.user_id"],
        name=op.f(f"fk_{table}_tenant_id_user_id"),
    )


def upgrade() -> None:
    op.create_table(
        "company_alert_setting",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("quiet_from", sa.Text(), nullable=True),
        sa.Column("quiet_to", sa.Text(), nullable=True),
        _made("updated_at"),
        sa.CheckConstraint(_QUIET, name=op.f("ck_company_alert_setting_quiet")),
        sa.CheckConstraint(_TIMES, name=op.f("ck_company_alert_setting_times")),
        _of_tenant("company_alert_setting"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_company_alert_setting")),
    )
    op.create_table(
        "company_alert_rule",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("thresholds", JSONB(), nullable=False),
        _made("updated_at"),
        sa.CheckConstraint(_SEVERITY, name=op.f("ck_company_alert_rule_severity")),
        _of_tenant("company_alert_rule"),
        sa.PrimaryKeyConstraint("tenant_id", "kind", name=op.f("pk_company_alert_rule")),
    )
    op.create_table(
        "company_alert",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("items", JSONB(), nullable=False),
        sa.Column("item_count", sa.BigInteger(), nullable=False),
        _instant("opened_at", nullable=False),
        _instant("last_seen_at", nullable=False),
        _instant("resolved_at"),
        _instant("acknowledged_at"),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        _instant("told_at"),
        sa.Column("told_count", sa.BigInteger(), server_default="0", nullable=False),
        _instant("end_told_at"),
        _made("created_at"),
        sa.CheckConstraint(_SEVERITY, name=op.f("ck_company_alert_severity")),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name=op.f("ck_company_alert_acknowledged")
        ),
        _of_tenant("company_alert"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_company_alert")),
    )
    op.create_index(
        "uq_company_alert_open",
        "company_alert",
        ["tenant_id", "kind"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("ix_company_alert_opened", "company_alert", ["tenant_id", "opened_at", "id"], unique=False)
    op.create_table(
        "company_alert_life",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("goods", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changes", sa.ARRAY(sa.DateTime(timezone=True)), server_default="{}", nullable=False),
        sa.Column("heard_id", sa.Uuid(), nullable=True),
        _of_tenant("company_alert_life"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "heard_id"],
            ["company_alert.tenant_id", "company_alert.id"],
            name=op.f("fk_company_alert_life_tenant_id_heard_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "kind", name=op.f("pk_company_alert_life")),
    )
    _of_people()
    tenancy.protect("company_alert_setting", ("select", "insert", "update"))
    tenancy.protect("company_alert_rule", ("select", "insert", "update"))
    tenancy.protect("company_alert", ("select", "insert", "update"))
    tenancy.protect("company_alert_life", ("select", "insert", "update", "delete"))
    tenancy.protect("company_alert_preference", ("select", "insert", "update"))
    tenancy.protect("company_alert_mail", ("select", "insert", "update"))


def _of_people() -> None:
    op.create_table(
        "company_alert_preference",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("mails", sa.Text(), server_default="now", nullable=False),
        sa.Column("severity", sa.Text(), server_default="warning", nullable=False),
        sa.Column("digest_at", sa.Text(), server_default="07:00", nullable=False),
        sa.Column("quiet_from", sa.Text(), nullable=True),
        sa.Column("quiet_to", sa.Text(), nullable=True),
        sa.Column("muted", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        _made("updated_at"),
        sa.CheckConstraint("mails IN ('now','daily','none')", name=op.f("ck_company_alert_preference_mails")),
        sa.CheckConstraint(_SEVERITY, name=op.f("ck_company_alert_preference_severity")),
        sa.CheckConstraint(f"digest_at {_CLOCK}", name=op.f("ck_company_alert_preference_digest_at")),
        sa.CheckConstraint(_QUIET, name=op.f("ck_company_alert_preference_quiet")),
        sa.CheckConstraint(_TIMES, name=op.f("ck_company_alert_preference_times")),
        _of_member("company_alert_preference"),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_company_alert_preference")),
    )
    op.create_table(
        "company_alert_mail",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        _instant("due_at", nullable=False),
        _instant("finished_at"),
        _made("created_at"),
        sa.CheckConstraint("event IN ('opened','resolved','repeated')", name=op.f("ck_company_alert_mail_event")),
        sa.CheckConstraint(
            "status IN ('pending','sent','failed','skipped')", name=op.f("ck_company_alert_mail_status")
        ),
        sa.CheckConstraint("(status = 'pending') = (finished_at IS NULL)", name=op.f("ck_company_alert_mail_finished")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "alert_id"],
            ["company_alert.tenant_id", "company_alert.id"],
            name=op.f("fk_company_alert_mail_tenant_id_alert_id"),
        ),
        _of_member("company_alert_mail"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_company_alert_mail")),
    )
    op.create_index("ix_company_alert_mail_alert", "company_alert_mail", ["tenant_id", "alert_id"], unique=False)
    op.create_index(
        "ix_company_alert_mail_pending",
        "company_alert_mail",
        ["tenant_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    for table in (
        "company_alert_mail",
        "company_alert_preference",
        "company_alert_life",
        "company_alert",
        "company_alert_rule",
        "company_alert_setting",
    ):
        op.drop_table(table)
