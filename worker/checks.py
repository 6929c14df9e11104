"""What the monitor asks of each service. Speaks to PostgreSQL and Redis directly: it must still speak when they are gone."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from redis.exceptions import RedisError

from app.db.session import SERVER_SETTINGS
from app.domain.audit.findings import PREFIXES
from app.lib import clock
from app.lib.driver import POSTGRES_AWAY
from app.lib.jobs import QUEUES
from app.lib.redis import connect_redis
from app.settings import Settings

_POSTGRES_LIMIT: Final = 5
_REDIS_LIMIT: Final = 2.0
_SILENT_AFTER: Final = 60.0
"""Seconds without a worker's sign of life, which comes every ten."""
_OVERDUE_AFTER: Final = 300.0
"""Seconds a job may wait for a worker."""
_LEAST_FREE: Final = 0.05
"""Share of a disk, and `_LEAST_BYTES` beside it: small disks fill by share, large ones by size."""
_LEAST_BYTES: Final = 1_000_000_000

_BEATS = "SELECT queue, extract(epoch FROM now() - max(beat_at))::float8 AS age FROM worker_heartbeat GROUP BY queue"
_OLDEST = (
    "SELECT extract(epoch FROM $1::timestamptz - min(coalesce(due_since, due_at)))::float8 FROM outbox "
    "WHERE status IN ('pending','queued') AND coalesce(due_since, due_at) <= $1"
)
_DEAD = "SELECT count(*) FROM outbox WHERE status = 'dead' AND finished_at > $1::timestamptz - interval '24 hours'"
_DIAN_AWAY = (
    "SELECT count(*) AS companies, extract(epoch FROM $1::timestamptz - min(opened_at))::float8 AS age "
    "FROM dian_circuit WHERE opened_at <= $1"
)
_DIAN_LATE = (
    "SELECT count(*) FROM document_state WHERE status IN ('pending','signed','sent','unknown') "
    "AND next_at < $1::timestamptz - interval '30 minutes'"
)
_FINDINGS = (
    "SELECT detail FROM monitor_alert WHERE resolved_at IS NULL AND split_part(fingerprint, ':', 1) = ANY($1) "
    "AND fingerprint LIKE '%:%' ORDER BY opened_at"
)


class Unknown(Exception):
    """What is asked about cannot be seen, because something is away that has a check of its own."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A question whose answer is None, or what is wrong in a Spanish sentence."""

    name: str
    title: str
    severity: str
    ask: Callable[[], Awaitable[str | None]]
    muted_by: frozenset[str] = frozenset()
    """Checks whose failure explains this one's."""


def all_checks(settings: Settings) -> Sequence[Check]:
    """Those every installation has."""
    look = Looks(settings)
    jobs = frozenset({"postgresql", "redis"})
    return (
        Check(name="postgresql", title="PostgreSQL no responde", severity="critical", ask=look.postgresql),
        Check(name="redis", title="Redis no responde", severity="critical", ask=look.redis),
        Check(
            name="worker",
            title="Los trabajos en segundo plano están detenidos",
            severity="critical",
            ask=look.worker,
            muted_by=jobs,
        ),
        Check(
            name="queue",
            title="Los trabajos en segundo plano se atrasan",
            severity="warning",
            ask=look.queue,
            muted_by=jobs | {"worker"},
        ),
        Check(
            name="dead-jobs",
            title="Hay trabajos que fallaron definitivamente",
            severity="warning",
            ask=look.dead_jobs,
            muted_by=jobs,
        ),
        Check(
            name="proofs",
            title="Una prueba nocturna encontró diferencias",
            severity="critical",
            ask=look.findings,
            muted_by=jobs,
        ),
        Check(
            name="dian",
            title="La DIAN no responde",
            severity="warning",
            ask=look.dian,
            muted_by=jobs | {"worker"},
        ),
        Check(name="disk", title="El disco se llena", severity="critical", ask=look.disk),
    )


class Looks:
    """The questions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis_key = f"mostrador:monitor:{secrets.token_hex(8)}"

    async def postgresql(self) -> str | None:
        try:
            async with self._connected() as connection:
                await connection.fetchval("SELECT 1")
        except POSTGRES_AWAY as error:
            return f"PostgreSQL no responde: {_reason(error)}."
        return None

    async def redis(self) -> str | None:
        redis = connect_redis(self._settings, read_timeout=_REDIS_LIMIT)
        written = secrets.token_bytes(8)
        try:
            async with asyncio.timeout(_REDIS_LIMIT):
                await redis.set(self._redis_key, written, px=60_000)
                read = await redis.get(self._redis_key)
        except (RedisError, OSError, TimeoutError) as error:
            return f"Redis no responde: {_reason(error)}."
        finally:
            await redis.aclose()
        return None if read == written else "Redis no guarda lo que se le escribe."

    async def worker(self) -> str | None:
        ages = {row["queue"]: row["age"] for row in await self._fetch(_BEATS)}
        silent = [queue for queue in QUEUES if ages.get(queue, _SILENT_AFTER) >= _SILENT_AFTER]
        if not silent:
            return None
        return f"Ningún trabajador da señales de vida en: {', '.join(silent)}."

    async def queue(self) -> str | None:
        age = (await self._fetch(_OLDEST, clock.now()))[0][0]
        if age is None or age < _OVERDUE_AFTER:
            return None
        return f"Un trabajo espera desde hace {round(age / 60)} minutos."

    async def dead_jobs(self) -> str | None:
        count = (await self._fetch(_DEAD, clock.now()))[0][0]
        return f"Trabajos que fallaron definitivamente en las últimas 24 horas: {count}." if count else None

    async def dian(self) -> str | None:
        away = (await self._fetch(_DIAN_AWAY, clock.now()))[0]
        if away["companies"]:
            minutes = round(away["age"] / 60)
            return f"La DIAN no responde desde hace {minutes} minutos; empresas que esperan: {away['companies']}."
        late = (await self._fetch(_DIAN_LATE, clock.now()))[0][0]
        return f"Documentos electrónicos detenidos: {late}." if late else None

    async def findings(self) -> str | None:
        details = [row["detail"] for row in await self._fetch(_FINDINGS, list(PREFIXES))]
        return f"Empresas con diferencias: {len(details)}. {details[0]}" if details else None

    async def disk(self) -> str | None:
        # In a thread: a hanging file system must not hold the other checks up.
        return await asyncio.to_thread(_disk)

    async def _fetch(self, statement: str, *values: Any) -> list[Any]:
        try:
            async with self._connected() as connection:
                return list(await connection.fetch(statement, *values))
        except POSTGRES_AWAY as error:
            raise Unknown(_reason(error)) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        url = self._settings.database_platform_url
        async with asyncio.timeout(_POSTGRES_LIMIT):
            connection = await asyncpg.connect(url, timeout=_POSTGRES_LIMIT, server_settings=SERVER_SETTINGS)
            try:
                yield connection
            finally:
                # Closing politely would wait for a server that does not answer.
                connection.terminate()


def _disk() -> str | None:
    for folder in {Path.cwd(), Path(tempfile.gettempdir())}:
        usage = shutil.disk_usage(folder)
        if usage.free < _LEAST_FREE * usage.total and usage.free < _LEAST_BYTES:
            return f"Quedan {usage.free // 1_000_000} MB en el disco de {folder}."
    return None


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip().rstrip(".")
