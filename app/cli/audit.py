"""`mostrador audit verify`: every company's chain, recomputed from its first link."""

import argparse
import asyncio
import os
from uuid import UUID

from app.cli import FAILED
from app.db.session import Database
from app.domain.audit.schemas import Verification
from app.domain.audit.verify import verify_companies
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import read_settings


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)

    async def verify() -> bool:
        redis = connect_redis(settings)
        database = Database(settings, Bell(redis))
        try:
            return await verify_companies(database, arguments.company, _tell)
        finally:
            await database.close()
            await redis.aclose()

    intact = asyncio.run(verify())
    print("every chain is intact" if intact else "THERE ARE BREAKS")
    return 0 if intact else FAILED


def _tell(company: UUID, found: Verification, place: int, companies: int) -> None:
    print(f"{place} of {companies}: company {company}, {found.checked} entries, {len(found.breaks)} breaks", flush=True)
    for broken in found.breaks:
        where = f"{broken.seq}" if broken.seq == broken.last_seq else f"{broken.seq} to {broken.last_seq}"
        print(f"  {broken.kind} at {where}: {broken.detail}", flush=True)
