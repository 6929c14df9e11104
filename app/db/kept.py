"""A few connections handed out as they are, for what is asked most: the sale (`lane`) and the look-up (`quick`).

asyncpg's own pool wraps each connection in a proxy, resets it and shields its release with a task, which costs a sale as
much as its arithmetic. Skipping the reset is safe only while nothing at session level is ever set on them.
"""

import asyncio
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from app.db.session import SERVER_SETTINGS
from app.lib.errors import Unavailable
from app.settings import Settings

Connection: TypeAlias = asyncpg.Connection

WAIT: Final = 5.0
"""Seconds a request waits for a connection before it is answered 503: a burst of a whole shop passes in less."""
_CONNECT: Final = 5
"""Seconds a new connection may take."""
_BY_INDEX: Final = {**SERVER_SETTINGS, "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Planned once a connection and by index from the first day, when tables are still small enough to look scannable."""


def begin_pinned(tenant_id: UUID, user_id: UUID) -> str:
    """One message that begins a transaction of one person of one company; of UUIDs only, so there is nothing to quote."""
    return (
        f"BEGIN; SET LOCAL app.tenant_id = '{UUID(int=tenant_id.int)}'; "
        f"SET LOCAL app.user_id = '{UUID(int=user_id.int)}'"
    )


_PINNED: Final = (
    "WITH {pin} SELECT seen.* FROM pin, LATERAL (SELECT asked.* FROM ({select}) asked WHERE {is_set} OFFSET 0) seen"
)
PIN_IS_SET: Final = "pin.tenant <> '' AND pin.person <> ''"
"""Condition that makes what it guards wait for `pin_within`."""


def pin_within(tenant: str, user: str) -> str:
    """A CTE that pins the statement it begins, by the places of two values; it ends with the statement's transaction."""
    return (
        f"pin AS MATERIALIZED (SELECT set_config('app.tenant_id', CAST(CAST({tenant} AS uuid) AS text), true) AS tenant, "
        f"set_config('app.user_id', CAST(CAST({user} AS uuid) AS text), true) AS person)"
    )


def pinned(select: str, tenant: str, user: str) -> str:
    """A SELECT that pins itself: it is a transaction of its own, in one round trip.

    The pin is evaluated first and tables are read only in a lateral subquery that depends on it, so that row level
    security sees the company by the time the first row is read; were the order ever another, it would show nothing.
    """
    return _PINNED.format(pin=pin_within(tenant, user), select=select, is_set=PIN_IS_SET)


class KeptConnections:
    """At most `lane_size` connections; the last one used is used next."""

    def __init__(self, settings: Settings, **planner: str) -> None:
        self._url = settings.database_url
        self._options: dict[str, Any] = {"server_settings": _BY_INDEX | planner, "timeout": _CONNECT}
        if settings.behind_pooler:
            self._options["statement_cache_size"] = 0
        self._free = asyncio.Semaphore(settings.lane_size)
        self._idle: list[Connection] = []
        self._closed = False

    async def wait(self) -> None:
        """Take a place, to be given back with `leave`. Raises `Unavailable` when none comes free in time."""
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(WAIT):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable("El sistema está ocupado; intente de nuevo.", headers={"Retry-After": "1"}) from error

    def leave(self) -> None:
        """Let the next one in."""
        self._free.release()

    def kept(self) -> Connection | None:
        """The warmest connection that is still open, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def new(self) -> Connection:
        return await asyncpg.connect(self._url, **self._options)

    def keep(self, connection: Connection) -> None:
        """Have it back, with no transaction open on it."""
        if self._closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)

    def drop(self) -> None:
        """What broke one kept connection has most likely broken all."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().close(timeout=WAIT)
