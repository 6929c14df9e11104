"""One run of an outbox row: begin it, do it, write down how it went. Never raises into the queue library."""

import asyncio
import time
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text

from app.db.jobs import JobContext
from app.db.session import Database
from app.lib import clock
from app.lib.jobs import ATTEMPTS, Hopeless, Job, Queue, declared
from app.lib.text import writable
from app.lib.tracing import span
from worker.pace import OUTAGES, Pace

_LOG = structlog.stdlib.get_logger("mostrador.job")

_GIVE_BACK_LIMIT: Final = 3.0
"""Seconds a cancelled job may take to say that it wants another worker."""
_ERROR_LENGTH: Final = 2_000

# `queued` is not required: a worker may be faster than the relay's next look.
_BEGIN = text(
    "UPDATE outbox SET status = 'running', attempts = attempts + 1, due_at = :lost_at, due_since = NULL "
    "WHERE tenant_id = :tenant_id AND id = :id "
    "AND (status IN ('pending','queued') OR (status = 'running' AND due_at <= :now)) "
    "RETURNING kind, payload, attempts, request_id"
)
_DONE = text(
    "UPDATE outbox SET status = 'done', finished_at = :now, last_error = NULL "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running' AND attempts = :attempt"
)
_AGAIN = text(
    "UPDATE outbox SET status = 'pending', due_at = :due_at, last_error = :error, attempts = :attempts "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running' AND attempts = :attempt"
)
_DEAD = text(
    "UPDATE outbox SET status = 'dead', finished_at = :now, last_error = :error "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running' AND attempts = :attempt"
)


class _Run:
    """A row that was begun."""

    def __init__(self, tenant_id: UUID, job_id: UUID, row: Any) -> None:
        self.tenant_id = tenant_id
        self.job_id = job_id
        self.kind: str = row.kind
        self.payload: dict[str, Any] = row.payload
        self.attempt: int = row.attempts
        self.request_id: str = row.request_id or ""

    def key(self) -> dict[str, Any]:
        return {"tenant_id": self.tenant_id, "id": self.job_id, "attempt": self.attempt}


class JobRunner:
    """Runs rows of one queue by their company and id; what is no longer wanted or runs elsewhere is passed over."""

    def __init__(self, database: Database, queue: Queue, pace: Pace) -> None:
        self._database = database
        self._queue: Queue = queue
        self._pace = pace

    async def run_offered(self, _context: dict[Any, Any], tenant_id: str, job_id: str) -> None:
        """What arq calls."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(tenant_id=tenant_id, job_id=job_id)
        try:
            await self.run(UUID(tenant_id), UUID(job_id))
        except OUTAGES as error:
            # The row still says that it is not done: the sweep offers it again.
            _LOG.warning("job interrupted", reason=f"{type(error).__name__}: {error}")

    async def run(self, tenant_id: UUID, job_id: UUID) -> None:
        """Run the row once, if it is still wanted. Raises only what a missing database raises."""
        run = await self._begin(tenant_id, job_id)
        if run is None:
            return
        structlog.contextvars.bind_contextvars(request_id=run.request_id, kind=run.kind, attempt=run.attempt)
        started = time.perf_counter()
        job = declared().get(run.kind)
        attempts = job.attempts if job else ATTEMPTS
        if run.attempt > attempts:
            await self._end_dead(run, "El trabajo no terminó: el proceso murió cada vez que lo intentó.")
            return
        try:
            with span(run.kind, kind="CONSUMER", request_id=run.request_id, tenant_id=run.tenant_id, job_id=run.job_id):
                await self._do(job, run)
        except asyncio.CancelledError:
            await self._give_back(run)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a job raises is written on its row and logged
            await self._fail(run, attempts, error)
        else:
            async with self._database.job_transaction(run.tenant_id) as work:
                await work.session.execute(_DONE, run.key() | {"now": clock.now()})
            _LOG.info("job done", ms=round((time.perf_counter() - started) * 1000, 1))

    async def _begin(self, tenant_id: UUID, job_id: UUID) -> _Run | None:
        now = clock.now()
        lost_at = now + timedelta(seconds=self._pace.longest_job[self._queue] + self._pace.lost_after)
        async with self._database.job_transaction(tenant_id) as work:
            values = {"tenant_id": tenant_id, "id": job_id, "now": now, "lost_at": lost_at}
            row = (await work.session.execute(_BEGIN, values)).one_or_none()
        return None if row is None else _Run(tenant_id, job_id, row)

    async def _do(self, job: Job[JobContext, Any] | None, run: _Run) -> None:
        if job is None:
            raise LookupError(f"this worker knows no job {run.kind}")
        context = JobContext(
            database=self._database,
            tenant_id=run.tenant_id,
            job_id=run.job_id,
            attempt=run.attempt,
            request_id=run.request_id,
        )
        limit = asyncio.timeout(job.timeout)
        try:
            async with limit:
                await job.run(context, job.decode(run.payload))
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"not done after {job.timeout} s") from error
            raise

    async def _fail(self, run: _Run, attempts: int, error: Exception) -> None:
        reason = writable(f"{type(error).__name__}: {error}")[:_ERROR_LENGTH]
        if run.attempt >= attempts or isinstance(error, Hopeless):
            _LOG.error("job dead", exc_info=error)
            await self._end_dead(run, reason)
            return
        wait = self._pace.retry_in(run.attempt)
        _LOG.warning("job failed", exc_info=error, again_in=round(wait, 1))
        await self._again(run, wait, reason, run.attempt)

    async def _end_dead(self, run: _Run, reason: str) -> None:
        async with self._database.job_transaction(run.tenant_id) as work:
            await work.session.execute(_DEAD, run.key() | {"now": clock.now(), "error": reason})

    async def _again(self, run: _Run, wait: float, reason: str | None, attempts: int) -> None:
        values = {"due_at": clock.now() + timedelta(seconds=wait), "error": reason, "attempts": attempts}
        async with self._database.job_transaction(run.tenant_id) as work:
            await work.session.execute(_AGAIN, run.key() | values)

    async def _give_back(self, run: _Run) -> None:
        """Let another worker have a job that a shutdown or a lost queue cancelled; the run does not count."""
        _LOG.info("job given back")
        try:
            async with asyncio.timeout(_GIVE_BACK_LIMIT):
                await asyncio.shield(self._again(run, 0, None, run.attempt - 1))
        except OUTAGES as error:
            # It comes due again when its time is over.
            _LOG.warning("job not given back", reason=f"{type(error).__name__}: {error}")
