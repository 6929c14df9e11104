"""The fast lane: a small asyncpg pool of its own for the sale and the look-up, four round trips a request.

Measured in docs/BENCHMARKS.md: the ORM reaches a tenth of a bare statement's speed, this more than half. The pool skips
asyncpg's reset on release; that is safe only while nothing at session level is ever set here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from app.db.session import SERVER_SETTINGS
from app.lib.errors import Unavailable
from app.settings import Settings

LaneConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy"

_WAIT: Final = 5.0
"""Seconds a request waits for a connection before it is answered 503: a burst of a whole shop passes in less."""


_LANE_SETTINGS: Final = {**SERVER_SETTINGS, "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Planned once a connection and by index from the first day, when tables are still small enough to look scannable."""


class Lane:
    """Pool of connections whose transactions are opened and pinned in one message."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool | None = None

    async def _open(self) -> "asyncpg.Pool":
        if self._pool is None:
            pooler: dict[str, Any] = {"statement_cache_size": 0} if self._settings.behind_pooler else {}
            self._pool = asyncpg.create_pool(
                self._settings.database_url,
                min_size=0,
                max_size=self._settings.lane_size,
                reset=_keep,
                server_settings=_LANE_SETTINGS,
                timeout=5,
                **pooler,
            )
        await self._pool
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID, user_id: UUID) -> AsyncIterator[LaneConnection]:
        """Run a block as one person of one company; commits when it ends, rolls back when it raises.

        Raises `Unavailable` when no connection comes free in time.
        """
        pool = self._pool or await self._open()
        try:
            connection = await pool.acquire(timeout=_WAIT)
        except TimeoutError as error:
            raise Unavailable("El sistema está ocupado; intente de nuevo.", headers={"Retry-After": "1"}) from error
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
            await pool.release(connection)


_BROKEN: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def _roll_back(connection: LaneConnection) -> None:
    """End an unfinished transaction, or the connection with it: an open one must never meet the next request."""
    try:
        async with asyncio.timeout(_WAIT):
            await connection.execute("ROLLBACK")
    except (*_BROKEN, OSError, TimeoutError, asyncio.CancelledError):
        connection.terminate()


async def _keep(_connection: object) -> None:
    """Nothing to reset: every setting of this pool's transactions is local to them."""
