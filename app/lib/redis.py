"""Connecting to Redis with the time limits that its own client leaves out."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.settings import Settings


def connect_redis(settings: Settings, *, read_timeout: float = 5.0) -> Redis:
    """A client whose calls end: two seconds to connect, `read_timeout` seconds to answer. Connects when first used."""
    client: Redis = Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=2,
        socket_timeout=read_timeout,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
    )
    return client
