"""`mostrador audit …`: proving the chains, anchoring their heads, and their archives.

Everything but `prune` works as the application's plain role. `prune` deletes: it needs DATABASE_ADMIN_URL, which no
running process has.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, time
from pathlib import Path
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import text

from app.cli import FAILED
from app.db.provider_trail import broken_links
from app.db.session import Database
from app.domain.audit.anchors import anchor_head, append_to_file
from app.domain.audit.archive import ArchiveRefused, announce_pruning, archive, check, restore
from app.domain.audit.schemas import Break, Verification
from app.domain.audit.verify import Wanted, verify_companies
from app.lib import clock
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import Settings, SettingsError, read_settings

_COMPANIES: Final = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")
_BOGOTA: Final = ZoneInfo("America/Bogota")


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    action = _ACTIONS[arguments.action]

    async def act() -> int:
        redis = connect_redis(settings)
        database = Database(settings, Bell(redis))
        try:
            return await action(database, arguments)
        except (ArchiveRefused, OSError, ValueError) as error:
            print(f"mostrador audit {arguments.action}: {error}", file=sys.stderr)
            return FAILED
        finally:
            await database.close()
            await redis.aclose()

    return asyncio.run(act())


async def _verify(database: Database, arguments: argparse.Namespace) -> int:
    wanted = Wanted(
        tenant_id=arguments.company,
        from_seq=arguments.from_seq,
        to_seq=arguments.to_seq,
        checkpoints=arguments.checkpoints,
    )
    intact = await verify_companies(database, wanted, _tell, _tell_break)
    if wanted.tenant_id is None:
        async with database.platform_transaction() as session:
            length, broken = await broken_links(session, database.audit_keys)
        print(f"the operator's own: {length} entries, {len(broken)} breaks", flush=True)
        for seq in broken:
            print(f"  operator at {seq}: it is not what was written", flush=True)
        intact = intact and not broken
    print("every chain is intact" if intact else "THERE ARE BREAKS")
    return 0 if intact else FAILED


def _tell(company: UUID, found: Verification, place: int, companies: int) -> None:
    archived = f", {found.archived} archived" if found.archived else ""
    print(
        f"{place} of {companies}: company {company}, {found.checked} entries{archived}, "
        f"{found.checkpoints} anchored heads, {found.break_count} breaks",
        flush=True,
    )


def _tell_break(found: Break) -> None:
    where = f"{found.seq}" if found.seq == found.last_seq else f"{found.seq} to {found.last_seq}"
    print(f"  {found.kind} at {where}: {found.detail}", flush=True)


async def _anchor(database: Database, arguments: argparse.Namespace) -> int:
    folder = arguments.out or (
        Path(database.settings.audit_checkpoint_dir) if database.settings.audit_checkpoint_dir else None
    )
    for company in await _companies(database, arguments.company):
        async with database.job_transaction(company) as work:
            anchor = await anchor_head(work)
            if anchor is not None and folder is not None:
                await append_to_file(folder, anchor)
        print(f"company {company}: " + (f"anchored at {anchor.seq}" if anchor else "nothing new"), flush=True)
    return 0


async def _archive(database: Database, arguments: argparse.Namespace) -> int:
    today = clock.now().astimezone(_BOGOTA).date()
    latest = today.replace(year=today.year - database.settings.audit_retention_years, day=min(today.day, 28))
    before = arguments.before or latest
    if before > latest:
        raise SettingsError(f"AUDIT_RETENTION_YEARS: entries of {latest} and later stay in the table")
    instant = datetime.combine(before, time.min, _BOGOTA)
    for company in await _companies(database, arguments.company):
        path = await archive(database, company, instant, arguments.out)
        print(f"company {company}: " + (str(path) if path else "nothing to archive"), flush=True)
    return 0


async def _check(database: Database, arguments: argparse.Namespace) -> int:
    manifest = check(database, arguments.file)
    print(f"company {manifest.tenant_id}: entries {manifest.first_seq} to {manifest.last_seq} are what was written")
    return 0


async def _restore(database: Database, arguments: argparse.Namespace) -> int:
    print(f"{await restore(database, arguments.file)} entries restored")
    return 0


async def _prune(database: Database, arguments: argparse.Namespace) -> int:
    manifest = check(database, arguments.file)
    connection = await _owner(database.settings)
    try:
        await announce_pruning(database, manifest)
        gone = await connection.execute(
            "DELETE FROM audit_entry WHERE tenant_id = $1 AND seq BETWEEN $2 AND $3",
            manifest.tenant_id,
            manifest.first_seq,
            manifest.last_seq,
        )
    finally:
        await connection.close()
    print(f"{gone.rpartition(' ')[2]} entries now lie in {manifest.file} alone")
    return 0


async def _owner(settings: Settings) -> "asyncpg.Connection":
    """A connection that may delete. Raises `SettingsError` without one."""
    if settings.database_admin_url is None:
        raise SettingsError("DATABASE_ADMIN_URL is missing: neither the application nor the platform role may delete")
    connection = await asyncpg.connect(settings.database_admin_url)
    if await connection.fetchval("SELECT row_security_active('audit_entry')"):
        await connection.close()
        raise SettingsError("DATABASE_ADMIN_URL: row level security binds this role, it would delete nothing")
    return connection


async def _companies(database: Database, one: UUID | None) -> list[UUID]:
    if one is not None:
        return [one]
    async with database.platform_transaction() as session:
        return list((await session.scalars(_COMPANIES)).all())


_ACTIONS: Final[dict[str, Callable[[Database, argparse.Namespace], Awaitable[int]]]] = {
    "verify": _verify,
    "anchor": _anchor,
    "archive": _archive,
    "verify-archive": _check,
    "restore-archive": _restore,
    "prune": _prune,
}
