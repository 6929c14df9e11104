"""Keeps one queue's arq worker running: it ends for good at the first lost connection, so each loss gets a new one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.worker import Worker, func

from app.lib.jobs import Queue
from app.settings import Settings
from worker.pace import OUTAGES, BackOff, Pace, pause
from worker.wire import FUNCTION, Lane, close, connect, queue_key

_LOG = structlog.stdlib.get_logger("mostrador.worker")

_STEADY: Final = 30.0
"""Seconds after which a worker had recovered: its next loss waits the shortest time again."""
_CANCEL_LIMIT: Final = 8.0
"""Seconds for cancelled jobs to write down that they want another worker; Redis may be frozen meanwhile."""
_CANCEL_AGAIN: Final = 0.1
_LOOK: Final = 0.05
_SPARE: Final = 5.0
"""Seconds by which arq's own limit is longer than the job's, which can say more."""

RunJob = Callable[[dict[Any, Any], str, str], Awaitable[None]]


class QueueSupervisor:
    """One queue, or one lane of it, in one process."""

    def __init__(
        self, queue: Queue, settings: Settings, run: RunJob, slots: int, pace: Pace, lane: Lane | None = None
    ) -> None:
        self.queue: Queue = queue
        self.lane: Lane = lane or queue
        self._settings = settings
        self._run = run
        self._slots = slots
        self._pace = pace
        self._worker: Worker | None = None

    @property
    def active(self) -> int:
        """Jobs running here now."""
        return len(self._worker.job_tasks) if self._worker else 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then pick nothing new, let running jobs end, cancel what takes too long."""
        back_off = BackOff(self._pace)
        while not stop.is_set():
            redis = connect(self._settings)
            started = time.monotonic()
            try:
                await self._work(redis, stop)
            except OUTAGES as error:
                if time.monotonic() - started > _STEADY:
                    back_off.reset()
                wait = back_off.take()
                _LOG.warning(
                    "queue lost", queue=self.lane, reason=f"{type(error).__name__}: {error}", again_in=round(wait, 2)
                )
                await pause(stop, wait)
            finally:
                with suppress(*OUTAGES):
                    await close(redis)

    async def _work(self, redis: ArqRedis, stop: asyncio.Event) -> None:
        """Run one arq worker to its end. Raises what ended it, unless that was `stop`."""
        worker = self._worker = self._build(redis)
        main = asyncio.create_task(worker.async_run(), name=f"queue {self.lane}")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await self._drain(worker, main)
                return
            main.result()
        finally:
            stopping.cancel()
            await _cancel(main, worker.tasks.values())
            self._worker = None

    async def _drain(self, worker: Worker, main: "asyncio.Task[None]") -> None:
        worker.allow_pick_jobs = False
        deadline = time.monotonic() + self._pace.drain
        # arq forgets a finished task at its next look, which may be away: the tasks themselves are asked.
        while not main.done() and any(not task.done() for task in worker.tasks.values()):
            if time.monotonic() > deadline:
                _LOG.warning("jobs cancelled", queue=self.lane, jobs=len(worker.job_tasks))
                return
            await asyncio.sleep(_LOOK)

    def _build(self, redis: ArqRedis) -> Worker:
        longest = self._pace.longest_job[self.queue]
        return Worker(
            functions=[func(self._run, name=FUNCTION, timeout=longest + _SPARE)],  # type: ignore[arg-type]
            queue_name=queue_key(self.lane),
            redis_pool=redis,
            handle_signals=False,
            max_jobs=self._slots,
            # Attempts are counted in PostgreSQL, where an emptied Redis does not forget them.
            max_tries=1_000_000,
            keep_result=0,
            poll_delay=self._pace.pick,
            log_results=False,
            job_serializer=msgspec.msgpack.encode,
            job_deserializer=msgspec.msgpack.decode,
        )


async def _cancel(main: "asyncio.Task[None]", jobs: Collection["asyncio.Task[None]"]) -> None:
    for job in jobs:
        job.cancel()
    deadline = time.monotonic() + _CANCEL_LIMIT
    while not main.done() and time.monotonic() < deadline:
        # More than once: the Redis client loses a cancellation that comes together with an answer.
        main.cancel()
        await asyncio.wait({main}, timeout=_CANCEL_AGAIN)
    if jobs:
        await asyncio.wait(jobs, timeout=max(0, deadline - time.monotonic()))
    for task in (main, *jobs):
        if task.done() and not task.cancelled() and (error := task.exception()):
            _LOG.debug("ended with the queue", reason=repr(error))
