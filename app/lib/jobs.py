"""Background jobs: asking for one in the caller's transaction, and declaring what it does.

A job is an outbox row, written with the change that wants it. After the commit one bell is rung; whoever hears it is the
worker's business. A job runs at least once and may run twice.
"""

import asyncio
import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from datetime import time, timedelta
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, Protocol, TypeVar
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

Queue = Literal["short", "long"]
SideLane = Literal["remote", "webhooks"]
"""Of the short queue: jobs that wait for DIAN, and for the receivers of webhooks."""
QUEUES: Final[tuple[Queue, ...]] = ("short", "long")

LONGEST: Final[Mapping[Queue, int]] = MappingProxyType({"short": 60, "long": 3600})
"""Seconds a job of the queue may take. A killed worker's job returns only after this and ten seconds more."""

ATTEMPTS: Final = 8
"""Runs of a job before it is a dead letter, unless its declaration says otherwise."""

BELL: Final = "mostrador:bell"
"""Redis list the relay waits on. Its content means nothing: the outbox is the truth."""
_RING_LIMIT: Final = 0.05
"""Seconds a bell may take before it is given up; the relay's own sweep finds the row anyway."""

_Context = TypeVar("_Context")
_Payload = TypeVar("_Payload")


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A job wanted by a transaction. Jobs take ids, and may run twice."""

    kind: str
    payload: dict[str, Any]
    queue: Queue = "short"
    delay: timedelta = timedelta()


class Bell:
    """Tells the relay that something is due. A failure is counted and never changes an answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ringing: set[asyncio.Task[None]] = set()
        self.failures = 0

    def ring(self) -> None:
        """Ring without waiting."""
        task = asyncio.create_task(self._ring())
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    async def _ring(self) -> None:
        try:
            async with asyncio.timeout(_RING_LIMIT), self._redis.pipeline(transaction=False) as pipe:
                pipe.lpush(BELL, b"1")
                pipe.ltrim(BELL, 0, 0)
                await pipe.execute()
        except (RedisError, OSError, TimeoutError):
            self.failures += 1


class Asks(Protocol):
    """A transaction that takes job wishes: `app.db.session.Work`."""

    def ask(self, kind: str, payload: dict[str, Any], queue: Queue = ..., delay: timedelta = ...) -> UUID: ...


class Hopeless(Exception):
    """Raised by a job that will never succeed: it becomes a dead letter at once."""


class NoPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a job that needs to know nothing but its company."""


class Job(msgspec.Struct, Generic[_Context, _Payload], frozen=True, kw_only=True):
    """A declared job. `run` gets its context and its payload, read from the outbox row."""

    kind: str
    queue: Queue
    timeout: int
    """Seconds."""
    attempts: int
    payload: type[_Payload]
    run: Callable[[_Context, _Payload], Awaitable[None]]
    lane: SideLane | None
    """It mostly waits for somebody else's server, and holds no connection meanwhile."""
    nightly: time | None
    """Bogota time at which every company gets one of its own."""

    def ask(self, work: Asks, payload: _Payload, delay: timedelta = timedelta()) -> UUID:
        """Want this job once the transaction has committed; answers the job's id."""
        return work.ask(self.kind, msgspec.to_builtins(payload), self.queue, delay)

    def decode(self, payload: dict[str, Any]) -> _Payload:
        """Raises `msgspec.ValidationError` for a payload that is not this job's."""
        return msgspec.convert(payload, self.payload)


_DECLARED: Final[dict[str, Job[Any, Any]]] = {}


def declared() -> Mapping[str, Job[Any, Any]]:
    """Every job of the modules imported so far, by kind."""
    return MappingProxyType(_DECLARED)


def job(
    kind: str,
    *,
    queue: Queue = "short",
    timeout: int = 30,
    attempts: int = ATTEMPTS,
    lane: SideLane | None = None,
    nightly: time | None = None,
) -> Callable[[Callable[[_Context, _Payload], Awaitable[None]]], Job[_Context, _Payload]]:
    """Declare `async def …(context: JobContext, payload: SomeStruct)` as the job `kind`, `domain.verb-object`.

    `lane` takes a job of the short queue out of it: a server that says nothing holds up no other job, and the servers that
    companies choose do not hold up DIAN's.

    Raises `ValueError` for a second job of the same kind, or one that may take longer than its queue allows.
    """

    def declare(run: Callable[[_Context, _Payload], Awaitable[None]]) -> Job[_Context, _Payload]:
        if kind in _DECLARED:
            raise ValueError(f"the job {kind} is declared twice")
        if not 0 < timeout <= LONGEST[queue]:
            raise ValueError(f"the job {kind} may take 1 to {LONGEST[queue]} s in the queue {queue}")
        _context, payload = inspect.signature(run).parameters
        made = Job(
            kind=kind,
            queue=queue,
            timeout=timeout,
            attempts=attempts,
            payload=typing.get_type_hints(run)[payload],
            run=run,
            lane=lane,
            nightly=nightly,
        )
        _DECLARED[kind] = made
        return made

    return declare
