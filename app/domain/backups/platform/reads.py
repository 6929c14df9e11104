"""What the operator sees of the platform's backups, and what may be held back from deletion."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import select, text

from app.db.session import Database
from app.domain.backups.models import BackupDrill, BackupRun
from app.domain.backups.platform.drill import DrillReport
from app.domain.backups.schemas import (
    BackupStateOut,
    DrillOut,
    DrillPage,
    PlatformBackupOut,
    PlatformBackupPage,
)
from app.domain.backups.state import last_good, problem
from app.lib import clock
from app.lib.errors import Conflict, NotFound
from app.lib.pages import after, cut

_HOLD = text(
    "UPDATE backup_run SET held_at = :now, hold_reason = :reason WHERE id = :id AND deleted_at IS NULL RETURNING id"
)
_RELEASE = text("UPDATE backup_run SET held_at = NULL, hold_reason = NULL WHERE id = :id RETURNING id")


async def backup_page(database: Database, limit: int, cursor: str | None) -> PlatformBackupPage:
    """Backups, the newest first."""
    statement = select(BackupRun).limit(limit + 1)
    key = (BackupRun.created_at, BackupRun.id)
    statement = after(statement, key, cursor, tuple[datetime, UUID], descending=True)
    async with database.platform_transaction() as session:
        rows = (await session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
    return PlatformBackupPage(items=[run_out(row) for row in page], next_cursor=next_cursor)


async def find_backup(database: Database, run_id: UUID) -> PlatformBackupOut:
    """Raises `NotFound`."""
    async with database.platform_transaction() as session:
        row = await session.scalar(select(BackupRun).where(BackupRun.id == run_id))
    if row is None:
        raise NotFound("No hay tal respaldo.")
    return run_out(row)


async def drill_page(database: Database, limit: int, cursor: str | None) -> DrillPage:
    """Drills, the newest first."""
    statement = select(BackupDrill).limit(limit + 1)
    key = (BackupDrill.created_at, BackupDrill.id)
    statement = after(statement, key, cursor, tuple[datetime, UUID], descending=True)
    async with database.platform_transaction() as session:
        rows = (await session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
    return DrillPage(items=[drill_out(row) for row in page], next_cursor=next_cursor)


async def find_drill(database: Database, drill_id: UUID) -> DrillOut:
    """Raises `NotFound`."""
    async with database.platform_transaction() as session:
        row = await session.scalar(select(BackupDrill).where(BackupDrill.id == drill_id))
    if row is None:
        raise NotFound("No hay tal prueba de restauración.")
    return drill_out(row)


async def hold(database: Database, run_id: UUID, reason: str | None) -> PlatformBackupOut:
    """Keep a backup whatever its age, or, without a reason, no longer. Raises `NotFound`, 409 for one that is deleted."""
    found = await find_backup(database, run_id)
    if found.deleted_at is not None:
        raise Conflict("Ese respaldo ya se borró.", code="backup-deleted")
    async with database.platform_transaction() as session:
        values: dict[str, Any] = {"id": run_id, "now": clock.now(), "reason": reason}
        await session.execute(_RELEASE if reason is None else _HOLD, values)
    return await find_backup(database, run_id)


async def state_of(database: Database) -> BackupStateOut:
    """How the backups stand, and what the monitor says of it."""
    connection = await asyncpg.connect(database.settings.database_platform_url, timeout=5)
    try:
        state = await last_good(connection)
    finally:
        connection.terminate()
    return BackupStateOut(
        stored_at=state.stored_at,
        good_at=state.good_at,
        proven_at=state.proven_at,
        problem=problem(state, clock.now(), database.settings.backup_hours),
    )


def run_out(row: BackupRun) -> PlatformBackupOut:
    tables: list[dict[str, Any]] | None = row.manifest["tables"] if row.manifest else None
    return PlatformBackupOut(
        id=row.id,
        reason=row.reason,
        requested_by=row.requested_by,
        status=row.status,  # type: ignore[arg-type]
        created_at=row.created_at,
        started_at=row.started_at,
        progress_at=row.progress_at,
        finished_at=row.finished_at,
        snapshot_at=row.snapshot_at,
        bytes_done=row.done_bytes,
        bytes_expected=row.expected_bytes,
        object_name=row.object_name,
        size_bytes=row.size_bytes,
        tables=None if tables is None else len(tables),
        rows=None if tables is None else sum(one["rows"] for one in tables),
        error=row.error,
        hold_reason=row.hold_reason,
        deleted_at=row.deleted_at,
    )


def drill_out(row: BackupDrill) -> DrillOut:
    return DrillOut(
        id=row.id,
        backup_id=row.run_id,
        status=row.status,  # type: ignore[arg-type]
        requested_by=row.requested_by,
        created_at=row.created_at,
        step=row.step,
        finished_at=row.finished_at,
        report=msgspec.convert(row.report, DrillReport) if row.report else None,
        error=row.error,
    )
