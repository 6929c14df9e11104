"""At full size, by the commands alone: a company destroyed and brought back, archives that were touched, and the whole platform
on an empty server from one file and its key, as docs/RESPALDOS.md says."""

import asyncio
import base64
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from app.domain.backups.sealed import CHUNK, TAG
from tests.bench.house import House
from tests.bench.shape import analyse, past_sales
from tests.bench.shops import Shop, call, open_shops
from tests.domain.backups.house import Admin, destroy

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3_000)]

SALES = int(os.environ.get("MOSTRADOR_BACKUP_SALES", "100000"))
"""Of the company that is destroyed: ten rows each."""
APART = (
    "outbox",
    "company_backup",
    "company_restore",
    "audit_origin",
    "support_access",
    "support_route",
    "auth_session",
)
"""Not of the company, as the document says; and logins, which are of people."""

Marks = Mapping[str, tuple[int, str]]
"""Table to its rows and a hash over them."""


async def marks(admin: Admin, tenant: str, last_entry: int = 2**62) -> Marks:
    """Every row of a company, hashed by PostgreSQL alone; the audit trail up to an entry. Nothing of ours is asked."""
    found: dict[str, tuple[int, str]] = {}
    tables = await admin.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id' "
        "AND NOT table_name = ANY($1) ORDER BY 1",
        [*APART, "audit_head"],
    )
    for (table,) in tables:
        until = f" AND seq <= {last_entry}" if table == "audit_entry" else ""
        row = await admin.fetchrow(
            "SELECT count(*), coalesce(md5(string_agg(h, '' ORDER BY h)), '') FROM (SELECT md5((to_jsonb(t) - 'changed_xid')::text) "
            f"AS h FROM {table} t WHERE tenant_id = $1{until}) hashes",
            UUID(tenant),
        )
        found[table] = (row[0], row[1])
    return found


async def said(house: House, *words: str, **changed: str) -> str:
    """A command of the product to its end. Raises `RuntimeError` with what it said when it fails."""
    environment = {"PATH": os.environ["PATH"], **house.environment(), **changed}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", *words),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told = (await process.communicate())[0].decode()
    if process.returncode:
        raise RuntimeError(told)
    return told


async def refused(house: House, *words: str, **changed: str) -> str:
    """The last line with which a command refuses."""
    with pytest.raises(RuntimeError) as caught:
        await said(house, *words, **changed)
    return str(caught.value).strip().splitlines()[-1]


def another_key() -> dict[str, str]:
    return {"BACKUP_KEY": base64.b64encode(os.urandom(32)).decode()}


def spoilt(folder: Path, source: Path) -> list[tuple[str, Path]]:
    """An archive touched in every way, each in a file of its own; the last with the manifest beside it."""
    folder.mkdir()
    whole = source.read_bytes()
    begin = whole.index(b"\n") + 1
    begin += 4 + int.from_bytes(whole[begin : begin + 4], "big")
    size = CHUNK + TAG
    assert len(whole) > begin + 2 * size, "too small to swap chunks"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    chunks = [whole[begin + n * size : begin + (n + 1) * size] for n in range(2)]
    ways = {
        "one bit": bytes(flipped),
        "truncated": whole[:-100_000],
        "last chunk gone": whole[: begin + (len(whole) - begin - 1) // size * size],
        "two chunks swapped": whole[:begin] + chunks[1] + chunks[0] + whole[begin + 2 * size :],
        "something added": whole + b"\0",
    }
    found = []
    for name, content in ways.items():
        file = folder / f"{name.replace(' ', '-')}.mbk"
        file.write_bytes(content)
        found.append((name, file))
    file = folder / "manifest.mbk"
    file.write_bytes(whole)
    changed = msgspec.json.decode(Path(f"{source}.json").read_bytes())
    inner = msgspec.json.decode(changed["manifest"])
    rows: list[Any] = inner.get("tables") or inner["contents"]["tables"]
    rows.pop()
    changed["manifest"] = msgspec.json.encode(inner).decode()
    Path(f"{file}.json").write_bytes(msgspec.json.encode(changed))
    found.append(("a row of the manifest dropped", file))
    return found


async def test_what_is_lost_comes_back(tmp_path: Path) -> None:
    async with House(tmp_path / "first") as house:
        await house.migrate()
        api = house.api()
        await api.answering("/health")
        shops = await open_shops(api, ["La que se pierde", "Vecina", "Otra vecina"], 900_500_000)
        for shop, count in zip(shops, (SALES, SALES // 10, 400), strict=True):
            await past_sales(house, api, shop, max(count // 200 * 200, 400))
        await analyse(house)
        admin = await asyncpg.connect(house.postgres.admin_url("mostrador"))
        print(f"\n{await _destroyed_and_back(house, admin, shops)}")
        archive = await _platform(house, admin, shops, tmp_path)
        before = [await marks(admin, shop.tenant) for shop in shops]
        await admin.close()
        await _elsewhere(house, tmp_path, archive, shops, before)


async def _destroyed_and_back(house: House, admin: Admin, shops: list[Shop]) -> str:
    lost, *others = shops
    head = await admin.fetchval("SELECT seq FROM audit_head WHERE tenant_id = $1", UUID(lost.tenant))
    nit = await admin.fetchval("SELECT nit FROM tenant WHERE tenant_id = $1", UUID(lost.tenant))
    was, neighbours = await marks(admin, lost.tenant), [await marks(admin, each.tenant) for each in others]
    begun = perf_counter()
    made = await said(house, "backup", "company", lost.tenant)
    export_seconds = perf_counter() - begun
    line = made.strip().splitlines()[-1]
    name, root = line.partition(":")[0], line.rpartition(" ")[2]
    source = house.data / "respaldos" / name
    reasons = []
    for way, file in spoilt(house.data / "touched", source):
        why = await refused(house, "backup", "restore-company", str(file), "--into", "same", "--confirm", nit)
        reasons.append(f"  company, {way}: {why}")
    why = await refused(house, "backup", "restore-company", name, "--into", "same", "--confirm", nit, **another_key())
    assert "this key does not open" in why
    reasons.append(f"  company, wrong key: {why}")
    assert all("archive" in one or "chunk" in one or "manifest" in one or "key" in one for one in reasons), reasons
    assert await marks(admin, lost.tenant) == was, "a refused archive changed something"
    gone = await destroy(admin, UUID(lost.tenant))
    assert sum(rows for rows, _ in (await marks(admin, lost.tenant)).values()) == 0
    told = await said(house, "backup", "restore-company", name, "--into", "same", "--confirm", nit)
    assert f"root hash {root} as in the archive" in told
    now = await marks(admin, lost.tenant, head)
    assert {table for table in was if was[table] != now[table]} == set()
    assert [await marks(admin, each.tenant) for each in others] == neighbours
    minutes = re.search(r"([\d.]+) s, ([\d.]+) minutes a million rows", told)
    assert minutes is not None
    return "\n".join(
        [
            (
                f"company of {gone:,} rows archived in {export_seconds:.1f} s ({source.stat().st_size / 1e6:.0f} MB), destroyed, "
                f"restored in {minutes[1]} s = {minutes[2]} minutes a million rows; root hash {root[:16]}… equal; "
                f"every row of {len(was)} tables equal by PostgreSQL's own hashes, the other companies unchanged"
            ),
            *reasons,
        ]
    )


async def _platform(house: House, admin: Admin, shops: list[Shop], tmp_path: Path) -> Path:
    """Back everything up, prove it, and put one file where only it is."""
    begun = perf_counter()
    created = await said(house, "backup", "create")
    seconds = perf_counter() - begun
    drilled = await said(house, "backup", "drill")
    size: int = await admin.fetchval("SELECT pg_database_size('mostrador')")
    print(f"platform of {size / 1e6:.0f} MB in {seconds:.1f} s: {created.strip().splitlines()[-1]}")
    print(f"drill: {drilled.strip().splitlines()[-1]}")
    name = created.strip().splitlines()[-1].partition(": ")[2].partition(",")[0]
    source = house.data / "respaldos" / name
    await admin.execute("CREATE DATABASE mostrador_vacia")
    empty = {"DATABASE_ADMIN_URL": house.postgres.admin_url("mostrador_vacia")}
    for way, file in spoilt(house.data / "touched-platform", source):
        print(f"  platform, {way}: {await refused(house, 'restore', str(file), **empty)}")
    print(f"  platform, wrong key: {await refused(house, 'restore', str(source), **empty, **another_key())}")
    there = await asyncpg.connect(empty["DATABASE_ADMIN_URL"])
    assert await there.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    await there.close()
    alone = tmp_path / "traido" / "archivo.mbk"
    alone.parent.mkdir()
    shutil.copy(source, alone)
    return alone


async def _elsewhere(first: House, tmp_path: Path, archive: Path, shops: list[Shop], before: list[Marks]) -> None:
    """The steps of the document, on servers that were never used; only file and keys come from the first."""
    begun = perf_counter()
    async with House(tmp_path / "second") as house:
        house.secret_key, house.signing_key = first.secret_key, first.signing_key
        up = perf_counter()
        await house.create_database("mostrador")
        restored = await said(house, "restore", str(archive))
        migrated = perf_counter()
        await said(house, "migrate")
        verified = await said(house, "audit", "verify")
        ready = perf_counter()
        api = house.api()
        await api.answering("/health")
        seconds = perf_counter()
        print(f"empty server: {restored.strip().splitlines()[-1]}")
        print(
            f"  servers {up - begun:.1f} s, restore {migrated - up:.1f} s, migrate and audit verify {ready - migrated:.1f} s, "
            f"API {seconds - ready:.1f} s: back after {seconds - begun:.1f} s; {verified.strip().splitlines()[-1]}"
        )
        admin = await asyncpg.connect(house.postgres.admin_url("mostrador"))
        assert [await marks(admin, shop.tenant) for shop in shops] == before
        await admin.close()
        async with httpx.AsyncClient(base_url=api.url, timeout=60) as http:
            shop = shops[0]
            pair = await call(http, "/v1/auth/refresh", {"refreshToken": shop.refresh}, {})
            headers = {"authorization": f"Bearer {pair['accessToken']}"}
            sold = await call(
                http,
                "/v1/sales",
                {
                    "sessionId": shop.session,
                    "lines": [{"productId": shop.products[0], "quantity": "1"}],
                    "payments": [{"method": "cash", "amount": "50000.00"}],
                },
                headers,
            )
        assert sold["sequence"] == max(SALES // 200 * 200, 400) + 1
        print(f"  and sells: ticket {sold['number']}")
