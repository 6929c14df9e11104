"""Which of several monitors speaks: the holder of an advisory lock, a key in Redis without PostgreSQL, all without both."""

import asyncio
import secrets
from typing import Final

import asyncpg
import structlog
from redis.exceptions import RedisError

from app.db.locks import AdvisoryLock
from app.lib.driver import POSTGRES_AWAY
from app.lib.redis import connect_redis
from app.settings import Settings
from worker.pace import pause

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

_KEY: Final = "mostrador:monitor-leader"
_LOOK_SECONDS: Final = 10.0
_LIMIT: Final = 3
"""Seconds for each of the two: a leader that hangs with its server must be replaced in time."""
_LOOKS_MISSED: Final = 2
"""After which the server takes the lock away: a process that is frozen, or whose machine is gone, keeps its connection."""

_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
_RENEW: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


class Leadership:
    """`leads` is looked at anew every interval, ten seconds at most; the lock lives and dies with a connection of its own.

    The server ends that connection when nothing is asked on it for two looks, so a leader that only seems to be there is
    followed by another.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._every = min(_LOOK_SECONDS, settings.monitor_seconds)
        # One look and what both servers may take to say nothing: a dead holder is followed in time.
        self._key_seconds = int(self._every) + 2 * _LIMIT + 2
        self._idle_limit = str(int(1000 * (_LOOKS_MISSED * self._every + 2 * _LIMIT)))
        self._has_key = False
        self._identity = secrets.token_hex(8)
        self._connection: asyncpg.Connection | None = None
        self.leads = False

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                await self.look()
                await pause(stop, self._every)
        finally:
            self._drop()
            await self._release()

    async def look(self) -> None:
        """Find out whether we lead now."""
        by_postgres = await self._by_postgres()
        self.leads = by_postgres if by_postgres is not None else await self._by_redis()
        if by_postgres is not None:
            await self._release()

    async def _by_postgres(self) -> bool | None:
        """Whether the lock is ours; None while PostgreSQL is away."""
        try:
            async with asyncio.timeout(_LIMIT):
                if self._connection is not None:
                    try:
                        return await self._holds(self._connection)
                    except POSTGRES_AWAY as error:
                        # Cut, as after a freeze, which is not a server that is gone: Redis would make two leaders of us.
                        _LOG.info("leader's connection lost", reason=f"{type(error).__name__}: {error}")
                        self._drop()
                return await self._holds(await self._connect())
        except POSTGRES_AWAY:
            self._drop()
            return None

    async def _holds(self, connection: asyncpg.Connection) -> bool:
        held = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1::oid "
            "AND pid = pg_backend_pid() AND granted) OR pg_try_advisory_lock($1::bigint)",
            int(AdvisoryLock.MONITOR),
        )
        return bool(held)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect(self) -> asyncpg.Connection:
        # `leads` stays what it was meanwhile: a server that hangs gives the lock to nobody, and what is told is claimed first.
        # Past a pooler, which would lend the connection, and the lock, to others.
        connection: asyncpg.Connection = await asyncpg.connect(
            self._settings.database_direct_url,
            timeout=_LIMIT,
            server_settings={"application_name": "mostrador-monitor", "idle_session_timeout": self._idle_limit},
        )
        self._connection = connection
        return connection

    async def _by_redis(self) -> bool:
        """Whether the key is ours; alone without both, everyone speaks."""
        redis = connect_redis(self._settings, read_timeout=2)
        try:
            async with asyncio.timeout(_LIMIT):
                renewed = redis.register_script(_RENEW)
                self._has_key = bool(await renewed(keys=[_KEY], args=[self._identity, self._key_seconds]))
        except (RedisError, OSError, TimeoutError):
            return True
        else:
            return self._has_key
        finally:
            await redis.aclose()

    async def _release(self) -> None:
        """Give the key back, so that the next one need not wait for its end."""
        if not self._has_key:
            return
        self._has_key = False
        redis = connect_redis(self._settings, read_timeout=2)
        try:
            async with asyncio.timeout(_LIMIT):
                await redis.register_script(_RELEASE)(keys=[_KEY], args=[self._identity])
        except (RedisError, OSError, TimeoutError) as error:
            _LOG.info("leader's key left to expire", reason=f"{type(error).__name__}: {error}")
        finally:
            await redis.aclose()
