"""Rows of one company out of the database, line by line, and back into a staging table: COPY both ways."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from typing import Final
from uuid import UUID

from app.domain.backups.catalogue import Connection, Table, export_query
from app.domain.backups.company.format import TableFile

Sink = Callable[[bytes], Awaitable[None]]

STAGED: Final = "pg_temp.backup_stage"
_PIECE: Final = 1 << 19


class Lines:
    """Takes COPY's text and passes lines of JSON on, counted and hashed."""

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink
        self._hash = sha256()
        self._held = bytearray()
        self.rows = 0
        self.size = 0

    async def add(self, copied: bytes) -> None:
        """COPY doubles every backslash and breaks lines at rows alone: JSON text has no other character it escapes."""
        self._held += copied
        if len(self._held) >= _PIECE:
            await self._pass_on(self._held.rfind(b"\n") + 1)

    async def end(self, table: str) -> TableFile:
        await self._pass_on(len(self._held))
        return TableFile(table, self.rows, self.size, self._hash.hexdigest())

    async def _pass_on(self, end: int) -> None:
        if not end:
            return
        piece = bytes(self._held[:end]).replace(b"\\\\", b"\\")
        del self._held[:end]
        self.rows += piece.count(b"\n")
        self.size += len(piece)
        self._hash.update(piece)
        if self._sink is not None:
            await self._sink(piece)


async def copy_out(
    connection: Connection,
    table: Table,
    tenant_id: UUID,
    sink: Sink | None = None,
    renamed: dict[str, str] | None = None,
    condition: str = "",
) -> TableFile:
    """A company's rows of a table as lines of JSON; without a sink they are only counted and hashed."""
    lines = Lines(sink)
    query = export_query(table, tenant_id, renamed or {}, condition)
    await connection.copy_from_query(query, output=lines.add)
    return await lines.end(table.name)


async def copy_query(connection: Connection, query: str, name: str, sink: Sink) -> TableFile:
    """Lines of any statement that answers one `jsonb` a row."""
    lines = Lines(sink)
    await connection.copy_from_query(query, output=lines.add)
    return await lines.end(name)


async def make_stage(connection: Connection) -> None:
    """The staging table of this session."""
    await connection.execute("CREATE TEMP TABLE IF NOT EXISTS backup_stage (line jsonb NOT NULL)")


async def stage(connection: Connection, lines: AsyncIterator[bytes]) -> int:
    """Fill the staging table with lines of JSON, over what was there; answers how many."""
    await connection.execute(f"TRUNCATE {STAGED}")

    async def doubled() -> AsyncIterator[bytes]:
        async for piece in lines:
            yield piece.replace(b"\\", b"\\\\")
            await asyncio.sleep(0)

    done: str = await connection.copy_to_table(
        "backup_stage", source=doubled(), schema_name="pg_temp", columns=["line"]
    )
    await connection.execute(f"ANALYZE {STAGED}")
    return int(done.rpartition(" ")[2])
