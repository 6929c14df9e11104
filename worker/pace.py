"""How often the worker's parts act and how long they wait, in seconds; and a loop that outlives outages."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.lib.driver import POSTGRES_AWAY
from app.lib.jobs import LONGEST, Queue
from app.settings import Settings

OUTAGES: Final = (
    SQLAlchemyError,
    *POSTGRES_AWAY,
    RedisError,
)
"""What a server that is away, starting or out of room looks like from here; anything else is a mistake of ours."""

_LOG = structlog.stdlib.get_logger("mostrador.worker")


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of RELIABILITY; tests take faster ones."""

    poll: float = 1.0
    """Longest wait for a bell before the outbox is looked at anyway."""
    sweep: float = 30.0
    """After this an offered job that nobody began is offered again."""
    beat: float = 10.0
    pick: float = 0.25
    """Between two looks of a queue's worker into Redis."""
    drain: float = 25.0
    """What running jobs get to end at a shutdown."""
    first_wait: float = 0.25
    longest_wait: float = 5.0
    retry: float = 1.0
    longest_retry: float = 900.0
    lost_after: float = 10.0
    """Beyond its time limit, before a job that was begun counts as lost."""
    longest_job: Mapping[Queue, int] = LONGEST

    def retry_in(self, attempt: int) -> float:
        """Seconds before the next run: full jitter under `retry`·2^attempt, capped."""
        return random.uniform(0, min(self.longest_retry, self.retry * 2 ** min(attempt, 30)))  # noqa: S311 - spreads load


def pace_of(settings: Settings) -> Pace:
    """Under `mostrador up` nobody waits 25 s for Ctrl-C; a monitor that looks more often is given signs of life as often."""
    beat = beat_seconds(settings)
    return Pace(drain=5.0, beat=beat) if settings.environment == "development" else Pace(beat=beat)


def beat_seconds(settings: Settings) -> float:
    """Between two signs of life of a worker."""
    return min(Pace().beat, float(settings.monitor_seconds))


class BackOff:
    """Growing waits, with jitter so that many do not return at once."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._next = pace.first_wait

    def reset(self) -> None:
        self._next = self._pace.first_wait

    def take(self) -> float:
        wait, self._next = self._next, min(self._pace.longest_wait, 2 * self._next)
        return wait * random.uniform(0.5, 1)  # noqa: S311 - spreads load


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def persist(part: str, step: Callable[[], Awaitable[None]], stop: asyncio.Event, pace: Pace) -> None:
    """Repeat `step` until `stop`; an outage is logged and waited out, anything else ends the process."""
    back_off = BackOff(pace)
    while not stop.is_set():
        try:
            await step()
        except OUTAGES as error:
            wait = back_off.take()
            _LOG.warning("service away", part=part, reason=f"{type(error).__name__}: {error}", again_in=round(wait, 2))
            await pause(stop, wait)
        else:
            back_off.reset()
