"""`mostrador legal-figure`: a number that the law changes, such as the UVT of a year, with where it was published."""

import argparse
import asyncio
import os
from datetime import date
from decimal import Decimal

from app.db.session import Database
from app.domain.invoicing.figures import write_figure
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import Settings, read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    before = asyncio.run(
        write(settings, arguments.name, arguments.valid_from, arguments.value, arguments.source.strip())
    )
    was = "" if before is None else f" (was {before})"
    print(f"{arguments.name} from {arguments.valid_from}: {arguments.value}{was}")
    return 0


async def write(settings: Settings, name: str, valid_from: date, value: Decimal, source: str) -> Decimal | None:
    """Answers what the figure said before."""
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    try:
        async with database.platform_transaction() as session:
            return await write_figure(session, name, valid_from, value, source)
    finally:
        await database.close()
        await redis.aclose()
