"""`mostrador distribute`: the script for a Citus cluster, from the tables as they are."""

import argparse
import asyncio
import os
import sys

from app.cli import FAILED
from app.ops.distribution import CannotDistribute, script
from app.ops.verify.check import connected
from app.settings import SettingsError, read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    if settings.database_admin_url is None:
        raise SettingsError("DATABASE_ADMIN_URL is missing: the script is of all tables")
    try:
        written = asyncio.run(_written(settings.database_admin_url))
    except CannotDistribute as reason:
        print(f"mostrador distribute: {reason}", file=sys.stderr)
        return FAILED
    if arguments.out is None:
        print(written, end="")
    else:
        arguments.out.write_text(written)
    return 0


async def _written(url: str) -> str:
    async with connected(url) as connection:
        return await script(connection)
