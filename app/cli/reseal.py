"""`mostrador reseal`: every company's DIAN and webhook secrets under the current SECRET_KEY, so that a former one can be thrown away."""

import argparse
import asyncio
import os

from sqlalchemy import text

from app.cli import FAILED
from app.db.session import Database
from app.domain.invoicing.setup import renew_secrets
from app.domain.invoicing.vault import Vault
from app.domain.webhooks.endpoints import renew_secrets as renew_webhooks
from app.domain.webhooks.secrets import SecretVault
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.lib.sealing import SealBroken
from app.settings import Settings, read_settings


def run(_arguments: argparse.Namespace) -> int:
    broken = asyncio.run(reseal(read_settings(os.environ)))
    return FAILED if broken else 0


async def reseal(settings: Settings) -> int:
    """Renew company by company, each in its own transaction; answers how many have a secret that does not open."""
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    vault, webhooks = Vault(settings), SecretVault(settings)
    broken = renewed = 0
    try:
        async with database.platform_transaction() as session:
            companies = (await session.scalars(text("SELECT tenant_id FROM tenant ORDER BY tenant_id"))).all()
        for place, company in enumerate(companies, start=1):
            try:
                async with database.job_transaction(company) as work:
                    count = await renew_secrets(work, vault) + await renew_webhooks(work, webhooks)
            except SealBroken as problem:
                broken += 1
                print(f"{place} of {len(companies)}: company {company}: {problem}", flush=True)
                continue
            renewed += count
            if count:
                print(f"{place} of {len(companies)}: company {company}, {count} secrets", flush=True)
    finally:
        await database.close()
        await redis.aclose()
    print(f"{renewed} secrets renewed; {broken} companies with a secret that does not open")
    return broken
