"""The fast lane: a few connections of its own for the sale.

Measured in docs/BENCHMARKS.md: the ORM reaches a tenth of a bare statement's speed, this more than half.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg

from app.db.kept import WAIT, Connection, KeptConnections, begin_pinned
from app.lib.driver import POSTGRES_AWAY
from app.lib.errors import Unavailable
from app.settings import Settings

LaneConnection = Connection

_BY_KEY: Final = {"enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Each row is found by its key, however many rows a JSON list is guessed to have."""


class Lane:
    """Connections whose transactions are opened and pinned in one message."""

    def __init__(self, settings: Settings) -> None:
        self._connections = KeptConnections(settings, **_BY_KEY)
        self.statements_pin = settings.pin == "set_config"
        """Whether a statement may pin itself."""

    async def close(self) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[LaneConnection]:
        """Run a block of statements that each pin themselves and are a transaction of their own.

        Raises `Unavailable` when no connection comes free in time.
        """
        connections = self._connections
        await connections.wait()
        try:
            connection = connections.kept() or await connections.new()
            try:
                yield connection
            except BaseException as error:
                # A refusal, ours or PostgreSQL's, leaves the connection idle; what cuts a statement short does not.
                if not isinstance(error, Exception) or isinstance(error, asyncpg.InternalClientError):
                    connection.terminate()
                raise
            finally:
                connections.keep(connection)
        finally:
            connections.leave()

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID, user_id: UUID) -> AsyncIterator[LaneConnection]:
        """Run a block as one person of one company; commits when it ends, rolls back when it raises.

        Raises `Unavailable` when no connection comes free in time.
        """
        async with self.connection() as connection:
            committed = False
            try:
                await connection.execute(begin_pinned(tenant_id, user_id))
                yield connection
                committed = await connection.execute("COMMIT") == "COMMIT"
                if not committed:
                    raise Unavailable("La operación no se guardó; intente de nuevo.", headers={"Retry-After": "1"})
            finally:
                if not committed:
                    await _roll_back(connection)


async def _roll_back(connection: LaneConnection) -> None:
    """End an unfinished transaction, or the connection with it: an open one must never meet the next request."""
    try:
        async with asyncio.timeout(WAIT):
            await connection.execute("ROLLBACK")
    except (*POSTGRES_AWAY, asyncio.CancelledError):
        connection.terminate()
