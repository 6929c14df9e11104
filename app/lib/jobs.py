"""Asking for background work: an outbox row in the caller's transaction, then one bell after its commit."""

import asyncio
from datetime import timedelta
from typing import Any, Final, Literal

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

Queue = Literal["short", "long"]

BELL: Final = "mostrador:bell"
"""Redis list the relay waits on. Its content means nothing: the outbox is the truth."""
_RING_LIMIT: Final = 0.05
"""Seconds a bell may take before it is given up; the relay's own sweep finds the row anyway."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A job wanted by a transaction. Jobs take ids, and may run twice."""

    kind: str
    payload: dict[str, Any]
    queue: Queue = "short"
    delay: timedelta = timedelta()


class Bell:
    """Tells the relay that something is due. A failure is counted and never changes an answer."""

    def __init__(self, redis: "Redis[bytes]") -> None:
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
                await pipe.lpush(BELL, b"1").ltrim(BELL, 0, 0).execute()
        except (RedisError, OSError, TimeoutError):
            self.failures += 1
