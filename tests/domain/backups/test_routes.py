"""What people of a company ask over HTTP: backup, export with a link, trial and restore; and the store over S3."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import pytest

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.backups.company.format import CompanyManifest
from app.domain.backups.jobs import OfRestore, restore_company
from app.domain.backups.keys import BackupKeys
from app.domain.backups.retention import Policy, kept
from app.domain.backups.service import make_token
from app.domain.backups.stored import read_archive
from app.integrations.storage.store import ObjectMissing, Storage, StorageFailed
from tests.contract.company import run_backup
from tests.domain.backups.house import archive_of, trade
from tests.shop import Shop


async def backed_up(shop: Shop, database: Database, kind: str = "backup") -> dict[str, Any]:
    asked = await shop.post("/v1/backups", {"kind": kind})
    assert asked.status_code == 202, asked.text
    assert asked.json()["status"] == "running"
    await run_backup(database, shop.tenant_id, asked.json()["id"])
    found: dict[str, Any] = (await shop.get(f"/v1/backups/{asked.json()['id']}")).json()
    return found


async def restored(shop: Shop, database: Database, backup_id: str, **body: Any) -> dict[str, Any]:
    asked = await shop.post(f"/v1/backups/{backup_id}/restore", body)
    assert asked.status_code == 202, asked.text
    context = JobContext(database=database, tenant_id=UUID(shop.tenant_id), job_id=uuid4(), attempt=1, request_id="")
    await restore_company.run(context, OfRestore(UUID(asked.json()["id"])))
    found: dict[str, Any] = (await shop.get(f"/v1/backups/restores/{asked.json()['id']}")).json()
    return found


async def test_an_owner_takes_the_whole_account_away(shop: Shop, other_shop: Shop, database: Database) -> None:
    await trade(shop)
    made = await backed_up(shop, database, "export")
    assert made["status"] == "good", made
    assert made["rows"] > 50
    downloaded = await shop.get(f"/v1/backups/{made['id']}/download")
    assert downloaded.status_code == 200
    with ZipFile(BytesIO(downloaded.content)) as zipped:
        assert len(zipped.read("datos/sale.ndjson").splitlines()) >= 3
    link = (await shop.post(f"/v1/backups/{made['id']}/link")).json()
    path = "/v1/public" + link["url"].partition("/v1/public")[2]
    by_link = await shop.http.get(path)
    assert by_link.content == downloaded.content
    assert (await shop.http.get(path[:-4] + "AAAA")).status_code == 404
    old = make_token(
        database.settings.secret_key, UUID(shop.tenant_id), UUID(made["id"]), datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert (await shop.http.get(f"/v1/public/backups/{old}")).status_code == 404
    assert (await other_shop.get(f"/v1/backups/{made['id']}/download")).status_code == 404


async def test_a_restore_is_tried_confirmed_and_done(shop: Shop, database: Database) -> None:
    await trade(shop)
    made = await backed_up(shop, database)
    product = await shop.product()
    tried = await restored(shop, database, made["id"], dryRun=True)
    assert tried["status"] == "done", tried
    assert {one["table"]: one["goes"] for one in tried["differences"]["tables"]}["product"] == 1
    assert (await shop.get(f"/v1/products/{product['id']}")).status_code == 200
    unsure = await shop.post(f"/v1/backups/{made['id']}/restore", {"into": "same", "confirm": "1"})
    assert (unsure.status_code, unsure.json()["code"]) == (422, "not-confirmed")
    done = await restored(shop, database, made["id"], into="same", confirm=shop.tenant["nit"])
    assert done["status"] == "done", done
    assert done["report"]["rootHash"] == made["rootHash"]
    assert (await shop.get(f"/v1/products/{product['id']}")).status_code == 404
    copied = await restored(shop, database, made["id"], into="new")
    assert copied["status"] == "done", copied
    switched = await shop.post("/v1/auth/switch", {"tenantId": copied["newTenantId"]})
    assert switched.status_code == 200


def test_grandfather_father_son() -> None:
    days = [
        (day, datetime(2026, 1, 1, 12, tzinfo=UTC).replace(month=1 + day // 28, day=1 + day % 28)) for day in range(336)
    ]
    stays = kept(days, Policy(6, 7, 5, 12, 0))
    assert set(range(329, 336)) <= stays
    assert len({at.month for day, at in days if day in stays}) == 12
    assert 12 + 7 <= len(stays) <= 7 + 5 + 12
    assert kept([], Policy(6, 7, 5, 12, 0)) == set()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real HTTP implementation of S3."""
    moto = pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
async def bucket(s3: str) -> AsyncIterator[Storage]:
    import httpx

    name = f"respaldos-{uuid4().hex[:8]}"
    async with httpx.AsyncClient() as client:
        assert (await client.put(f"{s3}/{name}")).status_code == 200
    yield Storage(
        f"s3://{name}/casa",
        {"endpoint": s3, "access_key_id": "x", "secret_access_key": "y", "region": "us-east-1"},
    )


async def test_archives_lie_in_s3_as_in_a_folder(shop: Shop, database: Database, bucket: Storage) -> None:
    await trade(shop)
    made = await archive_of(database, UUID(shop.tenant_id), bucket)
    assert [one.name for one in await bucket.names("empresas")] == [made.object_name, f"{made.object_name}.json"]
    keys = BackupKeys.of(database.settings)
    assert (await read_archive(bucket, made.object_name, keys, CompanyManifest)).manifest == made.read.manifest
    async with bucket.writing("large") as writer:
        for _ in range(20):
            await writer.write(bytes(1 << 20))
    assert (await bucket.stat("large")).size == 20 << 20
    with pytest.raises(RuntimeError, match="power"):
        async with bucket.writing("unfinished") as writer:
            await writer.write(bytes(20 << 20))
            raise RuntimeError("power")
    with pytest.raises(ObjectMissing):
        await bucket.get("unfinished")
    await bucket.delete(made.object_name)
    with pytest.raises(ObjectMissing):
        await bucket.get(made.object_name)


async def test_a_store_that_is_away_is_told(database: Database, shop: Shop) -> None:
    gone = Storage(
        "s3://nowhere/x",
        {
            "endpoint": "http://127.0.0.1:9",
            "access_key_id": "x",
            "secret_access_key": "y",
            "region": "us-east-1",
        },
    )
    with pytest.raises(StorageFailed):
        await gone.get("x")
