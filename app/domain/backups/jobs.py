"""Background jobs of a company's archives."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.backups.catalogue import CatalogueRefused
from app.domain.backups.company.differences import differences
from app.domain.backups.company.export import CompanyGone, CompanyMade, export
from app.domain.backups.company.format import CompanyManifest, RestoreRefused
from app.domain.backups.company.reading import CompanyArchive, open_sealed
from app.domain.backups.company.restore import RestoreOver, Wish, restore_new, restore_same
from app.domain.backups.keys import BackupKeys, SealBroken
from app.domain.backups.sealed import ArchiveBroken
from app.domain.backups.stored import read_archive
from app.integrations.storage.store import ObjectMissing, Storage, StorageFailed
from app.lib import clock
from app.lib.driver import POSTGRES_AWAY
from app.lib.jobs import job
from app.settings import Settings, SettingsError

_LOG = structlog.stdlib.get_logger("mostrador.backups")
_LIMIT: Final = 3600
_TOLD_EVERY: Final = 2.0
_ERROR: Final = 1_000

_REFUSED: Final = (
    ArchiveBroken,
    CatalogueRefused,
    CompanyGone,
    RestoreRefused,
    SealBroken,
    SettingsError,
    StorageFailed,
    *POSTGRES_AWAY,
)

_WANTED: Final = text("SELECT kind, status FROM company_backup WHERE tenant_id = :tenant_id AND id = :id")
_PROGRESS: Final = text("UPDATE company_backup SET done_rows = :rows WHERE tenant_id = :tenant_id AND id = :id")
MADE: Final = text(
    "UPDATE company_backup SET status = 'good', finished_at = :now, checked_at = :now, snapshot_at = :at, "
    "object_name = :name, size_bytes = :size, object_sha256 = :sha256, row_count = :rows, done_rows = :rows, "
    "root_hash = :root, error = NULL WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'"
)
NOT_MADE: Final = text(
    "UPDATE company_backup SET status = 'failed', finished_at = :now, error = :error "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
_STORED: Final = text(
    "SELECT object_name, root_hash FROM company_backup WHERE tenant_id = :tenant_id AND id = :id "
    "AND object_name IS NOT NULL AND deleted_at IS NULL"
)
_CHECKED: Final = text(
    "UPDATE company_backup SET status = 'good', checked_at = :now, error = NULL WHERE tenant_id = :tenant_id AND id = :id"
)
_RESTORE: Final = text(
    "SELECT r.target, r.dry_run, r.requested_by, b.object_name, b.id AS backup_id FROM company_restore r "
    "JOIN company_backup b ON b.tenant_id = r.tenant_id AND b.id = r.backup_id "
    "WHERE r.tenant_id = :tenant_id AND r.id = :id AND r.status = 'running'"
)
_TRIED: Final = text(
    "UPDATE company_restore SET status = 'done', finished_at = :now, report = CAST(:report AS jsonb) "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'"
)
_NOT_RESTORED: Final = text(
    "UPDATE company_restore SET status = 'failed', finished_at = :now, error = :error "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'"
)


class OfBackup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    backup_id: UUID


class OfRestore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    restore_id: UUID


def storage_of(settings: Settings) -> Storage:
    """The store of archives. Raises `StorageFailed`."""
    return Storage(settings.backup_storage_url, settings.backup_storage_options)


def of_made(made: CompanyMade) -> dict[str, Any]:
    """What `MADE` writes down of an archive."""
    contents = made.read.manifest.contents
    return {
        "now": clock.now(),
        "at": made.snapshot_at,
        "name": made.object_name,
        "size": made.read.object_bytes,
        "sha256": made.read.object_sha256,
        "rows": contents.rows,
        "root": bytes.fromhex(contents.root_hash),
    }


@job("backups.make-company", queue="long", timeout=_LIMIT, attempts=3)
async def make_company_backup(context: JobContext, payload: OfBackup) -> None:
    """Make the archive that a row wants; run again, it makes it anew under the same name only if none is good yet."""
    row = {"tenant_id": context.tenant_id, "id": payload.backup_id}
    async with context.transaction() as work:
        wanted = (await work.session.execute(_WANTED, row)).one_or_none()
    if wanted is None or wanted.status != "running":
        return
    settings = context.settings
    told = _Told(context.database, row)
    try:
        async with told:
            made = await export(
                context.database,
                storage_of(settings),
                BackupKeys.of(settings),
                context.tenant_id,
                payload.backup_id,
                told.tell,
            )
    except _REFUSED as error:
        await _write(context, NOT_MADE, row | {"error": _said(error)})
        _LOG.error("company not backed up", reason=_said(error))
        return
    contents = made.read.manifest.contents
    async with context.transaction() as work:
        await work.session.execute(MADE, row | of_made(made))
        work.record(
            "backup.made",
            payload.backup_id,
            after={
                "kind": wanted.kind,
                "rows": contents.rows,
                "rootHash": contents.root_hash,
                "object": made.object_name,
            },
        )


@job("backups.check-company", queue="long", timeout=_LIMIT, attempts=3)
async def check_company_backup(context: JobContext, payload: OfBackup) -> None:
    """Read an archive back, every byte and hash of it. A store that is away says nothing of the archive: tried again."""
    row = {"tenant_id": context.tenant_id, "id": payload.backup_id}
    async with context.transaction() as work:
        stored = (await work.session.execute(_STORED, row)).one_or_none()
    if stored is None:
        return
    settings = context.settings
    try:
        read = await read_archive(
            storage_of(settings),
            stored.object_name,
            BackupKeys.of(settings),
            CompanyManifest,
            wanted=payload.backup_id,
        )
        if read.manifest.contents.root_hash != stored.root_hash.hex():
            raise ArchiveBroken("the archive is not the one that was made")
    except (ArchiveBroken, ObjectMissing, SealBroken) as error:
        await _write(context, NOT_MADE, row | {"error": _said(error)})
        _LOG.error("archive of a company is not good", id=str(payload.backup_id), reason=_said(error))
        return
    await _write(context, _CHECKED, row)


@job("backups.restore-company", queue="long", timeout=_LIMIT, attempts=2)
async def restore_company(context: JobContext, payload: OfRestore) -> None:
    """Carry out, or try out, a restore: all of it in one transaction, so that a second run finds nothing half done."""
    row = {"tenant_id": context.tenant_id, "id": payload.restore_id}
    async with context.transaction() as work:
        wanted = (await work.session.execute(_RESTORE, row)).one_or_none()
    if wanted is None:
        return
    settings = context.settings
    try:
        opening = open_sealed(storage_of(settings), wanted.object_name, BackupKeys.of(settings), wanted.backup_id)
        async with opening as archive:
            if archive.contents.tenant_id != context.tenant_id:
                raise ArchiveBroken("the archive is of another company")
            if wanted.dry_run:
                report = await differences(context.database, archive)
                told = msgspec.json.encode(report).decode()
                await _write(context, _TRIED, row | {"report": told})
            else:
                await _restore(context.database, archive, wanted, Wish(context.tenant_id, payload.restore_id))
    except RestoreOver as error:
        _LOG.info("company not restored again", reason=_said(error))
    except _REFUSED as error:
        await _write(context, _NOT_RESTORED, row | {"error": _said(error)})
        _LOG.error("company not restored", reason=_said(error))


async def _restore(database: Database, archive: CompanyArchive, wanted: Any, wish: Wish) -> None:
    trail: dict[str, object] = {"backupId": wanted.backup_id, "restoreId": wish.restore_id}
    if wanted.target == "same":
        await restore_same(database, archive, wanted.requested_by, trail=trail, wish=wish)
    else:
        await restore_new(database, archive, uuid7(), wanted.requested_by, beside=True, trail=trail, wish=wish)


async def _write(context: JobContext, statement: Any, values: dict[str, Any]) -> None:
    async with context.transaction() as work:
        await work.session.execute(statement, values | {"now": clock.now()})


def _said(error: BaseException) -> str:
    return f"{error}"[:_ERROR].replace("\0", "")


class _Told(AbstractAsyncContextManager["_Told"]):
    """Writes how many rows are done, now and then."""

    def __init__(self, database: Database, row: dict[str, Any]) -> None:
        self._database = database
        self._row = row
        self._rows = 0
        self._told_at = time.monotonic()
        self._task: Any = None

    def tell(self, rows: int) -> None:
        self._rows = rows
        if time.monotonic() - self._told_at < _TOLD_EVERY or (self._task is not None and not self._task.done()):
            return
        self._told_at = time.monotonic()
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        async with self._database.job_transaction(self._row["tenant_id"]) as work:
            await work.session.execute(_PROGRESS, self._row | {"rows": self._rows})

    async def __aexit__(self, *_error: object) -> None:
        if self._task is not None:
            await self._task
