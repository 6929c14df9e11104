"""The fast lane: a few connections of its own for the sale and the look-up, four round trips a request.

Measured in docs/BENCHMARKS.md: the ORM reaches a tenth of a bare statement's speed, this more than half. Connections are
handed out as they are: asyncpg's own pool wraps each in a proxy, resets it and shields its release with a task, which
costs a sale as much as its arithmetic. Skipping the reset is safe only while nothing at session level is ever set here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from app.db.session import SERVER_SETTINGS
from app.lib.driver import POSTGRES_AWAY
from app.lib.errors import Unavailable
from app.settings import Settings

LaneConnection: TypeAlias = "asyncpg.Connection"

_WAIT: Final = 5.0
"""Seconds a request waits for a connection before it is answered 503: a burst of a whole shop passes in less."""
_CONNECT: Final = 5
"""Seconds a new connection may take."""

_LANE_SETTINGS: Final = {
    **SERVER_SETTINGS,
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Planned once a connection, each row found by its key: from the first day, when tables still look scannable, and however
many rows a JSON list is guessed to have."""


class Lane:
    """Connections whose transactions are opened and pinned in one message; the last one used is used next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.lane_size)
        self._idle: list[LaneConnection] = []

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close(timeout=_WAIT)

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID, user_id: UUID) -> AsyncIterator[LaneConnection]:
        """Run a block as one person of one company; commits when it ends, rolls back when it raises.

        Raises `Unavailable` when no connection comes free in time.
        """
        await self._wait()
        try:
            connection = await self._connection()
            committed = False
            try:
                # Built from UUID objects only, so there is nothing to quote.
                await connection.execute(
                    f"BEGIN; SET LOCAL app.tenant_id = '{UUID(int=tenant_id.int)}'; "
                    f"SET LOCAL app.user_id = '{UUID(int=user_id.int)}'"
                )
                yield connection
                committed = await connection.execute("COMMIT") == "COMMIT"
                if not committed:
                    raise Unavailable("La operación no se guardó; intente de nuevo.", headers={"Retry-After": "1"})
            finally:
                if not committed:
                    await _roll_back(connection)
                if not connection.is_closed():
                    self._idle.append(connection)
        finally:
            self._free.release()

    async def _wait(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(_WAIT):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable("El sistema está ocupado; intente de nuevo.", headers={"Retry-After": "1"}) from error

    async def _connection(self) -> LaneConnection:
        """The warmest connection that is still open, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        pooler: dict[str, Any] = {"statement_cache_size": 0} if self._settings.behind_pooler else {}
        return await asyncpg.connect(
            self._settings.database_url, server_settings=_LANE_SETTINGS, timeout=_CONNECT, **pooler
        )


async def _roll_back(connection: LaneConnection) -> None:
    """End an unfinished transaction, or the connection with it: an open one must never meet the next request."""
    try:
        async with asyncio.timeout(_WAIT):
            await connection.execute("ROLLBACK")
    except (*POSTGRES_AWAY, asyncio.CancelledError):
        connection.terminate()
