"""One company: archived, destroyed and brought back; copied beside; and nobody else touched."""

import zipfile
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import LargeBinary
from uuid_utils.compat import uuid7

from app.db.registry import METADATA
from app.db.session import Database
from app.domain.audit.reconcile import reconcile
from app.domain.audit.verify import verify_chain
from app.domain.backups.company.differences import differences
from app.domain.backups.company.format import NOT_OF_THE_COMPANY, SEALED
from app.domain.backups.company.reading import open_plain, open_sealed
from app.domain.backups.company.restore import restore_new, restore_same
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform.desk import storage_of
from app.domain.backups.sealed import ArchiveBroken
from tests.domain.backups.house import archive_of, company_files, company_hash, destroy, number, trade
from tests.shop import Shop


def keys(database: Database) -> BackupKeys:
    return BackupKeys.of(database.settings)


async def test_a_company_that_was_destroyed_comes_back_row_by_row(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    await trade(shop)
    await trade(other_shop)
    url, tenant_id, other = environ["DATABASE_ADMIN_URL"], UUID(shop.tenant_id), UUID(other_shop.tenant_id)
    before, neighbour = await company_files(url, tenant_id), await company_hash(url, other)
    made = await archive_of(database, tenant_id)
    assert made.read.manifest.contents.root_hash == await company_hash(url, tenant_id)
    assert {one.table for one in made.read.manifest.contents.tables} == before.keys()
    assert await destroy(admin, tenant_id) > 50
    assert (await shop.get("/v1/company")).status_code == 401
    async with open_sealed(storage_of(database.settings), made.object_name, keys(database)) as archive:
        assert not (await differences(database, archive)).is_same
        report = await restore_same(database, archive, UUID(shop.user["id"]), trail={})
        seen = await differences(database, archive)
    assert report.root_hash == made.read.manifest.contents.root_hash
    assert not report.trail_kept
    after = await company_files(url, tenant_id)
    # The restore wrote one entry of its own; nothing else differs.
    assert {name for name in before if before[name] != after[name]} == {"audit_entry", "audit_head"}
    assert after["audit_entry"].rows == before["audit_entry"].rows + 1
    assert {one.table for one in seen.tables} == {"audit_entry", "audit_head"}
    assert await company_hash(url, other) == neighbour
    async with database.job_transaction(tenant_id) as work:
        assert (await verify_chain(work)).intact
        assert (await reconcile(work)).is_clean
    assert len((await shop.get("/v1/sales")).json()["items"]) == 3


async def _session(shop: Shop) -> str:
    return str((await shop.get("/v1/cash/sessions")).json()["items"][0]["id"])


async def test_what_happened_since_is_turned_back_but_not_the_trail_nor_what_people_asked_for(
    shop: Shop, database: Database, admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    await trade(shop)
    tenant_id = UUID(shop.tenant_id)
    made = await archive_of(database, tenant_id)
    product = await shop.product()
    xid = await number(admin, "SELECT max(changed_xid) FROM product WHERE tenant_id = $1", tenant_id)
    entries = await number(admin, "SELECT seq FROM audit_head WHERE tenant_id = $1", tenant_id)
    async with open_sealed(storage_of(database.settings), made.object_name, keys(database)) as archive:
        seen = {one.table: one for one in (await differences(database, archive)).tables}
        assert seen["product"].goes == 1
        assert seen["product"].examples == [product["id"]]
        report = await restore_same(database, archive, UUID(shop.user["id"]), trail={})
    assert report.trail_kept
    assert (await shop.get(f"/v1/products/{product['id']}")).status_code == 404
    head = await number(admin, "SELECT seq FROM audit_head WHERE tenant_id = $1", tenant_id)
    assert head == entries + 1
    assert await number(admin, "SELECT min(changed_xid) FROM product WHERE tenant_id = $1", tenant_id) > xid
    async with database.job_transaction(tenant_id) as work:
        assert (await verify_chain(work)).intact
        assert (await reconcile(work)).is_clean
    # The shop goes on selling, under the next number.
    goods = await shop.product()
    session = await _session(shop)
    answer = await shop.sell(session, [{"productId": goods["id"], "quantity": "1"}], "11900")
    assert answer.status_code == 201, answer.text
    assert answer.json()["sequence"] == 4


async def test_a_copy_lives_beside_the_company_it_was_made_of(
    shop: Shop, database: Database, admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    await trade(shop)
    url, tenant_id, copy_id = environ["DATABASE_ADMIN_URL"], UUID(shop.tenant_id), uuid7()
    made = await archive_of(database, tenant_id)
    before = await company_files(url, tenant_id)
    async with open_sealed(storage_of(database.settings), made.object_name, keys(database)) as archive:
        report = await restore_new(database, archive, copy_id, UUID(shop.user["id"]), beside=True, trail={})
    assert report.tenant_id == copy_id
    assert await company_files(url, tenant_id) == before
    switched = await shop.post("/v1/auth/switch", {"tenantId": str(copy_id)})
    assert switched.status_code == 200, switched.text
    token = switched.json()["accessToken"]
    there = {"Authorization": f"Bearer {token}"}
    for path in ("/v1/sales", "/v1/inventory/valuation", "/v1/customers", "/v1/cash/sessions", "/v1/inventory/stock"):
        own = (await shop.http.get(path, headers=there)).json()
        assert own.get("items", own)
    async with database.job_transaction(copy_id) as work:
        chain = await verify_chain(work)
        assert chain.intact, chain.breaks
        assert chain.archived > 0
        assert (await reconcile(work)).is_clean
    # What came along is held by its hash.
    name = "SELECT action FROM audit_entry WHERE tenant_id = $1 AND seq = 2"
    was = await admin.fetchval(name, copy_id)
    await admin.execute("UPDATE audit_entry SET action = 'x' WHERE tenant_id = $1 AND seq = 2", copy_id)
    async with database.job_transaction(copy_id) as work:
        assert not (await verify_chain(work)).intact
    await admin.execute("UPDATE audit_entry SET action = $2 WHERE tenant_id = $1 AND seq = 2", copy_id, was)


async def test_a_copy_tells_nobody_and_opens_nothing(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    await trade(shop)
    tenant_id, copy_id = UUID(shop.tenant_id), uuid7()
    endpoint = await shop.post(
        "/v1/webhooks/endpoints", {"url": "https://sistema.example.com/avisos", "events": ["*"], "description": "ERP"}
    )
    assert endpoint.status_code == 201, endpoint.text
    tested = await shop.post(f"/v1/webhooks/endpoints/{endpoint.json()['id']}/test")
    assert tested.status_code == 202, tested.text
    key = await shop.post("/v1/api-keys", {"name": "ERP", "scopes": ["sales:read"]})
    assert key.status_code == 201, key.text
    made = await archive_of(database, tenant_id)
    async with open_sealed(storage_of(database.settings), made.object_name, keys(database)) as archive:
        await restore_new(database, archive, copy_id, UUID(shop.user["id"]), beside=True, trail={})
        for table, column in SEALED:
            sql = f"SELECT count(*) FROM {table} WHERE tenant_id = $1 AND {column} IS NOT NULL"
            assert await admin.fetchval(sql, copy_id) == 0, (table, column)
        for sql in (
            "SELECT count(*) FROM webhook_endpoint WHERE tenant_id = $1 AND (is_active OR removed_at IS NULL)",
            "SELECT count(*) FROM webhook_feed WHERE tenant_id = $1 AND is_listening",
            "SELECT count(*) FROM webhook_delivery WHERE tenant_id = $1 AND status = 'pending'",
            "SELECT count(*) FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL",
        ):
            assert await admin.fetchval(sql, copy_id) == 0, sql
            assert await admin.fetchval(sql, tenant_id) == 1, sql
        # In its own place it goes on listening, from now on, with its secret.
        await shop.product()
        await restore_same(database, archive, UUID(shop.user["id"]), trail={})
    head = "SELECT seq FROM audit_head WHERE tenant_id = $1"
    read = "SELECT audit_seq FROM webhook_feed WHERE tenant_id = $1 AND is_listening"
    assert await number(admin, read, tenant_id) == await number(admin, head, tenant_id) - 1
    assert await admin.fetchval("SELECT count(*) FROM webhook_secret WHERE tenant_id = $1", tenant_id) == 1
    pending = "SELECT count(*) FROM webhook_delivery WHERE tenant_id = $1 AND status = 'pending'"
    assert await admin.fetchval(pending, tenant_id) == 0


def test_every_sealed_column_is_known() -> None:
    """Bytes of a company are hashes, signatures or content, or else something sealed that a copy must forget."""
    plain = ("hash", "sha256", "signature", "content")
    found = {
        (table.name, column.name)
        for table in METADATA.sorted_tables
        if "tenant_id" in table.primary_key.columns and table.name not in NOT_OF_THE_COMPANY
        for column in table.columns
        if isinstance(column.type, LargeBinary) and not column.name.endswith(plain)
    }
    assert found == SEALED.keys()


async def test_an_export_is_a_zip_that_anybody_reads_and_nobody_changes(
    shop: Shop, database: Database, tmp_path: Path
) -> None:
    await trade(shop)
    made = await archive_of(database, UUID(shop.tenant_id))
    plain = tmp_path / "empresa.zip"
    with plain.open("wb") as file:

        async def sink(piece: bytes) -> None:
            file.write(piece)

        from app.domain.backups.company.format import CompanyManifest
        from app.domain.backups.stored import read_archive

        await read_archive(storage_of(database.settings), made.object_name, keys(database), CompanyManifest, sink)
    async with open_plain(plain) as archive:
        assert archive.contents == made.read.manifest.contents
        assert [person.email for person in await archive.people()] == [shop.email]
    with zipfile.ZipFile(plain) as zipped:
        assert zipped.testzip() is None
        members = {info.filename: zipped.read(info) for info in zipped.infolist()}
    sale = members["datos/sale.ndjson"].splitlines()[0]
    assert b'"total": "23800.00"' in sale
    assert shop.tenant_id.encode() not in sale
    assert b"password" not in b"".join(members.values()).lower()

    async def refused(changed: dict[str, bytes]) -> str:
        with zipfile.ZipFile(plain, "w") as zipped:
            for name, content in changed.items():
                zipped.writestr(name, content)
        with pytest.raises(ArchiveBroken) as caught:
            async with open_plain(plain):
                pass
        return str(caught.value)

    lines = members["datos/sale.ndjson"].splitlines(keepends=True)
    assert "datos/sale.ndjson is not" in await refused(members | {"datos/sale.ndjson": b"".join(lines[1:])})
    other = members["datos/sale.ndjson"].replace(b"23800.00", b"23800.01")
    assert "datos/sale.ndjson is not" in await refused(members | {"datos/sale.ndjson": other})
    assert "do not agree" in await refused({k: v for k, v in members.items() if k != "datos/sale.ndjson"})
    assert "do not agree" in await refused(members | {"datos/more.ndjson": b""})
    manifest = members["manifiesto.json"].replace(b'"table": "sale_line"', b'"table": "sale_lime"')
    assert "do not agree" in await refused(members | {"manifiesto.json": manifest})
    total = members["manifiesto.json"].replace(b'"rows": 3,', b'"rows": 4,')
    assert "does not add up" in await refused(members | {"manifiesto.json": total})


async def test_every_table_of_a_company_is_in_its_archive(
    database: Database, shop: Shop, admin: asyncpg.Connection
) -> None:
    made = await archive_of(database, UUID(shop.tenant_id))
    rows = await admin.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id' "
        "AND table_name NOT IN ('auth_session')"
    )
    archived = {one.table for one in made.read.manifest.contents.tables}
    assert {row["table_name"] for row in rows} == archived | NOT_OF_THE_COMPANY.keys()
    await admin.execute(
        "CREATE TABLE tomorrow (tenant_id uuid NOT NULL REFERENCES tenant, id int, PRIMARY KEY (tenant_id, id)); "
        "GRANT SELECT ON tomorrow TO mostrador_backup"
    )
    try:
        await admin.execute("INSERT INTO tomorrow VALUES ($1, 1)", UUID(shop.tenant_id))
        again = await archive_of(database, UUID(shop.tenant_id))
        found = again.read.manifest.contents.file_of("tomorrow")
        assert found is not None
        assert found.rows == 1
    finally:
        await admin.execute("DROP TABLE tomorrow")
