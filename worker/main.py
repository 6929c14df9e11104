"""`mostrador worker`: the queues of one process and, with `short`, relay, sweep and scheduler."""

import asyncio
import signal
from collections.abc import Sequence
from typing import Final, get_args

import structlog
import uvloop

from app import __version__
from app.db.session import Database
from app.lib.clock import follow_clock_file
from app.lib.jobs import QUEUES, Bell, Queue, SideLane
from app.lib.log import set_up_logging
from app.lib.tracing import set_up_tracing, stop_tracing
from app.settings import Settings
from worker import registry
from worker.alert_chores import CHORES as ALERT_CHORES
from worker.chores import CHORES
from worker.heartbeat import Heartbeat
from worker.pace import Pace, pace_of
from worker.relay import Relay
from worker.runner import JobRunner
from worker.scheduler import Scheduler, nightly_jobs
from worker.supervisor import QueueSupervisor
from worker.webhook_chores import CHORES as WEBHOOK_CHORES
from worker.wire import close, connect

_LOG = structlog.stdlib.get_logger("mostrador.worker")

_LONG_SLOTS: Final = 2
_OTHERS: Final = 3
"""Connections of the pool that running short jobs leave to long ones and to writing down how they ended."""
_REMOTE: Final = 3
"""Jobs of each side lane for each connection of the pool: they hold one only for moments."""


async def run_worker(
    settings: Settings, queues: Sequence[Queue], stop: asyncio.Event, pace: Pace | None = None
) -> None:
    """Work on the queues until `stop`, then end in order; what runs too long is given back to another worker."""
    pace = pace or pace_of(settings)
    redis = connect(settings)
    database = Database(settings, Bell(redis))
    slots = {"short": max(1, settings.pool_size - _OTHERS), "long": _LONG_SLOTS}
    supervisors = [
        QueueSupervisor(queue, settings, JobRunner(database, queue, pace).run_offered, slots[queue], pace)
        for queue in queues
    ]
    heartbeat = Heartbeat(database, tuple(supervisors), pace)
    if "short" in queues:
        remote = JobRunner(database, "short", pace).run_offered
        supervisors += [
            QueueSupervisor("short", settings, remote, _REMOTE * settings.pool_size, pace, lane=lane)
            for lane in get_args(SideLane)
        ]
    _LOG.info("worker starts", queues=list(queues), domains=len(registry.MODULES))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(heartbeat.run(stop), name="heartbeat")
            if "short" in queues:
                group.create_task(Relay(database, redis, pace).run(stop), name="relay")
                scheduler = Scheduler(database, [*CHORES, *WEBHOOK_CHORES, *ALERT_CHORES, *nightly_jobs()], pace)
                group.create_task(scheduler.run(stop), name="scheduler")
            for supervisor in supervisors:
                group.create_task(supervisor.run(stop), name=supervisor.lane)
        await heartbeat.leave()
    finally:
        await close(redis)
        await database.close()
    _LOG.info("worker stopped")


def run(settings: Settings, queue: str) -> int:
    """Work on `short`, `long` or `all` as a process until SIGTERM or SIGINT; answers the exit code."""
    set_up_logging("worker")
    set_up_tracing("worker", settings.otel_endpoint, settings.release or __version__)
    follow_clock_file(settings.clock_file)
    chosen: list[Queue] = [name for name in QUEUES if queue in {name, "all"}]
    uvloop.run(_until_signal(settings, chosen))
    stop_tracing()
    return 0


async def _until_signal(settings: Settings, queues: Sequence[Queue]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_worker(settings, queues, stop)
