"""Making a backup of the platform: `pg_dump` streamed through sealed chunks into the store, with no file in between.

One exported snapshot is read twice at the same time: by `pg_dump`, and by us for the count and checksum of every table. The
upload is completed only after `pg_dump` has ended without a mistake; then the object is read back whole.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from app.domain.backups.catalogue import SETTINGS, Connection, TableSum, all_tables, guards, revision_of, sums
from app.domain.backups.keys import BackupKeys
from app.domain.backups.programs import Running, check_version, connection_environment, program
from app.domain.backups.sealed import Header, Manifest
from app.domain.backups.stored import BESIDE, SUFFIX, Sealer, read_archive
from app.integrations.storage.store import Storage
from app.settings import Settings, SettingsError

FORMAT: Final = "mostrador-platform-1"
_PIECE: Final = 1 << 18

Progress = Callable[[int], None]
"""Hears how many bytes of the dump are done."""


class PlatformManifest(Manifest, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Of a dump of everything."""

    database_bytes: int
    server: str
    program: str
    """Version of `pg_dump`."""
    tables: list[TableSum]
    """Every table there is."""
    guards: list[str]
    """Fences, grants, functions, constraints and indexes (`catalogue.guards`)."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was stored and read back."""

    object_name: str
    object_bytes: int
    object_sha256: bytes
    snapshot_at: datetime
    manifest: PlatformManifest


async def make(
    settings: Settings, storage: Storage, keys: BackupKeys, run_id: UUID, progress: Progress, expected: int = 0
) -> Made:
    """Back the whole database up. `expected` bytes choose the size of the upload's parts.

    Raises `ProgramFailed`, `StorageFailed`, `SettingsError`, and what a database that is away raises; then the store holds
    nothing that looks finished.
    """
    url = settings.database_backup_url
    if url is None:
        raise SettingsError("DATABASE_BACKUP_URL is missing: backups are made as the role mostrador_backup")
    async with snapshot(url) as (connection, snapshot_id, at):
        server = connection.get_server_version()
        version = await check_version(settings, server.major)
        tables = await all_tables(connection)
        revision = await revision_of(connection)
        size = await _database_bytes(connection)
        name = f"plataforma/{at:%Y/%m/%d/%H%M%S}-{run_id}{SUFFIX}"
        created_at = at.isoformat()
        sealer = Sealer(
            keys,
            lambda wrapped: Header(id=run_id, kind="platform", created_at=created_at, wrapped_key=wrapped),
            run_id,
        )
        command = [
            program(settings, "pg_dump"),
            "--format=custom",
            await compression(settings),
            "--no-owner",
            "--no-password",
            f"--snapshot={snapshot_id}",
            "--lock-wait-timeout=60s",
        ]
        async with storage.writing(name, max(expected, size)) as writer:
            async with Running(command, connection_environment(url)) as running:
                summing = asyncio.create_task(_sum(connection, tables))
                try:
                    await sealer.begin(writer)
                    while piece := await running.read(_PIECE):
                        await sealer.add(writer, piece)
                        progress(sealer.content_bytes)
                    await running.ended()
                    table_sums, lines = await summing
                finally:
                    summing.cancel()
                    await asyncio.wait({summing})
            manifest = PlatformManifest(
                format=FORMAT,
                id=run_id,
                created_at=created_at,
                revision=revision,
                content_bytes=sealer.content_bytes,
                content_sha256=sealer.content_sha256,
                database_bytes=size,
                server=f"{server.major}.{server.minor}",
                program=version,
                tables=table_sums,
                guards=lines,
            )
            await sealer.finish(writer, manifest)
    await storage.put(name + BESIDE, sealer.beside())
    read = await read_archive(storage, name, keys, PlatformManifest, wanted=run_id)
    return Made(
        object_name=name,
        object_bytes=read.object_bytes,
        object_sha256=read.object_sha256,
        snapshot_at=at,
        manifest=read.manifest,
    )


async def _database_bytes(connection: Connection) -> int:
    found: Any = await connection.fetchval("SELECT pg_database_size(current_database())")
    return int(found)


async def _sum(connection: Connection, tables: list[str]) -> tuple[list[TableSum], list[str]]:
    return await sums(connection, tables), await guards(connection)


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[tuple[Connection, str, datetime]]:
    """A transaction that sees one instant of the database, the name by which others join it, and that instant."""
    connection = await asyncpg.connect(url, timeout=10, server_settings=SETTINGS)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            row = await connection.fetchrow("SELECT pg_export_snapshot() AS name, now() AS at")
            assert row is not None
            yield connection, row["name"], row["at"]
    finally:
        # Politely, a statement that still runs would be waited for.
        connection.terminate()


async def compression(settings: Settings) -> str:
    """The fastest that this `pg_dump` was built with: zstd, or gzip where it is older or built without."""
    # It refuses what it does not know before it looks for a server.
    process = await asyncio.create_subprocess_exec(
        program(settings, "pg_dump"),
        *("--format=custom", "--compress=zstd:1", "--no-password", "--host=/nonexistent"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[1].decode(errors="replace")
    return "--compress=1" if "compress" in said else "--compress=zstd:1"
