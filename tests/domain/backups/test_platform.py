"""The platform: dumped, proven by a restore, and every way in which that can go wrong."""

import asyncio
import json
import os
import stat
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.db.session import Database
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform import desk, runs
from app.domain.backups.platform.dump import PlatformManifest, make
from app.domain.backups.sealed import ArchiveBroken
from app.domain.backups.state import last_good, problem
from app.domain.backups.stored import BESIDE, read_archive, rewrap
from app.integrations.storage.store import Storage, folder_of
from app.lib import clock
from app.settings import Settings
from tests.domain.backups.house import backed_up, forget_others, objects, trade
from tests.shop import Shop


async def row_of(admin: asyncpg.Connection, table: str, row_id: UUID) -> asyncpg.Record:
    row = await admin.fetchrow(f"SELECT * FROM {table} WHERE id = $1", row_id)
    assert row is not None
    return row


@pytest.fixture
async def fresh(admin: asyncpg.Connection, shop: Shop, other_shop: Shop) -> None:
    """No backup yet, and no company but the test's own: a drill looks at all, and other tests leave wrong books behind."""
    await admin.execute("DELETE FROM backup_drill; DELETE FROM backup_run")
    await forget_others(admin, [UUID(shop.tenant_id), UUID(other_shop.tenant_id)])


async def said(environ: dict[str, str]) -> str | None:
    """What the monitor would tell."""
    connection = await asyncpg.connect(environ["DATABASE_PLATFORM_URL"])
    try:
        return problem(await last_good(connection), clock.now(), 6)
    finally:
        await connection.close()


async def test_a_backup_is_good_once_it_was_restored_and_found_equal(
    shop: Shop, database: Database, admin: asyncpg.Connection, environ: dict[str, str], fresh: None
) -> None:
    await trade(shop)
    assert await said(environ) is None
    run_id = await runs.ask_backup(database, "prueba")
    assert await runs.ask_backup(database, "otra") == run_id
    assert await desk.work_once(database)
    row = await row_of(admin, "backup_run", run_id)
    assert (row["status"], row["error"]) == ("stored", None)
    manifest = json.loads(row["manifest"])
    tables = await admin.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert len(manifest["tables"]) == tables
    assert {one["table"]: one["rows"] for one in manifest["tables"]}["sale"] >= 3
    drill_id = await runs.ask_drill(database, "prueba")
    assert await desk.work_once(database)
    drilled = await row_of(admin, "backup_drill", drill_id)
    assert drilled["error"] is None
    report = json.loads(drilled["report"])
    assert report["tables"] == tables
    assert report["companies"] >= 1
    assert report["auditEntries"] > 0
    assert report["guards"] > 300
    assert (await row_of(admin, "backup_run", run_id))["status"] == "good"
    assert await said(environ) is None
    assert not await desk.work_once(database)
    left = await admin.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'mostrador_drill%'")
    assert left == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE sale SET total = total + 1 WHERE id = (SELECT id FROM sale LIMIT 1)", "sale: the content"),
        ("DELETE FROM price_change", "price_change:"),
        ("DROP POLICY tenant_fence ON sale", "policy sale.tenant_fence"),
        ("REVOKE SELECT ON sale FROM mostrador_app", "grant sale mostrador_app SELECT"),
        ("GRANT DELETE ON sale TO mostrador_app", "grant sale mostrador_app DELETE"),
        ("DROP INDEX ix_audit_entry_at", "ix_audit_entry_at"),
    ],
)
async def test_a_copy_that_differs_is_told(
    change: str,
    reason: str,
    shop: Shop,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    fresh: None,
    admin: asyncpg.Connection,
    environ: dict[str, str],
) -> None:
    await trade(shop)
    run_id = await backed_up(database)
    assert await desk.back_up(database, run_id)
    from app.domain.backups.platform import drill as drilling
    from app.domain.backups.platform import scratch

    real = scratch.compare

    async def meddle(url: str, manifest: PlatformManifest) -> object:
        connection = await asyncpg.connect(url)
        await connection.execute(change)
        await connection.close()
        return await real(url, manifest)

    monkeypatch.setattr(drilling, "compare", meddle)
    drill_id = await runs.ask_drill(database, "prueba")
    assert await desk.work_once(database)
    row = await row_of(admin, "backup_drill", drill_id)
    assert row["status"] == "failed"
    assert reason in row["error"]
    assert (await row_of(admin, "backup_run", run_id))["status"] == "stored"
    assert "La prueba de restauración falló" in (await said(environ) or "")


async def test_a_forged_trail_or_book_fails_the_drill(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection, fresh: None
) -> None:
    await trade(shop)
    await admin.execute("UPDATE stock SET quantity = quantity + 1 WHERE tenant_id = $1", UUID(shop.tenant_id))
    await admin.execute(
        "UPDATE audit_entry SET content = content || ' ' WHERE tenant_id = $1 AND seq = 1", UUID(other_shop.tenant_id)
    )
    assert await desk.back_up(database, await backed_up(database))
    drill_id = await runs.ask_drill(database, "prueba")
    assert await desk.work_once(database)
    error = (await row_of(admin, "backup_drill", drill_id))["error"]
    assert f"company {shop.tenant_id}: 1 differences" in error
    assert f"company {other_shop.tenant_id}: its audit chain" in error
    await admin.execute("UPDATE stock SET quantity = quantity - 1 WHERE tenant_id = $1", UUID(shop.tenant_id))
    await admin.execute(
        "UPDATE audit_entry SET content = rtrim(content) WHERE tenant_id = $1 AND seq = 1", UUID(other_shop.tenant_id)
    )


async def test_an_object_that_was_touched_is_refused_before_anything_is_written(
    database: Database, settings: Settings, admin: asyncpg.Connection, fresh: None
) -> None:
    storage, keys = desk.storage_of(settings), BackupKeys.of(settings)
    run_id = await backed_up(database)
    assert await desk.back_up(database, run_id)
    name = (await row_of(admin, "backup_run", run_id))["object_name"]
    folder = folder_of(settings.backup_storage_url)
    assert folder is not None
    whole, beside = (folder / name).read_bytes(), (folder / (name + BESIDE)).read_bytes()

    async def refusal(raw: bytes = whole, manifest: bytes = beside, own: BackupKeys = keys) -> str:
        (folder / name).write_bytes(raw)
        (folder / (name + BESIDE)).write_bytes(manifest)
        drill_id = await runs.ask_drill(database, "prueba")
        databases = "SELECT count(*) FROM pg_database"
        count = await admin.fetchval(databases)
        assert await desk.work_once(database)
        row = await row_of(admin, "backup_drill", drill_id)
        assert await admin.fetchval(databases) == count
        assert row["status"] == "failed"
        assert row["step"] in {"", "Leyendo el archivo"}
        return str(row["error"])

    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    assert "was changed" in await refusal(bytes(flipped))
    assert "cut off" in await refusal(whole[:-100])
    changed = json.loads(beside)
    inner = json.loads(changed["manifest"])
    inner["tables"].pop()
    changed["manifest"] = json.dumps(inner)
    assert "was changed" in await refusal(manifest=json.dumps(changed).encode())
    (folder / name).write_bytes(whole)
    (folder / (name + BESIDE)).write_bytes(beside)
    with pytest.raises(ArchiveBroken, match="this key does not open"):
        await read_archive(storage, name, BackupKeys(os.urandom(32)), PlatformManifest)
    # A new key: the archive stays as it is, only its file beside is written again.
    new = os.urandom(32)
    former = settings.backup_key or settings.secret_key
    assert await rewrap(storage, name, BackupKeys(new, (former,)))
    await read_archive(storage, name, BackupKeys(new), PlatformManifest)
    assert (folder / name).read_bytes() == whole
    assert await rewrap(storage, name, BackupKeys(former, (new,)))


def _program(folder: Path, script: str) -> str:
    """A `pg_dump` that misbehaves, in a folder of its own."""
    folder.mkdir()
    real = os.environ["PG_REAL"]
    file = folder / "pg_dump"
    file.write_text(f"#!/bin/sh\nREAL={real}/pg_dump\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(folder)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('case "$*" in *snapshot*) "$REAL" "$@" | head -c 20000; kill -9 $$;; *) exec "$REAL" "$@";; esac', "signal 9"),
        (
            'case "$*" in *snapshot*) "$REAL" "$@"; echo boom >&2; exit 3;; *) exec "$REAL" "$@";; esac',
            "ended with 3: boom",
        ),
        (
            'case "$*" in --version) echo "pg_dump (PostgreSQL) 9.6";; *) exec "$REAL" "$@";; esac',
            "older than the server",
        ),
    ],
    ids=["killed", "failed", "too old"],
)
async def test_a_dump_that_dies_leaves_no_object_and_the_next_one_is_fine(
    script: str,
    reason: str,
    database: Database,
    settings: Settings,
    admin: asyncpg.Connection,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh: None,
) -> None:
    monkeypatch.setenv("PG_REAL", str(settings.postgres_programs))
    store = tmp_path / "respaldos"
    bad = msgspec.structs.replace(
        settings, postgres_programs=_program(tmp_path / "programs", script), backup_storage_url=store.as_uri()
    )
    monkeypatch.setattr(database, "settings", bad)
    run_id = await backed_up(database)
    assert not await desk.back_up(database, run_id)
    row = await row_of(admin, "backup_run", run_id)
    assert (row["status"], row["object_name"]) == ("failed", None)
    assert reason in row["error"]
    assert objects(store) == []
    assert "El último respaldo falló" in (await said(environ) or "")
    monkeypatch.setattr(
        database, "settings", msgspec.structs.replace(bad, postgres_programs=settings.postgres_programs)
    )
    assert await desk.back_up(database, await backed_up(database))
    assert len(objects(store)) == 2
    assert await said(environ) is None


async def test_a_worker_that_died_is_noticed_and_its_backup_begun_anew(
    database: Database, admin: asyncpg.Connection, environ: dict[str, str], fresh: None
) -> None:
    run_id = await backed_up(database)
    assert await runs.claim(database, "backup_run") is None
    await admin.execute("UPDATE backup_run SET progress_at = now() - interval '3 minutes' WHERE id = $1", run_id)
    assert "no da señales de vida" in (await said(environ) or "")
    assert not await desk.work_once(database)
    assert (await row_of(admin, "backup_run", run_id))["status"] == "failed"
    assert "El proceso que lo hacía murió" in (await said(environ) or "")
    again = await runs.ask_backup(database, "prueba")
    assert again != run_id
    assert await desk.work_once(database)
    assert await said(environ) is None


async def test_a_stopped_worker_gives_its_backup_back(
    database: Database, admin: asyncpg.Connection, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await backed_up(database)
    started = asyncio.Event()

    async def endless(*_: object) -> None:
        started.set()
        await asyncio.sleep(3600)

    monkeypatch.setattr(desk, "make", endless)
    working = asyncio.create_task(desk.back_up(database, run_id))
    await started.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await row_of(admin, "backup_run", run_id))["status"] == "waiting"


async def test_a_full_disk_leaves_no_object(settings: Settings, tmp_path: Path, database: Database) -> None:
    """A store whose folder takes no more: here one of a file system that is always full."""
    broken = Storage((tmp_path / "store").as_uri())
    (tmp_path / "store" / "plataforma").symlink_to("/dev/full")
    with pytest.raises(Exception, match="plataforma"):
        await make(settings, broken, BackupKeys.of(settings), UUID(int=1), lambda _done: None)
    assert objects(tmp_path / "store") == []
