"""A parent to be killed: `seller.py DATA` starts both servers, then prints each row only once it is committed."""

import asyncio
import itertools
import sys
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from app.dev.postgres import EmbeddedPostgres
from app.dev.redis import EmbeddedRedis


async def main(data: Path) -> None:
    async with EmbeddedPostgres(data / "postgresql") as postgres, EmbeddedRedis(data / "redis") as redis:
        connection = await asyncpg.connect(postgres.admin_url())
        await connection.execute("CREATE TABLE sale (id int PRIMARY KEY)")
        bell = Redis.from_url(redis.url())
        print(postgres.pid, redis.pid, flush=True)
        for number in itertools.count(1):
            await connection.execute("INSERT INTO sale VALUES ($1)", number)
            await bell.set("last", number)
            print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
