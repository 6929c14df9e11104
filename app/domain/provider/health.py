"""Health of the platform as the API sees it: asked in parallel, each within its own limit, remembered for a moment.

A question that hangs is left hanging for a while and not asked twice: the answer is given without it.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.build import release
from app.db.session import SERVER_SETTINGS, Database
from app.domain.provider.schemas import HealthReport, QueueHealth, ServiceHealth, Services
from app.lib import clock
from app.lib.jobs import QUEUES
from app.lib.leaving import is_leaving
from app.settings import Settings

_LOG = structlog.stdlib.get_logger("mostrador.health")

DATABASE_LIMIT: Final = 0.7
REDIS_LIMIT: Final = 0.5
"""Seconds a service may take; the whole answer stays under one."""
GIVEN_UP: Final = 10.0
"""Seconds after which a question that hangs is given up, and asked anew: its connection may be dead without knowing it."""
REMEMBERED: Final = 1.0
"""Seconds one report answers for."""
MISSING_AFTER: Final = 35
"""Seconds without a sign of life, which workers give every ten."""
_ARRIVAL: Final = 20.0
"""Seconds after our own start in which a worker need not have shown itself."""
_TOO_MANY_DEAD: Final = 10
"""Dead letters of a queue in 24 hours that are no longer single mishaps."""
_REVISIONS: Final = Path(__file__).resolve().parents[3] / "migrations" / "versions"

_JOBS = text(
    "SELECT queue, "
    "count(*) FILTER (WHERE status IN ('pending','queued') AND coalesce(due_since, due_at) <= :now) AS waiting, "
    "count(*) FILTER (WHERE status = 'running') AS active, "
    "count(*) FILTER (WHERE status = 'pending' AND due_at > :now) AS delayed, 0 AS failed, 0 AS fresh "
    "FROM outbox WHERE status IN ('pending','queued','running') GROUP BY queue "
    "UNION ALL SELECT queue, 0, 0, 0, count(*), "
    "count(*) FILTER (WHERE finished_at > now() - interval '24 hours') FROM outbox WHERE status = 'dead' GROUP BY queue"
)
_BEATS = text("SELECT queue, extract(epoch FROM now() - max(beat_at))::float8 FROM worker_heartbeat GROUP BY queue")

_Answer = TypeVar("_Answer")


class Jobs(msgspec.Struct):
    """Rows of a queue by what they wait for."""

    waiting: int = 0
    active: int = 0
    delayed: int = 0
    failed: int = 0
    fresh: int = 0
    """Dead letters of the last 24 hours."""
    beat_age: float | None = None
    """Seconds since its last worker's sign of life."""


class Snapshot(msgspec.Struct, frozen=True):
    """What PostgreSQL answered."""

    revision: str | None
    queues: dict[str, Jobs]
    """Empty before the tables exist."""


class Probe(Generic[_Answer]):
    """One question, asked once at a time."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[_Answer]], limit: float) -> None:
        self._name = name
        self._ask = ask
        self._limit = limit
        self._asking: asyncio.Task[tuple[_Answer | None, int]] | None = None

    async def answer(self) -> tuple[_Answer | None, int]:
        """The answer, None if there is none within the limit, and the milliseconds it took or was waited for."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._timed(), name=f"health {self._name}")
        done, _ = await asyncio.wait({self._asking}, timeout=self._limit)
        return self._asking.result() if done else (None, round(self._limit * 1000))

    async def _timed(self) -> tuple[_Answer | None, int]:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(GIVEN_UP):
                answer = await self._ask()
        except Exception as error:  # noqa: BLE001 - any reason at all means that the service does not serve us
            _LOG.warning("service away", service=self._name, reason=f"{type(error).__name__}: {error}")
            answer = None
        return answer, round((time.perf_counter() - started) * 1000)

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()


class Health:
    """Of one API process."""

    def __init__(self, settings: Settings, database: Database, redis: Redis) -> None:
        self._environment = settings.environment
        self._release = release()
        self._database = database
        self._redis = redis
        self._started = time.monotonic()
        self._stopping = False
        self._older = older_revisions()
        self._postgres_probe = Probe("database", self._ask_database, DATABASE_LIMIT)
        self._redis_probe = Probe("redis", self._ask_redis, REDIS_LIMIT)
        self._report: tuple[float, HealthReport, Snapshot | None] | None = None
        self._turn = asyncio.Lock()
        self._own: asyncpg.Connection | None = None

    def begin_shutdown(self) -> None:
        """From now on not ready: whoever sends us requests should stop."""
        self._stopping = True

    def close(self) -> None:
        self._postgres_probe.close()
        if self._own is not None:
            self._own.terminate()
        self._redis_probe.close()

    async def report(self) -> HealthReport:
        """The state of everything, at most a second old."""
        return (await self._current())[0]

    async def snapshot(self) -> Snapshot | None:
        """Counts of jobs, at most a second old; None while PostgreSQL is away."""
        return (await self._current())[1]

    async def why_not_ready(self) -> str | None:
        """What keeps this process from serving; None when it can."""
        if self._stopping or is_leaving():
            return "El proceso se está deteniendo."
        snapshot = await self.snapshot()
        if snapshot is None:
            return "La base de datos no responde."
        if snapshot.revision is None or snapshot.revision in self._older:
            return "Faltan migraciones de la base de datos."
        return None

    async def _current(self) -> tuple[HealthReport, Snapshot | None]:
        async with self._turn:
            now = time.monotonic()
            if self._report is None or now - self._report[0] > REMEMBERED:
                report, snapshot = await self._look()
                self._report = (now, report, snapshot)
            return self._report[1:]

    async def _look(self) -> tuple[HealthReport, Snapshot | None]:
        started = time.perf_counter()
        (snapshot, postgres_ms), (redis, redis_ms) = await asyncio.gather(
            self._postgres_probe.answer(), self._redis_probe.answer()
        )
        redis_up = bool(redis)
        warnings: list[str] = []
        if snapshot is None:
            warnings.append("La base de datos no responde: no se puede vender.")
        if not redis_up:
            warnings.append("Redis no responde: los trabajos en segundo plano esperan a que vuelva.")
        queues: dict[str, QueueHealth] = {queue: self._queue(queue, snapshot, redis_up, warnings) for queue in QUEUES}
        report = HealthReport(
            status="error" if snapshot is None else "degraded" if warnings else "ok",
            timestamp=clock.now(),
            uptime=int(time.monotonic() - self._started),
            environment=self._environment,
            version=self._release,
            services=Services(
                database=_service(snapshot is not None, postgres_ms),
                redis=_service(redis_up, redis_ms),
                queues=queues,
                health_check_response_time=f"{round((time.perf_counter() - started) * 1000)}ms",
            ),
            warnings=warnings,
        )
        return report, snapshot

    def _queue(self, queue: str, snapshot: Snapshot | None, redis_up: bool, warnings: list[str]) -> QueueHealth:
        jobs = snapshot.queues.get(queue, Jobs()) if snapshot else Jobs()
        arriving = time.monotonic() - self._started < _ARRIVAL
        alive = snapshot is not None and (arriving or (jobs.beat_age is not None and jobs.beat_age < MISSING_AFTER))
        if snapshot is not None and not alive:
            warnings.append(f"Ningún trabajador atiende la cola «{queue}».")
        if jobs.fresh > _TOO_MANY_DEAD:
            warnings.append(f"Trabajos de la cola «{queue}» que fallaron definitivamente en 24 horas: {jobs.fresh}.")
        return QueueHealth(
            status="connected" if alive and redis_up else "disconnected",
            waiting=jobs.waiting,
            active=jobs.active,
            delayed=jobs.delayed,
            failed=jobs.failed,
        )

    async def _ask_database(self) -> Snapshot:
        await self._ask_own_role()
        async with self._database.platform_transaction() as session:
            queues: dict[str, Jobs] = {queue: Jobs() for queue in QUEUES}
            try:
                revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
                for row in await session.execute(_JOBS, {"now": clock.now()}):
                    jobs = queues[row.queue]
                    jobs.waiting += row.waiting
                    jobs.active += row.active
                    jobs.delayed += row.delayed
                    jobs.failed += row.failed
                    jobs.fresh += row.fresh
                for queue, age in await session.execute(_BEATS):
                    queues[queue].beat_age = age
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise
                # It answers, but its tables are not there yet.
                return Snapshot(None, {})
        return Snapshot(revision, queues)

    async def _ask_own_role(self) -> None:
        """Sales need the application's own role: a platform role that connects says nothing of it.

        On a connection of its own, since a busy pool is not a database that is gone.
        """
        own = self._own
        if own is None or own.is_closed():
            settings = self._database.settings
            options: dict[str, Any] = {"server_settings": SERVER_SETTINGS, "timeout": DATABASE_LIMIT}
            if settings.behind_pooler:
                options["statement_cache_size"] = 0
            own = self._own = await asyncpg.connect(settings.database_url, **options)
        answered = False
        try:
            answered = await own.fetchval("SELECT 1") == 1
        finally:
            if not answered:
                own.terminate()

    async def _ask_redis(self) -> bool:
        return bool(await self._redis.ping())


def _service(up: bool, milliseconds: int) -> ServiceHealth:
    return ServiceHealth(status="connected" if up else "disconnected", response_time=f"{milliseconds}ms")


def older_revisions() -> frozenset[str]:
    """Revisions of the database that this code is newer than.

    Read from the files, because Alembic would cost every API process its memory. A revision we do not know is newer
    than us, as during a deploy, and compatible.
    """
    pattern = re.compile(r'^down_revision = "([^"]+)"$', re.MULTILINE)
    return frozenset(name for file in _REVISIONS.glob("*.py") for name in pattern.findall(file.read_text()))
