"""Tables of backups: those of the platform, and each company's own."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import DefaultBase, TenantRow

HELD = "(held_at IS NULL) = (hold_reason IS NULL)"


class BackupRun(DefaultBase):
    """One backup of the whole platform, asked for, on its way, stored or failed."""

    __tablename__ = "backup_run"
    __table_args__ = (
        CheckConstraint("reason IN ('schedule','demand')", name="reason"),
        CheckConstraint("status IN ('waiting','running','stored','good','failed')", name="status"),
        CheckConstraint("status NOT IN ('stored','good') OR object_name IS NOT NULL", name="stored"),
        CheckConstraint(HELD, name="held"),
        Index("ix_backup_run_created", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    reason: Mapped[str]
    requested_by: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="waiting")
    """`stored`: written and read back whole. `good`: restored, and found equal. Nothing else counts."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    """Last sign of life of the process that works on it."""
    worker: Mapped[str | None]
    """Host and pid."""
    done_bytes: Mapped[int] = mapped_column(server_default="0")
    """Of the dump, so far."""
    expected_bytes: Mapped[int | None]
    """Of the last one that was stored."""
    finished_at: Mapped[datetime | None]
    snapshot_at: Mapped[datetime | None]
    """What of the database it holds: everything committed by then."""
    object_name: Mapped[str | None]
    size_bytes: Mapped[int | None]
    object_sha256: Mapped[bytes | None]
    manifest: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    held_at: Mapped[datetime | None]
    """Since when nothing may delete it."""
    hold_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    """When its turn to be kept was over; the row stays."""


class BackupDrill(DefaultBase):
    """One restore into a scratch database, and what was found there."""

    __tablename__ = "backup_drill"
    __table_args__ = (
        CheckConstraint("status IN ('waiting','running','good','failed')", name="status"),
        Index("ix_backup_drill_created", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("backup_run.id"))
    """None until it begins, when nobody named one: the newest."""
    requested_by: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="waiting")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    step: Mapped[str] = mapped_column(server_default="")
    finished_at: Mapped[datetime | None]
    report: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]


class BackupPolicy(DefaultBase):
    """How often companies of a plan are backed up, and how long that is kept. The row `*` holds for any other plan."""

    __tablename__ = "backup_policy"
    __table_args__ = (
        CheckConstraint("every_hours BETWEEN 1 AND 744", name="every_hours"),
        CheckConstraint("least(keep_daily, keep_weekly, keep_monthly, on_demand_per_month) >= 0", name="counts"),
    )

    plan: Mapped[str] = mapped_column(primary_key=True)
    every_hours: Mapped[int]
    keep_daily: Mapped[int]
    keep_weekly: Mapped[int]
    keep_monthly: Mapped[int]
    on_demand_per_month: Mapped[int]
    """Backups and exports that its people may ask for."""


class CompanyBackup(TenantRow, DefaultBase):
    """An archive of one company: a backup, or its own export."""

    __tablename__ = "company_backup"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("kind IN ('backup','export')", name="kind"),
        CheckConstraint("reason IN ('schedule','demand','closing')", name="reason"),
        CheckConstraint("status IN ('running','good','failed')", name="status"),
        CheckConstraint("status <> 'good' OR (object_name IS NOT NULL AND root_hash IS NOT NULL)", name="good"),
        CheckConstraint(HELD, name="held"),
        Index("ix_company_backup_created", "tenant_id", "created_at", "id"),
        Index(
            "uq_company_backup_running",
            "tenant_id",
            "kind",
            unique=True,
            postgresql_where=text("status = 'running'"),
        ),
    )

    kind: Mapped[str]
    reason: Mapped[str]
    requested_by: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default="running")
    """`good` once what lies in the storage was read back, opened and compared with its manifest."""
    done_rows: Mapped[int] = mapped_column(server_default="0")
    finished_at: Mapped[datetime | None]
    snapshot_at: Mapped[datetime | None]
    object_name: Mapped[str | None]
    size_bytes: Mapped[int | None]
    object_sha256: Mapped[bytes | None]
    row_count: Mapped[int | None]
    root_hash: Mapped[bytes | None]
    """Over every row of every table."""
    checked_at: Mapped[datetime | None]
    """When it was last read back and compared."""
    error: Mapped[str | None]
    held_at: Mapped[datetime | None]
    hold_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None]


class CompanyRestore(TenantRow, DefaultBase):
    """A restore of one company from an archive of it, or the trial of one."""

    __tablename__ = "company_restore"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "backup_id"], ["company_backup.tenant_id", "company_backup.id"]),
        CheckConstraint("target IN ('new','same')", name="target"),
        CheckConstraint("status IN ('running','done','failed')", name="status"),
        Index("ix_company_restore_created", "tenant_id", "created_at", "id"),
        Index("uq_company_restore_running", "tenant_id", unique=True, postgresql_where=text("status = 'running'")),
    )

    backup_id: Mapped[UUID]
    target: Mapped[str]
    dry_run: Mapped[bool]
    requested_by: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default="running")
    finished_at: Mapped[datetime | None]
    report: Mapped[dict[str, Any] | None]
    new_tenant_id: Mapped[UUID | None]
    error: Mapped[str | None]
