"""Backups of the platform and of companies, their drills and restores; where a copied audit trail came from."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.db import tenancy

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_POLICIES = (
    # plan, hours, daily, weekly, monthly, on demand a month
    ("*", 24, 7, 5, 12, 30),
)


def _instant(name: str, *, nullable: bool = True) -> sa.Column[datetime]:
    default = None if nullable else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    _platform()
    _companies()
    op.create_table(
        "audit_origin",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("source_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        _instant("at", nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("last_seq >= 0", name=op.f("ck_audit_origin_last_seq")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_audit_origin_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_origin")),
    )
    tenancy.share("backup_run", (), ("select", "insert", "update"))
    tenancy.share("backup_drill", (), ("select", "insert", "update"))
    tenancy.share("backup_policy", ("select",), ("select",))
    tenancy.protect("company_backup", ("select", "insert", "update"), platform=("select", "insert", "update"))
    tenancy.protect("company_restore", ("select", "insert", "update"))
    tenancy.protect("audit_origin", ("select",))


def _platform() -> None:
    op.create_table(
        "backup_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="waiting", nullable=False),
        _instant("created_at", nullable=False),
        _instant("started_at"),
        _instant("progress_at"),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("done_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expected_bytes", sa.BigInteger(), nullable=True),
        _instant("finished_at"),
        _instant("snapshot_at"),
        sa.Column("object_name", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("object_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("manifest", JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _instant("held_at"),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        _instant("deleted_at"),
        sa.CheckConstraint("reason IN ('schedule','demand')", name=op.f("ck_backup_run_reason")),
        sa.CheckConstraint(
            "status IN ('waiting','running','stored','good','failed')", name=op.f("ck_backup_run_status")
        ),
        sa.CheckConstraint(
            "status NOT IN ('stored','good') OR object_name IS NOT NULL", name=op.f("ck_backup_run_stored")
        ),
        sa.CheckConstraint("(held_at IS NULL) = (hold_reason IS NULL)", name=op.f("ck_backup_run_held")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_run")),
    )
    op.create_index("ix_backup_run_created", "backup_run", ["created_at"], unique=False)
    op.create_table(
        "backup_drill",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="waiting", nullable=False),
        _instant("created_at", nullable=False),
        _instant("started_at"),
        _instant("progress_at"),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        _instant("finished_at"),
        sa.Column("report", JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('waiting','running','good','failed')", name=op.f("ck_backup_drill_status")),
        sa.ForeignKeyConstraint(["run_id"], ["backup_run.id"], name=op.f("fk_backup_drill_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_drill")),
    )
    op.create_index("ix_backup_drill_created", "backup_drill", ["created_at"], unique=False)
    policy = op.create_table(
        "backup_policy",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("every_hours", sa.BigInteger(), nullable=False),
        sa.Column("keep_daily", sa.BigInteger(), nullable=False),
        sa.Column("keep_weekly", sa.BigInteger(), nullable=False),
        sa.Column("keep_monthly", sa.BigInteger(), nullable=False),
        sa.Column("on_demand_per_month", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("every_hours BETWEEN 1 AND 744", name=op.f("ck_backup_policy_every_hours")),
        sa.CheckConstraint(
            "least(keep_daily, keep_weekly, keep_monthly, on_demand_per_month) >= 0",
            name=op.f("ck_backup_policy_counts"),
        ),
        sa.PrimaryKeyConstraint("plan", name=op.f("pk_backup_policy")),
    )
    names = ("plan", "every_hours", "keep_daily", "keep_weekly", "keep_monthly", "on_demand_per_month")
    op.bulk_insert(policy, [dict(zip(names, row, strict=True)) for row in _POLICIES])


def _companies() -> None:
    op.create_table(
        "company_backup",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("done_rows", sa.BigInteger(), server_default="0", nullable=False),
        _instant("finished_at"),
        _instant("snapshot_at"),
        sa.Column("object_name", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("object_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("root_hash", sa.LargeBinary(), nullable=True),
        _instant("checked_at"),
        sa.Column("error", sa.Text(), nullable=True),
        _instant("held_at"),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        _instant("deleted_at"),
        _instant("created_at", nullable=False),
        sa.CheckConstraint("kind IN ('backup','export')", name=op.f("ck_company_backup_kind")),
        sa.CheckConstraint("reason IN ('schedule','demand')", name=op.f("ck_company_backup_reason")),
        sa.CheckConstraint("status IN ('running','good','failed')", name=op.f("ck_company_backup_status")),
        sa.CheckConstraint(
            "status <> 'good' OR (object_name IS NOT NULL AND root_hash IS NOT NULL)",
            name=op.f("ck_company_backup_good"),
        ),
        sa.CheckConstraint("(held_at IS NULL) = (hold_reason IS NULL)", name=op.f("ck_company_backup_held")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_company_backup_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_company_backup")),
    )
    op.create_index("ix_company_backup_created", "company_backup", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "uq_company_backup_running",
        "company_backup",
        ["tenant_id", "kind"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "company_restore",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        _instant("finished_at"),
        sa.Column("report", JSONB(), nullable=True),
        sa.Column("new_tenant_id", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _instant("created_at", nullable=False),
        sa.CheckConstraint("target IN ('new','same')", name=op.f("ck_company_restore_target")),
        sa.CheckConstraint("status IN ('running','done','failed')", name=op.f("ck_company_restore_status")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_company_restore_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "backup_id"],
            ["company_backup.tenant_id", "company_backup.id"],
            name=op.f("fk_company_restore_tenant_id_backup_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_company_restore")),
    )
    op.create_index("ix_company_restore_created", "company_restore", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "uq_company_restore_running",
        "company_restore",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )


def downgrade() -> None:
    for table in ("audit_origin", "company_restore", "company_backup", "backup_policy", "backup_drill", "backup_run"):
        op.drop_table(table)
