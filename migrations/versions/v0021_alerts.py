"""Alerts with their life and deliveries, silences, runs of schedules, releases; jobs that were given up by hand."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.db import tenancy

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_STATES = "'pending','queued','running','done','dead'"
_INSTANTS = ("acknowledged_at", "told_at", "end_told_at", "escalated_at")
_TEXTS = ("title", "affected")


def _instant(name: str, *, nullable: bool = True) -> sa.Column[datetime]:
    default = None if nullable else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("monitor_alert", sa.Column(name, sa.Text(), server_default="", nullable=False))
    for name in _INSTANTS:
        op.add_column("monitor_alert", _instant(name))
    for name in ("acknowledged_by", "note", "quiet"):
        op.add_column("monitor_alert", sa.Column(name, sa.Text(), nullable=True))
    op.create_index("ix_monitor_alert_opened", "monitor_alert", ["opened_at"], unique=False)
    op.create_table(
        "alert_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tries", JSONB(), server_default="[]", nullable=False),
        sa.Column("notice", JSONB(), nullable=False),
        _instant("created_at", nullable=False),
        _instant("next_at"),
        _instant("finished_at"),
        sa.CheckConstraint(
            "event IN ('opened','resolved','repeated','escalated','digest','test')",
            name=op.f("ck_alert_delivery_event"),
        ),
        sa.CheckConstraint("channel IN ('mail','slack','webhook')", name=op.f("ck_alert_delivery_channel")),
        sa.CheckConstraint("status IN ('pending','sent','failed','skipped')", name=op.f("ck_alert_delivery_status")),
        sa.CheckConstraint("(status = 'pending') = (next_at IS NOT NULL)", name=op.f("ck_alert_delivery_next")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_delivery")),
    )
    op.create_index("ix_alert_delivery_alert", "alert_delivery", ["alert_id"], unique=False)
    op.create_index("ix_alert_delivery_created", "alert_delivery", ["created_at"], unique=False)
    op.create_index(
        "ix_alert_delivery_pending",
        "alert_delivery",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "alert_silence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        _instant("created_at", nullable=False),
        _instant("ends_at", nullable=False),
        _instant("ended_at"),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint("ends_at > created_at", name=op.f("ck_alert_silence_end")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_silence")),
    )
    op.create_index("ix_alert_silence_ends", "alert_silence", ["ends_at"], unique=False)
    op.create_table(
        "schedule_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _instant("due_at", nullable=False),
        _instant("started_at", nullable=False),
        _instant("finished_at"),
        sa.Column("missed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_run")),
    )
    op.create_index("ix_schedule_run_name", "schedule_run", ["name", "started_at"], unique=False)
    op.create_index("ix_schedule_run_started", "schedule_run", ["started_at"], unique=False)
    op.create_table(
        "release_mark",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        _instant("at", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_mark")),
    )
    op.drop_constraint(op.f("ck_outbox_status"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_status"), "outbox", f"status IN ({_STATES},'discarded')")
    op.create_index("ix_webhook_attempt_at", "webhook_attempt", ["at"], unique=False)
    tenancy.share("alert_delivery", ("select", "insert", "update"), platform=("select", "insert", "update", "delete"))
    tenancy.share("alert_silence", ("select", "insert", "update"), platform=("select",))
    tenancy.share("schedule_run", (), platform=("select", "insert", "update", "delete"))
    tenancy.share("release_mark", (), platform=("select", "insert"))
    op.execute(f"GRANT UPDATE (acknowledged_at, acknowledged_by, note) ON monitor_alert TO {tenancy.APP_ROLE}")
    for table in ("dian_certificate", "document_range", "document_counter"):
        op.execute(f'CREATE POLICY platform_select ON "{table}" FOR SELECT TO {tenancy.PLATFORM_ROLE} USING (true)')
    # What is sealed and who changed it stay the company's.
    op.execute(f"GRANT SELECT (tenant_id, id, not_after, retired_at) ON dian_certificate TO {tenancy.PLATFORM_ROLE}")
    op.execute(
        "GRANT SELECT (tenant_id, id, environment, first_no, last_no, valid_from, valid_to, retired_at) "
        f"ON document_range TO {tenancy.PLATFORM_ROLE}"
    )
    op.execute(
        f"GRANT SELECT (tenant_id, range_id, next_no, last_no, is_open) ON document_counter TO {tenancy.PLATFORM_ROLE}"
    )


def downgrade() -> None:
    op.execute(f"REVOKE SELECT (tenant_id, id, not_after, retired_at) ON dian_certificate FROM {tenancy.PLATFORM_ROLE}")
    op.execute(
        "REVOKE SELECT (tenant_id, id, environment, first_no, last_no, valid_from, valid_to, retired_at) "
        f"ON document_range FROM {tenancy.PLATFORM_ROLE}"
    )
    op.execute(
        f"REVOKE SELECT (tenant_id, range_id, next_no, last_no, is_open) ON document_counter FROM {tenancy.PLATFORM_ROLE}"
    )
    for table in ("dian_certificate", "document_range", "document_counter"):
        op.execute(f'DROP POLICY platform_select ON "{table}"')
    op.execute(f"REVOKE UPDATE (acknowledged_at, acknowledged_by, note) ON monitor_alert FROM {tenancy.APP_ROLE}")
    op.execute("DELETE FROM outbox WHERE status = 'discarded'")
    op.drop_constraint(op.f("ck_outbox_status"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_status"), "outbox", f"status IN ({_STATES})")
    op.drop_index("ix_webhook_attempt_at", table_name="webhook_attempt")
    op.drop_table("release_mark")
    op.drop_table("schedule_run")
    op.drop_table("alert_silence")
    op.drop_table("alert_delivery")
    op.drop_index("ix_monitor_alert_opened", table_name="monitor_alert")
    for name in ("acknowledged_by", "note", "quiet", *_INSTANTS, *_TEXTS):
        op.drop_column("monitor_alert", name)
