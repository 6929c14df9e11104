"""Recurring work from rows of PostgreSQL: missed runs collapse to one, and a row lock makes one worker run it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta
from math import inf
from time import monotonic
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.lib import clock
from app.lib.jobs import Job, declared
from app.lib.text import writable
from worker.pace import OUTAGES, Pace, pause, persist

_LOG = structlog.stdlib.get_logger("mostrador.scheduler")

BOGOTA: Final = ZoneInfo("America/Bogota")
_DAY: Final = timedelta(days=1)
_AGAIN: Final = timedelta(minutes=1)
"""After a chore failed: an outage that is over must not wait for the next day."""
_REGISTER_EVERY: Final = 60.0
"""Seconds; a clock that development moved back must not leave a schedule waiting in the future."""

_REGISTER = text(
    "INSERT INTO schedule (name, every_seconds, next_run_at) VALUES (:name, :every, :next_run_at) "
    "ON CONFLICT (name) DO UPDATE SET every_seconds = excluded.every_seconds, next_run_at = excluded.next_run_at "
    "WHERE schedule.every_seconds <> excluded.every_seconds OR schedule.next_run_at > excluded.next_run_at"
)
_CLAIM = text(
    "SELECT name, every_seconds, next_run_at FROM schedule WHERE name = ANY(:names) AND next_run_at <= :now "
    "ORDER BY next_run_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_BEGIN = text("UPDATE schedule SET next_run_at = :next_run_at, last_run_at = :now WHERE name = :name")
_FINISH = text("UPDATE schedule SET last_finished_at = :now, last_error = NULL WHERE name = :name")
_FAIL = text(
    "UPDATE schedule SET last_finished_at = :now, last_error = :error, next_run_at = least(next_run_at, :again) "
    "WHERE name = :name"
)
_RUN = text(
    "INSERT INTO schedule_run (id, name, due_at, started_at, missed) VALUES (:id, :name, :due_at, :started_at, :missed)"
)
_RAN = text("UPDATE schedule_run SET finished_at = :now, error = :error WHERE id = :id")
_COMPANIES = text("SELECT tenant_id FROM tenant WHERE status <> 'closed'")
_ASK = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) "
    "VALUES (:tenant_id, :id, :queue, :kind, '{}', :now)"
)


class Chore(msgspec.Struct, frozen=True, kw_only=True):
    """Upkeep of the machinery itself, across companies; harmless to repeat and to miss."""

    name: str
    every: timedelta
    run: Callable[[Database], Awaitable[int | None]]
    """May answer how much it found to do."""
    is_quiet: bool = False
    """So frequent that only a run that found something, or failed, is logged and kept."""

    def next_run(self, now: datetime) -> datetime:
        """On the grid of `every`, so that several workers name the same instant."""
        seconds = self.every.total_seconds()
        return now + timedelta(seconds=seconds - now.timestamp() % seconds)


class NightlyJob(msgspec.Struct, frozen=True, kw_only=True):
    """A domain's job that every company gets once a night, Bogota time."""

    job: Job[Any, Any]
    at: time
    every: timedelta = _DAY

    @property
    def name(self) -> str:
        return self.job.kind

    def next_run(self, now: datetime) -> datetime:
        local = now.astimezone(BOGOTA)
        tonight = datetime.combine(local.date(), self.at, BOGOTA)
        return tonight if tonight > local else tonight + _DAY


Recurring = Chore | NightlyJob


def nightly_jobs() -> list[NightlyJob]:
    """Those of the imported domains."""
    return [NightlyJob(job=job, at=job.nightly) for job in declared().values() if job.nightly]


class Scheduler:
    """Any number may run; each due row is one's."""

    def __init__(self, database: Database, recurring: Sequence[Recurring], pace: Pace) -> None:
        self._database = database
        self._recurring = {one.name: one for one in recurring}
        self._pace = pace
        self._registered_at = -inf

    async def run(self, stop: asyncio.Event) -> None:
        async def turn() -> None:
            await self.run_due()
            await pause(stop, self._pace.poll)

        await persist("scheduler", turn, stop, self._pace)

    async def run_due(self) -> int:
        """Run everything whose time has come, once each however late; answers how many."""
        if monotonic() - self._registered_at >= _REGISTER_EVERY:
            await self._register()
        count = 0
        while await self._run_one():
            count += 1
        return count

    async def _register(self) -> None:
        now = clock.now()
        async with self._database.platform_transaction() as session:
            for one in self._recurring.values():
                every = int(one.every.total_seconds())
                await session.execute(_REGISTER, {"name": one.name, "every": every, "next_run_at": one.next_run(now)})
        self._registered_at = monotonic()

    async def _run_one(self) -> bool:
        now = clock.now()
        async with self._database.platform_transaction() as session:
            row = (await session.execute(_CLAIM, {"names": list(self._recurring), "now": now})).one_or_none()
            if row is None:
                return False
            one = self._recurring[row.name]
            missed = int((now - row.next_run_at).total_seconds() // row.every_seconds)
            begun = {"id": uuid7(), "name": row.name, "due_at": row.next_run_at, "started_at": now, "missed": missed}
            await session.execute(_BEGIN, {"name": row.name, "now": now, "next_run_at": one.next_run(now)})
            if not _is_quiet(one):
                await session.execute(_RUN, begun)
            if isinstance(one, NightlyJob):
                # With the row's own transaction: each company's job exists exactly once a night.
                await _ask_for_all(session, one.job, now)
                await session.execute(_FINISH, {"name": row.name, "now": now})
                await session.execute(_RAN, {"id": begun["id"], "now": now, "error": None})
        if isinstance(one, Chore):
            await self._run_chore(one, begun)
        else:
            _LOG.info("schedule", name=row.name)
        return True

    async def _run_chore(self, chore: Chore, begun: dict[str, Any]) -> None:
        found, error = None, None
        if not chore.is_quiet:
            _LOG.info("schedule", name=chore.name)
        try:
            found = await chore.run(self._database)
        except OUTAGES as outage:
            error = writable(f"{type(outage).__name__}: {outage}")
            _LOG.warning("chore failed", name=chore.name, reason=error)
        except Exception as mistake:  # noqa: BLE001 - one broken chore must neither end the worker nor go unseen
            error = writable(f"{type(mistake).__name__}: {mistake}")
            _LOG.error("chore broke", name=chore.name, exc_info=mistake)
        async with self._database.platform_transaction() as session:
            now = clock.now()
            ended = {"name": chore.name, "now": now}
            if error is None:
                await session.execute(_FINISH, ended)
            else:
                await session.execute(_FAIL, ended | {"error": error, "again": now + _AGAIN})
            if chore.is_quiet and (found or error):
                _LOG.info("schedule", name=chore.name, found=found)
                await session.execute(_RUN, begun)
            await session.execute(_RAN, {"id": begun["id"], "now": now, "error": error})


def _is_quiet(one: Recurring) -> bool:
    return isinstance(one, Chore) and one.is_quiet


async def _ask_for_all(session: AsyncSession, job: Job[Any, Any], now: datetime) -> None:
    companies = (await session.scalars(_COMPANIES)).all()
    rows = [
        {"tenant_id": tenant_id, "id": uuid7(), "queue": job.queue, "kind": job.kind, "now": now}
        for tenant_id in companies
    ]
    if rows:
        await session.execute(_ASK, rows)
