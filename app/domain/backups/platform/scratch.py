"""An empty database, filled from an archive: what a drill looks at, and what a platform comes back to."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from app.domain.backups.catalogue import SETTINGS, Connection, TableSum, guards, quoted, stamped, sums
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform.dump import PlatformManifest
from app.domain.backups.programs import Running, connection_environment, program
from app.domain.backups.stored import read_archive
from app.integrations.storage.store import Storage
from app.settings import Settings, SettingsError

SCRATCH: Final = "mostrador_drill_"
"""Before the drill's id, in the name of its database."""
Told = Callable[[int], None]
_MOST_NAMED: Final = 20


class Unequal(Exception):
    """What was restored is not what was backed up: the message says where."""


def admin_url(settings: Settings) -> str:
    """A role that may make databases. Raises `SettingsError`."""
    url = settings.database_drill_url or settings.database_admin_url
    if url is None:
        raise SettingsError("DATABASE_DRILL_URL or DATABASE_ADMIN_URL is missing: a scratch database must be made")
    return url


def in_database(url: str, name: str) -> str:
    """The same server and role, another database."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@asynccontextmanager
async def scratch_database(settings: Settings, name: str) -> AsyncIterator[str]:
    """A database that exists for the block only; answers its administrator's URL."""
    url = admin_url(settings)
    await _as_admin(url, f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
    await _as_admin(url, f"CREATE DATABASE {quoted(name)} TEMPLATE template0")
    try:
        yield in_database(url, name)
    finally:
        await _as_admin(url, f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


async def leftovers(settings: Settings) -> dict[UUID, str]:
    """Scratch databases that are on the server, by the drill they were made for."""
    connection = await asyncpg.connect(admin_url(settings), timeout=10)
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", f"{SCRATCH}%")
    finally:
        await connection.close()
    found: dict[UUID, str] = {}
    for row in rows:
        with suppress(ValueError):
            found[UUID(row["datname"].removeprefix(SCRATCH))] = row["datname"]
    return found


async def drop(settings: Settings, name: str) -> None:
    """Remove a scratch database, whoever is in it."""
    await _as_admin(admin_url(settings), f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


async def _as_admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def fill(
    settings: Settings, storage: Storage, name: str, keys: BackupKeys, url: str, told: Told
) -> PlatformManifest:
    """Restore an archive into an empty database. It must have been read whole before: nothing is written from a broken one.

    Raises `ArchiveBroken`, `ProgramFailed`, `StorageFailed`.
    """
    command = [
        program(settings, "pg_restore"),
        "--no-owner",
        "--exit-on-error",
        "--no-password",
        f"--dbname={make_url(url).database}",
    ]
    done = 0
    async with Running(command, connection_environment(url), feed=True) as running:

        async def sink(piece: bytes) -> None:
            nonlocal done
            await running.write(piece)
            done += len(piece)
            told(done)

        read = await read_archive(storage, name, keys, PlatformManifest, sink)
        await running.ended()
    return read.manifest


async def compare(url: str, manifest: PlatformManifest) -> list[TableSum]:
    """Compare every table and every guard with the manifest; answers the sums found. Raises `Unequal`."""
    connection = await asyncpg.connect(url, timeout=10, server_settings=SETTINGS)
    try:
        found = await sums(connection, [one.table for one in manifest.tables])
        lines = await guards(connection)
    finally:
        connection.terminate()
    wrong = [
        f"{was.table}: {was.rows} rows were backed up, {now.rows} came back"
        if was.rows != now.rows
        else f"{was.table}: the content of its {was.rows} rows differs"
        for was, now in zip(manifest.tables, found, strict=True)
        if was != now
    ]
    lost, new = sorted(set(manifest.guards) - set(lines)), sorted(set(lines) - set(manifest.guards))
    wrong += [f"missing: {line}" for line in lost[:_MOST_NAMED]] + [
        f"not backed up: {line}" for line in new[:_MOST_NAMED]
    ]
    if wrong:
        raise Unequal("; ".join(wrong[:_MOST_NAMED]))
    return found


async def restamp(connection: Connection) -> int:
    """Give every stamp of a writing transaction this cluster's: those of another mean nothing here. Answers how many rows."""
    count = 0
    for table, column in await stamped(connection):
        done: str = await connection.execute(
            f"UPDATE {quoted(table)} SET {quoted(column)} = (pg_current_xact_id()::text)::bigint"
        )
        count += int(done.rpartition(" ")[2])
    return count
