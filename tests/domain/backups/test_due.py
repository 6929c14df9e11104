"""When companies come due, what is told of them, and what a killed drill leaves behind."""

from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.cli import backup as backup_cli
from app.db.session import Database
from app.domain.backups.platform.drill import _sweep
from app.domain.backups.platform.scratch import SCRATCH, leftovers
from app.domain.backups.retention import Policy, policy_of
from app.domain.backups.schedule import ask_companies
from app.domain.backups.state import last_good
from app.domain.tenants.lifecycle import move
from app.domain.tenants.models import TenantStatus
from app.domain.tenants.plans import change_plan
from app.integrations.storage.store import StorageFailed
from app.lib import clock
from app.settings import read_settings
from tests.shop import Shop
from worker.backup_looks import BackupLooks


async def was_backed_up(admin: asyncpg.Connection, shop: Shop, ago: timedelta, status: str = "good") -> None:
    tenant_id = UUID(shop.tenant_id)
    await admin.execute("UPDATE tenant SET created_at = now() - interval '30 days' WHERE tenant_id = $1", tenant_id)
    await admin.execute(
        "INSERT INTO company_backup (tenant_id, id, kind, reason, requested_by, status, created_at, finished_at, object_name, "
        "root_hash, snapshot_at) VALUES ($1, $2, 'backup', 'schedule', $2, $3, $4, $4, 'x', 'x', $4)",
        tenant_id,
        uuid4(),
        status,
        clock.now() - ago,
    )


async def wanted(admin: asyncpg.Connection, shop: Shop) -> bool:
    found = await admin.fetchval(
        "SELECT count(*) FROM company_backup WHERE tenant_id = $1 AND status = 'running'", UUID(shop.tenant_id)
    )
    return bool(found)


@pytest.mark.parametrize(("plan", "hours"), [("enterprise", 6), ("basic", 12), ("free", 24)])
async def test_a_company_is_backed_up_as_often_as_its_plan_says(
    shop: Shop, database: Database, admin: asyncpg.Connection, plan: str, hours: int
) -> None:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await change_plan(work, plan, "Prueba")
    await was_backed_up(admin, shop, timedelta(hours=hours - 1))
    await ask_companies(database)
    assert not await wanted(admin, shop)
    await admin.execute(
        "UPDATE company_backup SET created_at = created_at - interval '1 hour' WHERE tenant_id = $1",
        UUID(shop.tenant_id),
    )
    await ask_companies(database)
    assert await wanted(admin, shop)


async def test_a_version_that_was_bought_keeps_its_policy(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    code = f"plan-{uuid4().hex[:8]}"
    await admin.execute(
        "INSERT INTO plan (code, name, position, modules, limits, is_offered, version) "
        "SELECT $1, $1, 99, modules, limits, true, 2 FROM plan WHERE code = 'pro'", code
    )  # fmt: skip
    for version, hours in ((1, 2), (2, 48)):
        await admin.execute(
            "INSERT INTO plan_version (plan, version, name, modules, limits, monthly_price, yearly_price, backup_policy) "
            "SELECT $1, $2::bigint, $1, modules, limits, 1, 1, jsonb_build_object('everyHours', $3::int, 'daily', 1, 'weekly', 0, "
            "'monthly', 0) FROM plan WHERE code = $1", code, version, hours
        )  # fmt: skip
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await change_plan(work, code, "Prueba", 1)
    await was_backed_up(admin, shop, timedelta(hours=3))
    await ask_companies(database)
    assert await wanted(admin, shop)


def test_what_was_sold_goes_before_the_installations_policy() -> None:
    class Row:
        every_hours, keep_daily, keep_weekly, keep_monthly, on_demand_per_month = 24, 7, 5, 12, 30

    assert policy_of(Row, None) == Policy(24, 7, 5, 12, 30)
    sold = {"everyHours": 6, "daily": 3, "weekly": 2, "monthly": 1}
    assert policy_of(Row, sold) == Policy(6, 3, 2, 1, 30)


async def test_who_waited_longest_comes_first(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.domain.backups.schedule._AT_ONCE", 1)
    # The longest of all in this database.
    await was_backed_up(admin, shop, timedelta(days=900))
    await was_backed_up(admin, other_shop, timedelta(days=1000))
    others = [UUID(shop.tenant_id), UUID(other_shop.tenant_id)]
    await admin.execute("UPDATE tenant SET created_at = now() WHERE tenant_id <> ALL($1)", others)
    await ask_companies(database)
    assert (await wanted(admin, shop), await wanted(admin, other_shop)) == (False, True)


async def test_a_closed_company_is_no_alarm_for_ever(
    shop: Shop, database: Database, admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    await admin.execute("DELETE FROM company_restore; DELETE FROM company_backup")
    await admin.execute("UPDATE tenant SET created_at = now()")
    looks = BackupLooks(read_settings(environ))
    await was_backed_up(admin, shop, timedelta(hours=1), "failed")
    assert "falló: 1" in str(await looks.companies())
    assert (await last_good(admin)).failed_companies == 1
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await move(work, TenantStatus.CLOSED, "Se fue")
    assert await looks.companies() is None
    assert (await last_good(admin)).failed_companies == 0


async def test_a_company_without_a_backup_in_time_is_told(
    shop: Shop, admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    await admin.execute("DELETE FROM company_restore; DELETE FROM company_backup")
    await admin.execute("UPDATE tenant SET created_at = now()")
    looks = BackupLooks(read_settings(environ))
    await was_backed_up(admin, shop, timedelta(hours=30))
    assert await looks.companies() is None
    await admin.execute("UPDATE company_backup SET created_at = now() - interval '5 days'")
    assert "sin copia a tiempo según su plan: 1" in str(await looks.companies())


async def test_a_clock_that_ran_ahead_hides_no_missing_backup(
    admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    await admin.execute("DELETE FROM backup_drill; DELETE FROM backup_run")
    add = (
        "INSERT INTO backup_run (id, reason, requested_by, status, created_at, finished_at, snapshot_at, object_name) "
        "VALUES (gen_random_uuid(), 'schedule', 'x', 'good', now() + $1, now() + $1, now() + $1, 'x')"
    )
    looks = BackupLooks(read_settings(environ))
    try:
        await admin.execute(add, timedelta(days=-2))
        assert await looks.backup() is not None
        await admin.execute(add, timedelta(days=300))
        assert "de hace 48 horas" in str(await looks.backup())
        state = await last_good(admin)
        assert state.stored_at is not None
        assert state.stored_at < clock.now()
    finally:
        await admin.execute("DELETE FROM backup_run")


async def test_a_drill_that_was_killed_leaves_no_copy(database: Database, admin: asyncpg.Connection) -> None:
    ended, running, foreign = uuid4(), uuid4(), uuid4()
    for drill_id, status in ((ended, "failed"), (running, "running")):
        await admin.execute(
            "INSERT INTO backup_drill (id, requested_by, status) VALUES ($1, 'prueba', $2)", drill_id, status
        )
    for drill_id in (ended, running, foreign):
        await admin.execute(f'CREATE DATABASE "{SCRATCH}{drill_id.hex}" TEMPLATE template0')
    try:
        await _sweep(database)
        left = await leftovers(database.settings)
        assert {ended, running, foreign} & left.keys() == {running, foreign}
    finally:
        for drill_id in (running, foreign):
            await admin.execute(f'DROP DATABASE IF EXISTS "{SCRATCH}{drill_id.hex}"')
        await admin.execute("DELETE FROM backup_drill")


async def test_the_command_backs_a_company_up_for_its_owner_to_see(
    shop: Shop, database: Database, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    """What it made counts, and is pruned in its turn; a clear ZIP is its reader's alone, and never half there."""
    tenant_id = UUID(shop.tenant_id)
    await was_backed_up(admin, shop, timedelta(hours=1), "failed")
    out = tmp_path / "empresa.zip"
    assert await backup_cli._company(database, Namespace(company=tenant_id, out=str(out))) == 0
    newest = (await shop.get("/v1/backups")).json()["items"][0]
    assert (newest["status"], newest["reason"]) == ("good", "schedule")
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        await backup_cli._company(database, Namespace(company=tenant_id, out=str(out)))
    with pytest.raises(ValueError, match="no such company"):
        await backup_cli._company(database, Namespace(company=uuid4(), out=None))
    broken = tmp_path / "broken"
    with pytest.raises(StorageFailed), backup_cli._new_file(str(broken)) as file:
        file.write(b"half")
        raise StorageFailed("away")
    assert not broken.exists()
