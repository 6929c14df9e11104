"""What a restore may not turn back, a copy may not have, and an archive may not be."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import asyncpg
import msgspec
import pytest
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import SYSTEM_USER, Database
from app.domain.audit.reconcile import reconcile
from app.domain.audit.verify import verify_chain
from app.domain.backups import jobs
from app.domain.backups.company.format import MANIFEST, RestoreRefused, root_hash
from app.domain.backups.company.living import LIVE
from app.domain.backups.company.reading import is_signed_here, open_plain, open_sealed
from app.domain.backups.company.restore import RestoreOver, Wish, restore_new, restore_same
from app.domain.backups.jobs import OfBackup, OfRestore, check_company_backup, restore_company
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform.desk import storage_of
from app.domain.backups.stored import BESIDE
from app.domain.billing.life import hold
from app.domain.tenants.lifecycle import move
from app.domain.tenants.models import TenantStatus
from app.domain.tenants.plans import change_plan
from app.integrations.storage.store import StorageFailed
from app.lib import clock
from tests.domain.backups.house import archive_of, company_files, number, trade
from tests.domain.backups.test_routes import backed_up, restored
from tests.people import hire
from tests.shop import Shop


def job_of(shop: Shop, database: Database) -> JobContext:
    return JobContext(database=database, tenant_id=UUID(shop.tenant_id), job_id=uuid4(), attempt=1, request_id="")


async def one(admin: asyncpg.Connection, sql: str, *values: object) -> Any:
    return await admin.fetchval(sql, *values)


async def test_a_restore_in_place_leaves_what_the_operator_decided(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    tenant_id = UUID(shop.tenant_id)
    await trade(shop)
    async with database.job_transaction(tenant_id) as work:
        await move(work, TenantStatus.ACTIVE, "Pagó")
        await change_plan(work, "enterprise", "Pagó")
        row, _ = await hold(work)
        row.customer_id, row.provider_id = f"cus_{tenant_id.hex}", f"sub_{tenant_id.hex}"
    made = await archive_of(database, tenant_id)
    product = await shop.product()
    async with database.job_transaction(tenant_id) as work:
        await change_plan(work, "free", "Dejó de pagar")
        await move(work, TenantStatus.READ_ONLY, "Dejó de pagar")
        row, _ = await hold(work)
        row.provider_id = None
    state = (
        "SELECT (status, plan, plan_version, status_seq, modules, trial_ends_at)::text FROM tenant WHERE tenant_id = $1"
    )
    owed = "SELECT (state, state_seq, provider_id, customer_id)::text FROM subscription WHERE tenant_id = $1"
    before = await one(admin, state, tenant_id), await one(admin, owed, tenant_id)
    async with open_sealed(
        storage_of(database.settings), made.object_name, BackupKeys.of(database.settings)
    ) as archive:
        report = await restore_same(database, archive, UUID(shop.user["id"]), trail={})
    assert await one(admin, "SELECT count(*) FROM product WHERE id = $1", UUID(product["id"])) == 0
    assert (await one(admin, state, tenant_id), await one(admin, owed, tenant_id)) == before
    assert any("suscripción" in note for note in report.notes)
    async with database.job_transaction(tenant_id) as work:
        assert (await verify_chain(work)).intact
        assert (await reconcile(work)).is_clean
        row, tenant = await hold(work)
        assert (row.state, tenant.status) == ("read_only", "read-only")


async def test_a_restore_in_place_gives_nobody_back_what_they_lost(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    tenant_id = UUID(shop.tenant_id)
    await trade(shop)
    promoted = await hire(shop, database, "cashier")
    demoted = await hire(shop, database, "admin")
    role = await shop.post(
        "/v1/roles", {"id": str(uuid7()), "code": "turno", "name": "Turno", "permissions": ["sales:read"]}
    )
    assert role.status_code == 201, role.text
    waiting = await shop.post(
        "/v1/invitations", {"email": f"{uuid4().hex}@tienda.test", "name": "Otra", "role": "admin"}
    )
    assert waiting.status_code == 201, waiting.text
    key = await shop.post("/v1/api-keys", {"name": "ERP", "scopes": ["sales:read"]})
    made = await archive_of(database, tenant_id)
    by_user = "UPDATE membership SET role = $3 WHERE tenant_id = $1 AND user_id = $2"
    await admin.execute(by_user, tenant_id, UUID(demoted.id), "cashier")
    await admin.execute(by_user, tenant_id, UUID(promoted.id), "admin")
    joined = await hire(shop, database, "seller")
    assert (await shop.delete(f"/v1/roles/{role.json()['id']}")).status_code < 300
    again = await shop.post(
        "/v1/roles", {"id": str(uuid7()), "code": "turno", "name": "Otro", "permissions": ["sales:read"]}
    )
    assert again.status_code == 201, again.text
    await admin.execute(
        "UPDATE invitation SET revoked_at = now() WHERE tenant_id = $1 AND accepted_at IS NULL", tenant_id
    )
    assert (await shop.delete(f"/v1/api-keys/{key.json()['id']}")).status_code < 300
    before = await company_files(database.settings.database_admin_url or "", tenant_id)
    async with open_sealed(
        storage_of(database.settings), made.object_name, BackupKeys.of(database.settings)
    ) as archive:
        report = await restore_same(database, archive, UUID(shop.user["id"]), trail={})
    after = await company_files(database.settings.database_admin_url or "", tenant_id)
    assert {name for name in LIVE if before[name] != after[name]} == set()
    assert any("siguen como están hoy: 3" in note for note in report.notes), report.notes
    assert (await shop.get("/v1/company")).status_code == 200
    assert (await joined.get("/v1/company")).status_code == 200
    async with database.job_transaction(tenant_id) as work:
        assert (await reconcile(work)).is_clean
        chain = await verify_chain(work)
        assert chain.intact


async def test_personal_fields_of_the_trail_stay_readable(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    """The trail keeps its newest entries, so their keys may not go."""
    tenant_id = UUID(shop.tenant_id)
    await trade(shop)
    made = await archive_of(database, tenant_id)
    body = {"identificationType": "13", "identification": str(uuid4().int % 10**9), "name": "Benita Posterior"}
    customer = await shop.post("/v1/customers", body)
    assert customer.status_code == 201, customer.text
    path = f"/v1/audit/entries?subjectId={customer.json()['id']}"
    was = (await shop.get(path)).text
    assert "Benita Posterior" in was
    async with open_sealed(
        storage_of(database.settings), made.object_name, BackupKeys.of(database.settings)
    ) as archive:
        report = await restore_same(database, archive, UUID(shop.user["id"]), trail={})
    assert report.trail_kept
    assert "Benita Posterior" in (await shop.get(path)).text


async def test_a_consent_taken_back_stays_taken_back(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    tenant_id = UUID(shop.tenant_id)
    body = {"identificationType": "13", "identification": str(uuid4().int % 10**9), "name": "Ana"}
    customer = (await shop.post("/v1/customers", body)).json()["id"]
    add = (
        "INSERT INTO consent (tenant_id, id, customer_id, purpose, version, channel, decision, at, recorded_by) "
        "VALUES ($1, $2, $3, 'publicidad', '1', 'in-person', $4, now(), $5)"
    )
    user = UUID(shop.user["id"])
    await admin.execute(add, tenant_id, uuid7(), UUID(customer), "granted", user)
    made = await archive_of(database, tenant_id)
    body["identification"] = str(uuid4().int % 10**9)
    later = (await shop.post("/v1/customers", body)).json()["id"]
    await admin.execute(add, tenant_id, uuid7(), UUID(customer), "withdrawn", user)
    await admin.execute(add, tenant_id, uuid7(), UUID(later), "granted", user)
    async with open_sealed(
        storage_of(database.settings), made.object_name, BackupKeys.of(database.settings)
    ) as archive:
        await restore_same(database, archive, user, trail={})
    rows = await admin.fetch("SELECT decision FROM consent WHERE tenant_id = $1 ORDER BY id", tenant_id)
    assert [row["decision"] for row in rows] == ["granted", "withdrawn"]


async def test_a_copy_pays_for_nothing_and_sells_nothing(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    tenant_id, copy_id = UUID(shop.tenant_id), uuid7()
    await trade(shop)
    worker = await hire(shop, database, "cashier")
    async with database.job_transaction(tenant_id) as work:
        await move(work, TenantStatus.ACTIVE, "Pagó")
        row, _ = await hold(work)
        row.customer_id = f"cus_{tenant_id.hex}"
    await shop.post("/v1/invitations", {"email": f"{uuid4().hex}@tienda.test", "name": "Otra", "role": "admin"})
    made = await archive_of(database, tenant_id)
    async with open_sealed(
        storage_of(database.settings), made.object_name, BackupKeys.of(database.settings)
    ) as archive:
        # Somebody who was a cashier then, and owns the company now.
        report = await restore_new(database, archive, copy_id, UUID(worker.id), beside=True, trail={})
        by_command = uuid7()
        await restore_new(database, archive, by_command, SYSTEM_USER, beside=True, trail={})
    for table in ("subscription", "subscription_transition", "mrr_movement", "billing_invoice", "billing_notice"):
        assert await number(admin, f"SELECT count(*) FROM {table} WHERE tenant_id = $1", copy_id) == 0, table
    assert await one(admin, "SELECT status FROM tenant WHERE tenant_id = $1", copy_id) == "read-only"
    assert any("solo lectura" in note for note in report.notes)
    active = "SELECT user_id, role FROM membership WHERE tenant_id = $1 AND is_active"
    rows = await admin.fetch(active, copy_id)
    assert [(str(row["user_id"]), row["role"]) for row in rows] == [(worker.id, "owner")]
    rows = await admin.fetch(active, by_command)
    assert [(str(row["user_id"]), row["role"]) for row in rows] == [(shop.user["id"], "owner")]
    pending = "SELECT count(*) FROM invitation WHERE tenant_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL"
    assert await number(admin, pending, copy_id) == 0
    for company in (copy_id, by_command):
        async with database.job_transaction(company) as work:
            assert (await verify_chain(work)).intact
            assert (await reconcile(work)).is_clean
            _row, tenant = await hold(work)
            assert tenant.status == "read-only"


async def test_another_companys_archive_under_ones_name_is_refused(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    """Whoever may write in the store can make it mix archives up; no key is needed for that."""
    await trade(shop)
    mine, theirs = await backed_up(shop, database), await backed_up(other_shop, database)
    folder = Path(database.settings.backup_storage_url.removeprefix("file://"))
    name = "SELECT object_name FROM company_backup WHERE id = $1"
    own, foreign = [await one(admin, name, UUID(each["id"])) for each in (mine, theirs)]
    for ending in ("", BESIDE):
        shutil.copy(folder / f"{foreign}{ending}", folder / f"{own}{ending}")
    before = await company_files(database.settings.database_admin_url or "", UUID(other_shop.tenant_id))
    for body in ({"dryRun": True}, {"into": "same", "confirm": shop.tenant["nit"]}, {"into": "new"}):
        done = await restored(shop, database, mine["id"], **body)
        assert (done["status"], done["newTenantId"]) == ("failed", None), done
        assert "another archive" in done["error"]
    assert await company_files(database.settings.database_admin_url or "", UUID(other_shop.tenant_id)) == before
    link = (await shop.post(f"/v1/backups/{mine['id']}/link")).json()["url"]
    for path in (f"/v1/backups/{mine['id']}/download", "/v1/public" + link.partition("/v1/public")[2]):
        answer = await shop.get(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "backup-not-good")


async def test_a_restore_is_carried_out_once(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    """The worker is killed after the commit: the second run finds the row done, and leaves what was sold since."""
    tenant_id = UUID(shop.tenant_id)
    await trade(shop)
    made = await backed_up(shop, database)
    asked = await shop.post(f"/v1/backups/{made['id']}/restore", {"into": "same", "confirm": shop.tenant["nit"]})
    restore_id = UUID(asked.json()["id"])
    name = await one(admin, "SELECT object_name FROM company_backup WHERE id = $1", UUID(made["id"]))
    wish = Wish(tenant_id, restore_id)
    async with open_sealed(storage_of(database.settings), name, BackupKeys.of(database.settings)) as archive:
        await restore_same(database, archive, UUID(shop.user["id"]), trail={}, wish=wish)
        product = await shop.product()
        with pytest.raises(RestoreOver):
            await restore_same(database, archive, UUID(shop.user["id"]), trail={}, wish=wish)
    await restore_company.run(job_of(shop, database), OfRestore(restore_id))
    assert (await shop.get(f"/v1/products/{product['id']}")).status_code == 200
    done = (await shop.get(f"/v1/backups/restores/{restore_id}")).json()
    assert (done["status"], done["report"]["rootHash"]) == ("done", made["rootHash"])


async def test_a_restore_that_died_does_not_stop_the_next(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    made = await backed_up(shop, database)
    first = await shop.post(f"/v1/backups/{made['id']}/restore", {"dryRun": True})
    assert (await shop.post(f"/v1/backups/{made['id']}/restore", {"dryRun": True})).status_code == 409
    await admin.execute(
        "UPDATE outbox SET status = 'dead' WHERE tenant_id = $1 AND kind = 'backups.restore-company'",
        UUID(shop.tenant_id),
    )
    await admin.execute(
        "UPDATE company_restore SET created_at = now() - interval '2 minutes' WHERE tenant_id = $1",
        UUID(shop.tenant_id),
    )
    assert (await shop.post(f"/v1/backups/{made['id']}/restore", {"dryRun": True})).status_code == 202
    assert (await shop.get(f"/v1/backups/restores/{first.json()['id']}")).json()["status"] == "failed"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def none(_settings: object) -> None:
        raise StorageFailed("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "storage_of", none)
        yield


async def test_a_store_that_is_away_makes_no_archive_bad(shop: Shop, database: Database, away: None) -> None:
    made = await archive_row(shop, database)
    with pytest.raises(StorageFailed):
        await check_company_backup.run(job_of(shop, database), OfBackup(UUID(made)))
    assert (await shop.get(f"/v1/backups/{made}")).json()["status"] == "good"


async def archive_row(shop: Shop, database: Database) -> str:
    """A good archive, as a row says."""
    asked = (await shop.post("/v1/backups", {})).json()
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        row = {"tenant_id": UUID(shop.tenant_id), "id": UUID(asked["id"]), "now": clock.now(), "at": clock.now()}
        values = {"name": f"x/{asked['id']}.mbk", "size": 1, "sha256": b"x", "rows": 1, "root": b"x"}
        await work.session.execute(jobs.MADE, row | values)
    return str(asked["id"])


async def test_an_archive_that_did_not_read_is_tried_again(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    made = await backed_up(shop, database)
    folder = Path(database.settings.backup_storage_url.removeprefix("file://"))
    path = folder / await one(admin, "SELECT object_name FROM company_backup WHERE id = $1", UUID(made["id"]))
    path.rename(path.with_suffix(".away"))
    checks = "SELECT count(*) FROM outbox WHERE tenant_id = $1 AND kind = 'backups.check-company'"
    for _ in range(3):
        assert (await shop.post(f"/v1/backups/{made['id']}/verify")).status_code == 202
    assert await number(admin, checks, UUID(shop.tenant_id)) == 1
    await check_company_backup.run(job_of(shop, database), OfBackup(UUID(made["id"])))
    assert (await shop.get(f"/v1/backups/{made['id']}")).json()["status"] == "failed"
    assert (await shop.get(f"/v1/backups/{made['id']}/download")).status_code == 409
    path.with_suffix(".away").rename(path)
    assert (await shop.post(f"/v1/backups/{made['id']}/verify")).status_code == 202
    await check_company_backup.run(job_of(shop, database), OfBackup(UUID(made["id"])))
    assert (await shop.get(f"/v1/backups/{made['id']}")).json()["status"] == "good"


async def test_copies_are_counted(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    made = await backed_up(shop, database)
    await admin.execute(
        "INSERT INTO company_restore (tenant_id, id, backup_id, target, dry_run, requested_by, status) "
        "SELECT $1, gen_random_uuid(), $2, 'new', false, $3, 'done' FROM generate_series(1, 30)",
        UUID(shop.tenant_id), UUID(made["id"]), UUID(shop.user["id"]),
    )  # fmt: skip
    refused = await shop.post(f"/v1/backups/{made['id']}/restore", {"into": "new"})
    assert (refused.status_code, refused.json()["code"]) == (422, "quota-reached")
    assert (await shop.post(f"/v1/backups/{made['id']}/restore", {"dryRun": True})).status_code == 202


async def test_a_zip_that_was_edited_is_not_ours(shop: Shop, database: Database, tmp_path: Path) -> None:
    """Hashes are counted anew by whoever edits it; the installation's signature is not."""
    await trade(shop)
    made = await backed_up(shop, database, "export")
    plain = tmp_path / "empresa.zip"
    plain.write_bytes((await shop.get(f"/v1/backups/{made['id']}/download")).content)
    async with open_plain(plain) as archive:
        assert is_signed_here(database.audit_seal, archive.contents)
        contents = archive.contents
    with ZipFile(plain) as zipped:
        members = {info.filename: zipped.read(info) for info in zipped.infolist()}
    from hashlib import sha256

    from app.domain.backups.company.format import member

    name = member("sale")
    members[name] = members[name].replace(b"23800.00", b"99800.00")
    tables = [
        msgspec.structs.replace(each, sha256=sha256(members[name]).hexdigest()) if each.table == "sale" else each
        for each in contents.tables
    ]
    forged = msgspec.structs.replace(contents, tables=tables, root_hash=root_hash(tables))
    members[MANIFEST] = msgspec.json.encode(forged)
    with ZipFile(plain, "w") as zipped:
        for each, content in members.items():
            zipped.writestr(each, content)
    async with open_plain(plain) as archive:
        assert not is_signed_here(database.audit_seal, archive.contents)


async def test_a_trial_of_another_schema_is_refused(shop: Shop, database: Database) -> None:
    from app.domain.backups.company.differences import differences

    made = await archive_of(database, UUID(shop.tenant_id))
    async with open_sealed(
        storage_of(database.settings), made.object_name, BackupKeys.of(database.settings)
    ) as archive:
        archive.contents = msgspec.structs.replace(archive.contents, revision="0001")
        with pytest.raises(RestoreRefused, match="schema 0001"):
            await differences(database, archive)


def test_archives_of_former_secrets_open(database: Database) -> None:
    old, new = bytes(32), bytes([1]) * 32
    settings = database.settings
    first = msgspec.structs.replace(settings, secret_key=old, backup_key=None)
    archive_id = uuid4()
    key, wrapped = BackupKeys.of(first).make(archive_id)
    now = msgspec.structs.replace(settings, secret_key=new, former_secret_keys=(old,), backup_key=bytes([2]) * 32)
    assert BackupKeys.of(now).open(archive_id, wrapped) == key
