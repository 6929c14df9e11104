"""arq's side of the queue: names, connection and the batch that offers jobs. PostgreSQL holds the jobs themselves."""

import time
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.lib.jobs import Queue, SideLane, declared
from app.settings import Settings

FUNCTION: Final = "run"
"""The one function arq knows; its arguments name an outbox row."""
_MARKER: Final = "mostrador:offered"
"""Absent in a Redis that was emptied: what had been offered there must be offered again."""
_FORGOTTEN_AFTER: Final = 86_400_000
"""Milliseconds an offer is kept in Redis; the sweep makes a new one long before."""


Lane = Queue | SideLane
"""What arq sees of the queues: the short one has lanes beside it, so that jobs that wait for foreign servers wait by themselves."""


class Offer(msgspec.Struct, frozen=True):
    """An outbox row that is due."""

    tenant_id: UUID
    job_id: UUID
    lane: Lane

    @property
    def name(self) -> str:
        """Id in arq: the same row is never queued twice, and rows of two lanes never meet."""
        return f"{self.lane}:{self.tenant_id}:{self.job_id}"


def lane_of(queue: Queue, kind: str) -> Lane:
    """Where a job waits. One that nobody here knows waits with the others of its queue."""
    job = declared().get(kind)
    return job.lane if queue == "short" and job is not None and job.lane is not None else queue


def queue_key(lane: Lane) -> str:
    """Sorted set of the lane in Redis."""
    return f"mostrador:queue:{lane}"


def connect(settings: Settings) -> ArqRedis:
    """A client with time limits: arq itself sets none for reading. Connects when first used."""
    pool = ConnectionPool.from_url(
        settings.redis_url,
        socket_timeout=5,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
    )
    return ArqRedis(pool, job_serializer=msgspec.msgpack.encode, job_deserializer=msgspec.msgpack.decode)


async def close(redis: ArqRedis) -> None:
    await redis.aclose(close_connection_pool=True)


async def offer(redis: ArqRedis, offers: Iterable[Offer]) -> None:
    """Put rows into their queues, in one round trip; one that is already there stays as it is.

    arq's own `enqueue_job` does the same for one job in three.
    """
    now = int(time.time() * 1000)
    async with redis.pipeline(transaction=True) as pipe:
        for one in offers:
            arguments = (str(one.tenant_id), str(one.job_id))
            content = serialize_job(FUNCTION, arguments, {}, None, now, serializer=msgspec.msgpack.encode)
            pipe.set(job_key_prefix + one.name, content, px=_FORGOTTEN_AFTER, nx=True)
            pipe.zadd(queue_key(one.lane), {one.name: now}, nx=True)
        await pipe.execute()


async def is_new(redis: ArqRedis) -> bool:
    """Whether this Redis has forgotten us since the last call."""
    return bool(await redis.set(_MARKER, b"1", nx=True))
