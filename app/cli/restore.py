"""`mostrador restore`: the whole platform back on an empty server, from one archive and its key."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

import asyncpg

from app.cli import FAILED
from app.db.migrate import prepare_roles
from app.domain.backups.catalogue import SETTINGS
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform import desk
from app.domain.backups.platform.dump import PlatformManifest
from app.domain.backups.platform.scratch import compare, fill, restamp
from app.domain.backups.stored import read_archive
from app.integrations.storage.store import Storage
from app.settings import Settings, SettingsError, read_settings

_MEGA = 1_000_000
_USED = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"


def run(arguments: argparse.Namespace) -> int:
    try:
        asyncio.run(restore(read_settings(os.environ), arguments.source))
    except (*desk.FAILURES, OSError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        print(f"mostrador restore: {error}", file=sys.stderr)
        return FAILED
    return 0


async def restore(settings: Settings, source: str) -> None:
    """Bring everything back into the empty database of DATABASE_ADMIN_URL.

    The archive is read whole first: nothing is written from a broken one. Raises `SettingsError`, `ArchiveBroken`,
    `Unequal`, `ProgramFailed`, `StorageFailed`.
    """
    url, begun = settings.database_admin_url, time.perf_counter()
    if url is None:
        raise SettingsError("DATABASE_ADMIN_URL is missing: tables need an owner")
    storage, name = source_of(settings, source)
    keys = BackupKeys.of(settings)
    connection = await asyncpg.connect(url, timeout=10, server_settings=SETTINGS)
    try:
        if await connection.fetchval(_USED):
            raise ValueError("the database is not empty: name an empty one in DATABASE_ADMIN_URL")
        read = await read_archive(storage, name, keys, PlatformManifest)
        print(
            f"the archive is whole: {read.object_bytes / _MEGA:.1f} MB, snapshot of {read.manifest.created_at}",
            flush=True,
        )
        await prepare_roles(settings)
        told = time.monotonic()

        def tell(done: int) -> None:
            nonlocal told
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                print(f"{done / _MEGA:.1f} of {read.manifest.content_bytes / _MEGA:.1f} MB", flush=True)

        await fill(settings, storage, name, keys, url, tell)
        found = await compare(url, read.manifest)
        print(
            f"{len(found)} tables, {sum(one.rows for one in found)} rows, {len(read.manifest.guards)} guards: as backed up"
        )
        count = await restamp(connection)
        print(f"{count} rows stamped anew for this cluster")
    finally:
        connection.terminate()
    print(f"restored in {time.perf_counter() - begun:.1f} s; next: mostrador migrate, then audit verify")


def source_of(settings: Settings, named: str) -> tuple[Storage, str]:
    """A file of this machine, or an object of the configured store."""
    path = Path(named)
    if path.is_file():
        return Storage(path.resolve().parent.as_uri()), path.name
    return desk.storage_of(settings), named
