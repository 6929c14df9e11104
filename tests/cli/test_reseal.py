"""The command that moves secrets to a new key of the installation."""

from uuid import UUID

import httpx
import msgspec

from app.cli.reseal import reseal
from app.db.session import Database
from app.domain.invoicing.models import DianSetting
from app.domain.invoicing.vault import Vault
from app.settings import Settings
from tests.shop import sign_up


async def test_secrets_are_moved_and_those_that_do_not_open_are_counted(
    http: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    shop, lost = await sign_up(http), await sign_up(http)
    foreign = msgspec.structs.replace(settings, secret_key=bytes(range(32)))
    for each, sealing in ((shop, settings), (lost, foreign)):
        tenant_id = UUID(each.tenant_id)
        async with database.job_transaction(tenant_id) as work:
            work.session.add(DianSetting(tenant_id=tenant_id, software_pin=Vault(sealing).seal(tenant_id, "12345")))
    new = msgspec.structs.replace(settings, secret_key=bytes(range(32, 64)), former_secret_keys=(settings.secret_key,))
    assert await reseal(new) == 1
    assert await reseal(new) == 1
