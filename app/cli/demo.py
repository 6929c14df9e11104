"""`mostrador demo`: fill the demo shop, or close it. Of development alone, like `up`."""

import argparse
import asyncio
import os
import secrets

from app.cli import FAILED
from app.db.lane import Lane
from app.db.session import Database
from app.dev.demo import fill
from app.dev.demo.people import EMAIL
from app.dev.demo.removing import remove
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.lib.tokens import AccessTokens
from app.settings import Settings, SettingsError, read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    if settings.environment == "production":
        raise SettingsError("ENVIRONMENT is production: the demo shop belongs to development")
    return asyncio.run(_run(settings, removing=arguments.remove))


async def _run(settings: Settings, *, removing: bool) -> int:
    redis = connect_redis(settings)
    database, lane = Database(settings, Bell(redis)), Lane(settings)
    try:
        if removing:
            found = await remove(database)
            print("the demo shop is closed" if found else "there is no demo shop")
            return 0 if found else FAILED
        password = secrets.token_urlsafe(12)
        tokens = AccessTokens(settings.signing_key)
        sales = await fill(database, lane, tokens, password, lambda line: print(line, flush=True))
        print(f"{sales} tickets in 90 days")
        print(f"demo: {EMAIL} {password}")
        return 0
    finally:
        await lane.close()
        await database.close()
        await redis.aclose()
