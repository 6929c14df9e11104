"""`mostrador backup …` and `mostrador restore`: the platform's backups and drills, and archives of single companies.

A backup is made by this very process, with its progress; `--queue` leaves it to the worker instead.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.cli import FAILED
from app.cli.restore import source_of
from app.db.session import SYSTEM_USER, Database
from app.domain.backups.company.differences import differences
from app.domain.backups.company.export import export
from app.domain.backups.company.format import CompanyManifest
from app.domain.backups.company.reading import CompanyArchive, is_signed_here, open_plain, open_sealed
from app.domain.backups.company.restore import RestoreReport, restore_new, restore_same
from app.domain.backups.jobs import MADE, NOT_MADE, of_made
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform import desk, reads, runs
from app.domain.backups.platform.dump import PlatformManifest
from app.domain.backups.retention import prune
from app.domain.backups.sealed import ArchiveBroken, Manifest
from app.domain.backups.stored import BESIDE, SUFFIX, fetch, read_archive, rewrap
from app.lib import clock
from app.lib.errors import DomainError
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import read_settings

_MEGA: Final = 1_000_000
_WANT_COMPANY: Final = text(
    "INSERT INTO company_backup (tenant_id, id, kind, reason, requested_by, created_at) "
    "SELECT t.tenant_id, :id, 'backup', 'schedule', :user_id, :now FROM tenant t WHERE t.tenant_id = :tenant_id "
    "ON CONFLICT DO NOTHING RETURNING true"
)
_DONE: Final = {"stored", "good", "failed"}


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    action = _ACTIONS[arguments.action]

    async def act() -> int:
        redis = connect_redis(settings)
        database = Database(settings, Bell(redis))
        try:
            return await action(database, arguments)
        except (*desk.FAILURES, DomainError, OSError, ValueError) as error:
            print(f"mostrador backup {arguments.action}: {error}", file=sys.stderr)
            return FAILED
        finally:
            await database.close()
            await redis.aclose()

    return asyncio.run(act())


async def _create(database: Database, arguments: argparse.Namespace) -> int:
    run_id = await runs.ask_backup(database, "mostrador backup create")
    if arguments.queue:
        print(f"backup {run_id} waits for the worker")
        return 0
    await runs.lose(database)
    mine = await runs.claim(database, "backup_run")
    working = asyncio.create_task(desk.back_up(database, run_id)) if mine == run_id else None
    shown = await _watch(
        lambda: reads.find_backup(database, run_id),
        lambda row: (
            f"{row.bytes_done / _MEGA:.1f} MB"
            + (f" of about {row.bytes_expected / _MEGA:.1f}" if row.bytes_expected else "")
        ),
    )
    if working is not None:
        await working
    if shown.status == "failed":
        print(f"backup {run_id} failed: {shown.error}", file=sys.stderr)
        return FAILED
    print(
        f"backup {run_id}: {shown.object_name}, {(shown.size_bytes or 0) / _MEGA:.1f} MB, {shown.tables} tables, {shown.rows} rows"
    )
    return 0


async def _drill(database: Database, arguments: argparse.Namespace) -> int:
    drill_id = await runs.ask_drill(database, "mostrador backup drill", arguments.backup)
    await runs.lose(database)
    mine = await runs.claim(database, "backup_drill")
    working = asyncio.create_task(desk.prove(database, drill_id)) if mine == drill_id else None
    shown = await _watch(lambda: reads.find_drill(database, drill_id), lambda row: row.step)
    if working is not None:
        await working
    if shown.status == "failed" or shown.report is None:
        print(f"the backup is NOT good: {shown.error}", file=sys.stderr)
        return FAILED
    report = shown.report
    print(
        f"backup {shown.backup_id} is good: {report.tables} tables and {report.rows} rows equal, {report.guards} guards, "
        f"{report.audit_entries} audit entries of {report.companies} companies, {report.reconciliations} reconciliations; "
        f"restored in {report.restore_ms / 1000:.1f} s, all in {report.total_ms / 1000:.1f} s"
    )
    return 0


async def _watch(look: Callable[[], Awaitable[Any]], say: Callable[[Any], str]) -> Any:
    told = ""
    while True:
        row = await look()
        line = f"{row.status}: {say(row)}"
        if line != told:
            print(line, flush=True)
            told = line
        if row.status in _DONE:
            return row
        await asyncio.sleep(1)


async def _list(database: Database, _arguments: argparse.Namespace) -> int:
    page = await reads.backup_page(database, 200, None)
    for row in page.items:
        held = f" held: {row.hold_reason}" if row.hold_reason else ""
        gone = " deleted" if row.deleted_at else ""
        size = f"{(row.size_bytes or row.bytes_done) / _MEGA:10.1f} MB"
        print(
            f"{row.id} {row.created_at:%Y-%m-%d %H:%M} {row.status:8}{size} {row.object_name or row.error or ''}{held}{gone}"
        )
    state = await reads.state_of(database)
    print(state.problem or "backups are as they should be")
    return FAILED if state.problem else 0


async def _verify(database: Database, arguments: argparse.Namespace) -> int:
    storage, name = source_of(database.settings, arguments.object)
    kind: type[Manifest] = CompanyManifest if "empresas/" in name else PlatformManifest
    read = await read_archive(storage, name, BackupKeys.of(database.settings), kind)
    print(f"{name} is whole: {read.object_bytes / _MEGA:.1f} MB, made of {read.manifest.created_at}")
    return 0


async def _fetch(database: Database, arguments: argparse.Namespace) -> int:
    storage, name = source_of(database.settings, arguments.object)
    with _new_file(arguments.out) as file:

        async def sink(piece: bytes) -> None:
            file.write(piece)

        kind: type[Manifest] = CompanyManifest if "empresas/" in name else PlatformManifest
        await fetch(storage, name, BackupKeys.of(database.settings), sink, kind)
    print(f"{arguments.out} opens alone, with the current key")
    return 0


async def _hold(database: Database, arguments: argparse.Namespace) -> int:
    await reads.hold(database, arguments.backup, arguments.reason)
    print(f"backup {arguments.backup} is held")
    return 0


async def _release(database: Database, arguments: argparse.Namespace) -> int:
    await reads.hold(database, arguments.backup, None)
    print(f"backup {arguments.backup} is no longer held")
    return 0


async def _prune(database: Database, _arguments: argparse.Namespace) -> int:
    print(f"{await prune(database)} archives deleted")
    return 0


async def _rotate(database: Database, _arguments: argparse.Namespace) -> int:
    storage, keys = desk.storage_of(database.settings), BackupKeys.of(database.settings)
    names = [one.name for prefix in ("plataforma", "empresas") for one in await storage.names(prefix)]
    archives = [name for name in names if name.endswith(SUFFIX) and name + BESIDE in set(names)]
    renewed = broken = 0
    for place, name in enumerate(archives, start=1):
        try:
            renewed += await rewrap(storage, name, keys)
        except (ArchiveBroken, *desk.FAILURES) as error:
            broken += 1
            print(f"{place} of {len(archives)}: {name}: {error}", flush=True)
    print(f"{renewed} of {len(archives)} archives wrapped under the current key; {broken} do not open")
    return FAILED if broken else 0


async def _company(database: Database, arguments: argparse.Namespace) -> int:
    settings = database.settings
    row = {"tenant_id": arguments.company, "id": uuid7()}
    async with database.platform_transaction() as session:
        if not await session.scalar(_WANT_COMPANY, row | {"now": clock.now(), "user_id": SYSTEM_USER}):
            raise ValueError("there is no such company, or it is being backed up already")
    try:
        made = await export(
            database,
            desk.storage_of(settings),
            BackupKeys.of(settings),
            arguments.company,
            row["id"],
            lambda rows: print(f"{rows} rows", flush=True),
        )
    except BaseException as error:
        async with database.platform_transaction() as session:
            await session.execute(
                NOT_MADE, row | {"now": clock.now(), "error": (str(error) or type(error).__name__)[:1000]}
            )
        raise
    async with database.platform_transaction() as session:
        await session.execute(MADE, row | of_made(made))
    contents = made.read.manifest.contents
    print(f"{made.object_name}: {contents.rows} rows, root hash {contents.root_hash}")
    if arguments.out is not None:
        with _new_file(arguments.out) as file:

            async def sink(piece: bytes) -> None:
                file.write(piece)

            await read_archive(
                desk.storage_of(settings), made.object_name, BackupKeys.of(settings), CompanyManifest, sink
            )
        print(f"in clear: {arguments.out}")
    return 0


async def _restore_company(database: Database, arguments: argparse.Namespace) -> int:
    path = Path(arguments.object)
    if path.suffix == ".zip":
        async with open_plain(path) as archive:
            if arguments.into == "same" and not is_signed_here(database.audit_seal, archive.contents):
                raise ValueError(
                    "this installation did not sign the ZIP as it is: it may be brought in as another company, "
                    "but not over a live one; take the .mbk of the store"
                )
            return await _bring(database, archive, arguments)
    storage, name = source_of(database.settings, arguments.object)
    async with open_sealed(storage, name, BackupKeys.of(database.settings)) as archive:
        return await _bring(database, archive, arguments)


async def _bring(database: Database, archive: CompanyArchive, arguments: argparse.Namespace) -> int:
    contents = archive.contents
    print(f"{contents.name} (NIT {contents.nit}), {contents.rows} rows of {contents.snapshot_at}: the archive is whole")
    if arguments.dry_run:
        print(msgspec.json.format(msgspec.json.encode(await differences(database, archive)), indent=2).decode())
        return 0
    trail: dict[str, object] = {"by": "mostrador backup restore-company"}
    if arguments.into == "same":
        if arguments.confirm != contents.nit:
            raise ValueError(f"it replaces everything of the company: say --confirm {contents.nit}")
        report = await restore_same(database, archive, SYSTEM_USER, trail=trail)
    else:
        live = await _is_here(database, contents.tenant_id)
        new_tenant_id = uuid7() if live or arguments.into == "new" else contents.tenant_id
        beside = arguments.into == "new"
        report = await restore_new(database, archive, new_tenant_id, SYSTEM_USER, beside=beside, trail=trail)
    _tell(report)
    return 0


@contextmanager
def _new_file(name: str) -> Iterator[BinaryIO]:
    """Over no file that is there, readable by its owner alone; gone again when what was to be in it did not arrive."""
    path = Path(name)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _tell(report: RestoreReport) -> None:
    print(
        f"company {report.tenant_id}: {report.rows} rows in {report.tables} tables, root hash {report.root_hash} as in the archive"
    )
    print(f"{report.duration_ms / 1000:.1f} s, {report.seconds_per_million_rows / 60:.2f} minutes a million rows")
    for note in report.notes:
        print(f"- {note}")


async def _is_here(database: Database, tenant_id: UUID) -> bool:
    async with database.platform_transaction() as session:
        return await session.scalar(text("SELECT true FROM tenant WHERE tenant_id = :id"), {"id": tenant_id}) or False


_ACTIONS: Final[dict[str, Callable[[Database, argparse.Namespace], Awaitable[int]]]] = {
    "create": _create,
    "list": _list,
    "drill": _drill,
    "verify": _verify,
    "fetch": _fetch,
    "hold": _hold,
    "release": _release,
    "prune": _prune,
    "rotate": _rotate,
    "company": _company,
    "restore-company": _restore_company,
}
