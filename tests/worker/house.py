"""What the worker's tests share: the house they break, and jobs that leave a trace."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.engine import make_url
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import Database
from app.dev.redis import EmbeddedRedis
from app.domain.tenants.service import TenantService
from app.lib.jobs import Bell, Hopeless, Queue, job
from app.lib.schemas import Input
from app.settings import read_settings
from tests.conftest import TEMPLATE, in_database
from worker.main import run_worker
from worker.pace import Pace
from worker.wire import close, connect

FAST = Pace(
    poll=0.1,
    sweep=1.0,
    beat=0.2,
    pick=0.05,
    drain=5.0,
    first_wait=0.05,
    longest_wait=0.5,
    retry=0.05,
    lost_after=0.3,
    longest_job={"short": 3, "long": 3},
)
"""The worker's rules at the pace of a test."""


class Trace(Input):
    """What a test's job is to do."""

    name: str
    seconds: float = 0
    fails: bool = False


RUNS: Counter[str] = Counter()
"""How often each named job came to its end, in this process."""
BEGUN: Counter[str] = Counter()


@job("test.trace", timeout=60)
async def trace(_context: JobContext, payload: Trace) -> None:
    BEGUN[payload.name] += 1
    await asyncio.sleep(payload.seconds)
    if payload.fails:
        raise ValueError(f"{payload.name} cannot")
    RUNS[payload.name] += 1


@job("test.foreign", timeout=60, lane="remote")
async def foreign(_context: JobContext, payload: Trace) -> None:
    await asyncio.sleep(payload.seconds)


@job("test.fail-thrice", attempts=3)
async def fail_thrice(_context: JobContext, payload: Trace) -> None:
    RUNS[payload.name] += 1
    raise ValueError(f"{payload.name} cannot")


@job("test.hopeless")
async def hopeless(_context: JobContext, payload: Trace) -> None:
    RUNS[payload.name] += 1
    raise Hopeless(f"{payload.name} never will")


@job("test.one-second", timeout=1, attempts=1)
async def one_second(_context: JobContext, payload: Trace) -> None:
    await asyncio.sleep(payload.seconds)


class House:
    """A company, its database, and the workers a test starts."""

    def __init__(self, environ: dict[str, str], redis: EmbeddedRedis) -> None:
        self.environ = environ
        self.settings = read_settings(environ)
        self.redis = redis
        self.tenant_id = uuid7()

    async def open(self) -> None:
        self.client = connect(self.settings)
        self.database = Database(self.settings, Bell(self.client))
        self.admin = await asyncpg.connect(self.environ["DATABASE_ADMIN_URL"])
        await self.add_company(self.tenant_id)

    async def close(self) -> None:
        await self.admin.close()
        await self.database.close()
        await close(self.client)

    async def add_company(self, tenant_id: UUID) -> None:
        async with self.database.job_transaction(tenant_id) as work:
            await TenantService(work).create(name="Tienda", nit="900123456", dv="8", email="tienda@tienda.test")

    async def ask(self, kind: str, queue: Queue = "short", **payload: Any) -> UUID:
        """Want a job, in a transaction of the company."""
        async with self.database.job_transaction(self.tenant_id) as work:
            return work.ask(kind, payload, queue)

    async def ask_many(self, count: int, **payload: Any) -> list[str]:
        names = [uuid4().hex for _ in range(count)]
        async with self.database.job_transaction(self.tenant_id) as work:
            for name in names:
                work.ask("test.trace", {"name": name, **payload})
        return names

    async def row(self, job_id: UUID) -> Any:
        return await self.admin.fetchrow("SELECT * FROM outbox WHERE id = $1", job_id)

    async def status(self, job_id: UUID) -> str:
        return str(await self.admin.fetchval("SELECT status FROM outbox WHERE id = $1", job_id))

    async def unfinished(self) -> int:
        return int(await self.admin.fetchval("SELECT count(*) FROM outbox WHERE status <> 'done'"))

    @asynccontextmanager
    async def worker(self, queues: Sequence[Queue] = ("short", "long"), pace: Pace = FAST) -> AsyncIterator[None]:
        """A worker in this process; the block's end asks it to stop and waits for it."""
        stop = asyncio.Event()
        # A worker that breaks ends the test's block with it.
        async with asyncio.TaskGroup() as group:
            group.create_task(run_worker(self.settings, queues, stop, pace))
            try:
                yield
            finally:
                stop.set()


async def eventually(true: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Wait until it is so; fails when it never is."""
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.05)


async def make_database(environ: dict[str, str]) -> tuple[dict[str, str], str]:
    """A migrated database nobody else uses."""
    name = f"mostrador_{uuid4().hex[:12]}"
    await _administer(environ, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return in_database(environ, name), name


async def drop_database(environ: dict[str, str], name: str) -> None:
    await _administer(environ, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def _administer(environ: dict[str, str], statement: str) -> None:
    url = make_url(environ["DATABASE_ADMIN_URL"]).set(database="postgres").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        # Copies of one template take turns.
        await connection.execute("SELECT pg_advisory_lock(1)")
        await connection.execute(statement)
    finally:
        await connection.close()
