"""A house of its own for each test of the worker: an empty database, a Redis that may be hurt, one company."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.dev.redis import EmbeddedRedis
from tests.worker.house import House, drop_database, make_database


@pytest.fixture
async def house(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[House]:
    own, name = await make_database(environ)
    redis = EmbeddedRedis(tmp_path / "redis")
    await redis.start_in_loop()
    house = House(own | {"REDIS_URL": redis.url(), "ALERT_SPOOL_DIR": str(tmp_path / "spool")}, redis)
    await house.open()
    yield house
    await house.close()
    await redis.stop_in_loop()
    await asyncio.to_thread(redis.remove)
    await drop_database(environ, name)
