"""Rows of backups and drills of the platform: asked for, claimed by one process, kept alive while it works, ended."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.backups.platform.dump import Made
from app.lib import clock
from app.lib.driver import POSTGRES_AWAY

_LOG = structlog.stdlib.get_logger("mostrador.backups")

_BEAT: Final = 5.0
"""Seconds between two signs of life."""
_LOST: Final = "90 seconds"
"""Silence after which whoever worked on a row is taken for dead."""
_ERROR: Final = 2_000

TABLES: Final = ("backup_run", "backup_drill")

# Liveness goes by the server's clock: the schedule's may be moved.
_LOSE = (
    "UPDATE {table} SET status = 'failed', finished_at = now(), error = 'El proceso que lo hacía murió.' "
    f"WHERE status = 'running' AND progress_at < now() - interval '{_LOST}' RETURNING id"
)
_CLAIM = (
    "UPDATE {table} SET status = 'running', started_at = now(), progress_at = now(), worker = :worker "
    "WHERE id = (SELECT id FROM {table} WHERE status = 'waiting' "
    "AND NOT EXISTS (SELECT FROM {table} o WHERE o.status = 'running') "
    "ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
)
_BEATS = {
    "backup_run": text(
        "UPDATE backup_run SET progress_at = now(), done_bytes = :done WHERE id = :id AND status = 'running'"
    ),
    "backup_drill": text(
        "UPDATE backup_drill SET progress_at = now(), step = :done WHERE id = :id AND status = 'running'"
    ),
}
_FAIL = (
    "UPDATE {table} SET status = 'failed', finished_at = now(), error = :error WHERE id = :id AND status = 'running'"
)
_AGAIN = "UPDATE {table} SET status = 'waiting', worker = NULL WHERE id = :id AND status = 'running'"
_EXPECTED = text(
    "UPDATE backup_run SET expected_bytes = (SELECT done_bytes FROM backup_run WHERE status IN ('stored','good') "
    "ORDER BY created_at DESC LIMIT 1) WHERE id = :id RETURNING expected_bytes"
)
_STORED = text(
    "UPDATE backup_run SET status = 'stored', finished_at = now(), snapshot_at = :at, object_name = :name, "
    "size_bytes = :size, object_sha256 = :sha256, done_bytes = :done, manifest = CAST(:manifest AS jsonb), error = NULL "
    "WHERE id = :id AND status = 'running'"
)
_ASK_RUN = text(
    "INSERT INTO backup_run (id, reason, requested_by, created_at) VALUES (:id, :reason, :requested_by, :now)"
)
_WAITING = text("SELECT id FROM backup_run WHERE status IN ('waiting','running') ORDER BY created_at LIMIT 1")
_ASK_DRILL = text(
    "INSERT INTO backup_drill (id, run_id, requested_by, created_at) VALUES (:id, :run_id, :requested_by, :now)"
)
_DRILL_WAITING = text("SELECT id FROM backup_drill WHERE status IN ('waiting','running') ORDER BY created_at LIMIT 1")


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


async def ask_backup(database: Database, requested_by: str, reason: str = "demand") -> UUID:
    """Want a backup of the platform; answers it, or the one that is wanted already."""
    async with database.platform_transaction() as session:
        # Two at once ask in turn.
        await session.execute(text("SELECT pg_advisory_xact_lock(7046030)"))
        if waiting := await session.scalar(_WAITING):
            return UUID(str(waiting))
        run_id = uuid7()
        values = {"id": run_id, "reason": reason, "requested_by": requested_by, "now": clock.now()}
        await session.execute(_ASK_RUN, values)
    return run_id


async def ask_drill(database: Database, requested_by: str, run_id: UUID | None = None) -> UUID:
    """Want a drill of a backup, by default of the newest; answers it, or the one that is wanted already."""
    async with database.platform_transaction() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(7046031)"))
        if waiting := await session.scalar(_DRILL_WAITING):
            return UUID(str(waiting))
        drill_id = uuid7()
        values = {"id": drill_id, "run_id": run_id, "requested_by": requested_by, "now": clock.now()}
        await session.execute(_ASK_DRILL, values)
    return drill_id


async def lose(database: Database) -> None:
    """Give up whatever nobody works on any more: an alert says so, and the next one may begin."""
    async with database.platform_transaction() as session:
        for table in TABLES:
            for lost in (await session.scalars(text(_LOSE.format(table=table)))).all():
                _LOG.error("backup lost", table=table, id=str(lost))


async def claim(database: Database, table: str) -> UUID | None:
    """The next row that waits, now ours; None while there is none, or another process works on one."""
    async with database.platform_transaction() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(7046032)"))
        found = await session.scalar(text(_CLAIM.format(table=table)), {"worker": worker_name()})
    return None if found is None else UUID(str(found))


class Alive:
    """What a run tells of itself: `done` is written with its next sign of life."""

    def __init__(self, done: Any) -> None:
        self.done = done

    def tell(self, done: Any) -> None:
        self.done = done


@asynccontextmanager
async def alive(database: Database, table: str, row_id: UUID) -> AsyncIterator[Alive]:
    """Keep a claimed row alive while the block works on it."""
    state = Alive(0 if table == "backup_run" else "")

    async def beat() -> None:
        while True:
            try:
                async with database.platform_transaction() as session:
                    await session.execute(_BEATS[table], {"id": row_id, "done": state.done})
            except (SQLAlchemyError, *POSTGRES_AWAY) as error:
                _LOG.warning("sign of life not written", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_BEAT)

    beating = asyncio.create_task(beat())
    try:
        yield state
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def expected_bytes(database: Database, run_id: UUID) -> int:
    """How large the dump will be, by the last one; 0 for the first."""
    async with database.platform_transaction() as session:
        return await session.scalar(_EXPECTED, {"id": run_id}) or 0


async def keep(database: Database, run_id: UUID, made: Made) -> None:
    """Write down that a backup is stored."""
    brief = msgspec.to_builtins(made.manifest)
    # Some hundred lines that only the archive's own copy is asked for.
    brief.pop("guards")
    async with database.platform_transaction() as session:
        await session.execute(
            _STORED,
            {
                "id": run_id,
                "at": made.snapshot_at,
                "name": made.object_name,
                "size": made.object_bytes,
                "sha256": made.object_sha256,
                "done": made.manifest.content_bytes,
                "manifest": msgspec.json.encode(brief).decode(),
            },
        )


async def fail(database: Database, table: str, row_id: UUID, error: BaseException) -> None:
    """Write down why there is none."""
    said = f"{type(error).__name__}: {error}"[:_ERROR].replace("\0", "")
    _LOG.error("backup failed", table=table, id=str(row_id), reason=said)
    async with database.platform_transaction() as session:
        await session.execute(text(_FAIL.format(table=table)), {"id": row_id, "error": said})


async def give_back(database: Database, table: str, row_id: UUID) -> None:
    """Let another process begin it anew: this one is being stopped."""
    async with database.platform_transaction() as session:
        await session.execute(text(_AGAIN.format(table=table)), {"id": row_id})
