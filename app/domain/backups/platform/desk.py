"""Does what the rows of backups and drills want, one at a time in the whole installation."""

import asyncio
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text

from app.db.session import Database
from app.domain.backups.keys import BackupKeys, SealBroken
from app.domain.backups.platform import runs
from app.domain.backups.platform.drill import drill
from app.domain.backups.platform.dump import make
from app.domain.backups.platform.scratch import Unequal
from app.domain.backups.programs import ProgramFailed
from app.domain.backups.sealed import ArchiveBroken
from app.integrations.storage.store import ObjectMissing, Storage, StorageFailed
from app.lib.driver import POSTGRES_AWAY
from app.settings import Settings, SettingsError

_LOG = structlog.stdlib.get_logger("mostrador.backups")

FAILURES: Final = (
    ProgramFailed,
    StorageFailed,
    SettingsError,
    ArchiveBroken,
    SealBroken,
    Unequal,
    *POSTGRES_AWAY,
)
"""What ends a backup or a drill with a reason; anything else is a mistake of ours."""

_NEWEST: Final = text(
    "SELECT id, object_name FROM backup_run WHERE status IN ('stored','good') AND deleted_at IS NULL "
    "AND (CAST(:run_id AS uuid) IS NULL OR id = :run_id) ORDER BY created_at DESC LIMIT 1"
)
_WANTED: Final = text("SELECT run_id FROM backup_drill WHERE id = :id")
_BEGIN: Final = text("UPDATE backup_drill SET run_id = :run_id WHERE id = :id")
_PROVEN: Final = text(
    "UPDATE backup_drill SET status = 'good', finished_at = now(), report = CAST(:report AS jsonb) "
    "WHERE id = :id AND status = 'running'"
)
_GOOD: Final = text("UPDATE backup_run SET status = 'good' WHERE id = :run_id AND status = 'stored'")
_NOT_GOOD: Final = text("UPDATE backup_run SET status = 'stored' WHERE id = :run_id AND status = 'good'")


def storage_of(settings: Settings) -> Storage:
    """The store of archives. Raises `StorageFailed`."""
    return Storage(settings.backup_storage_url, settings.backup_storage_options)


async def work_once(database: Database) -> bool:
    """Take the next backup or drill that waits and see it through; answers whether there was one."""
    await runs.lose(database)
    run_id = await runs.claim(database, "backup_run")
    if run_id is not None:
        await back_up(database, run_id)
        return True
    drill_id = await runs.claim(database, "backup_drill")
    if drill_id is not None:
        await prove(database, drill_id)
        return True
    return False


async def back_up(database: Database, run_id: UUID) -> bool:
    """Make the backup of a claimed row; answers whether there is one now."""
    settings = database.settings
    try:
        expected = await runs.expected_bytes(database, run_id)
        async with runs.alive(database, "backup_run", run_id) as state:
            made = await make(settings, storage_of(settings), BackupKeys.of(settings), run_id, state.tell, expected)
        await runs.keep(database, run_id, made)
    except asyncio.CancelledError:
        await asyncio.shield(runs.give_back(database, "backup_run", run_id))
        raise
    except FAILURES as error:
        await runs.fail(database, "backup_run", run_id, error)
        return False
    except Exception as error:
        await runs.fail(database, "backup_run", run_id, error)
        raise
    _LOG.info("platform backed up", id=str(run_id), bytes=made.object_bytes, tables=len(made.manifest.tables))
    return True


async def prove(database: Database, drill_id: UUID) -> bool:
    """Hold the drill of a claimed row; answers whether the backup is good."""
    settings = database.settings
    try:
        run_id, name = await _backup_of(database, drill_id)
        async with runs.alive(database, "backup_drill", drill_id) as state:
            keys = BackupKeys.of(settings)
            report = await drill(database, storage_of(settings), keys, name, run_id, drill_id, state.tell)
    except asyncio.CancelledError:
        await asyncio.shield(runs.give_back(database, "backup_drill", drill_id))
        raise
    except FAILURES as error:
        # A store or a server that is away says nothing of the backup.
        if isinstance(error, (ArchiveBroken, ObjectMissing, SealBroken, Unequal)):
            await _disprove(database, drill_id)
        await runs.fail(database, "backup_drill", drill_id, error)
        return False
    except Exception as error:
        await runs.fail(database, "backup_drill", drill_id, error)
        raise
    async with database.platform_transaction() as session:
        kept = {"id": drill_id, "report": msgspec.json.encode(report).decode()}
        await session.execute(_PROVEN, kept)
        await session.execute(_GOOD, {"run_id": run_id})
    _LOG.info("backup proven", id=str(run_id), rows=report.rows, ms=report.total_ms)
    return True


async def _disprove(database: Database, drill_id: UUID) -> None:
    """What was good once and is not any more is not good."""
    async with database.platform_transaction() as session:
        run_id: Any = await session.scalar(_WANTED, {"id": drill_id})
        if run_id is not None:
            await session.execute(_NOT_GOOD, {"run_id": run_id})


async def _backup_of(database: Database, drill_id: UUID) -> tuple[UUID, str]:
    async with database.platform_transaction() as session:
        wanted = await session.scalar(_WANTED, {"id": drill_id})
        row = (await session.execute(_NEWEST, {"run_id": wanted})).one_or_none()
        if row is None:
            raise ArchiveBroken("there is no stored backup to prove")
        await session.execute(_BEGIN, {"id": drill_id, "run_id": row.id})
    return row.id, row.object_name
