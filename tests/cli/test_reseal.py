"""The command that moves secrets to a new key of the installation."""

from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import select

from app.cli.reseal import reseal
from app.db.session import Database
from app.domain.invoicing.models import DianSetting
from app.domain.invoicing.vault import Vault
from app.settings import Settings
from tests.shop import sign_up


async def test_secrets_are_moved_and_those_that_do_not_open_are_named(
    http: httpx.AsyncClient, database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, lost = UUID((await sign_up(http)).tenant_id), UUID((await sign_up(http)).tenant_id)
    foreign = msgspec.structs.replace(settings, secret_key=bytes(range(32)))
    for tenant_id, sealing in ((ours, settings), (lost, foreign)):
        async with database.job_transaction(tenant_id) as work:
            work.session.add(DianSetting(tenant_id=tenant_id, software_pin=Vault(sealing).seal(tenant_id, "12345")))
    new = msgspec.structs.replace(settings, secret_key=bytes(range(32, 64)), former_secret_keys=(settings.secret_key,))
    assert await reseal(new) >= 1
    told = capsys.readouterr().out
    assert f"company {ours}, 1 secrets" in told
    assert f"company {lost}: " in told
    alone = Vault(msgspec.structs.replace(new, former_secret_keys=()))
    async with database.job_transaction(ours) as work:
        sealed = await work.session.scalar(select(DianSetting.software_pin).where(DianSetting.tenant_id == ours))
        assert sealed is not None
        assert alone.open(ours, sealed) == "12345"
    await reseal(new)
    assert f"company {ours}, " not in capsys.readouterr().out
