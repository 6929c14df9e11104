"""Old entries in signed files: proven before anything relies on them, and the chain holds over them."""

import asyncio
import gzip
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.session import Database
from app.domain.audit.archive import ArchiveRefused, archive, check, restore
from app.domain.audit.verify import verify_chain
from app.lib import clock
from app.settings import Settings
from tests.domain.audit.test_tampering import LENGTH, anchored, breaks, entries, verified
from tests.shop import Shop

OLD = timedelta(days=1)
"""Everything so far is older than tomorrow."""


async def archived(database: Database, company: UUID, folder: Path) -> Path:
    path = await archive(database, company, clock.now() + OLD, folder)
    assert path is not None
    return path


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def prune(admin: asyncpg.Connection, path: Path, database: Database) -> None:
    manifest = check(database, path)
    await admin.execute(
        "DELETE FROM audit_entry WHERE tenant_id = $1 AND seq BETWEEN $2 AND $3",
        manifest.tenant_id, manifest.first_seq, manifest.last_seq,
    )  # fmt: skip


async def test_the_chain_holds_over_archived_entries_and_their_restored_rows(
    shop: Shop, admin: asyncpg.Connection, database: Database, tmp_path: Path
) -> None:
    company = await entries(shop)
    await anchored(database, company)
    first = await archived(database, company, tmp_path)
    # The archive itself is an entry.
    assert breaks(await verified(database, company)) == []
    await entries(shop, LENGTH + 6)
    second = await archived(database, company, tmp_path)
    kept = await admin.fetch("SELECT * FROM audit_entry WHERE tenant_id = $1 ORDER BY seq", company)
    for path in (first, second):
        await prune(admin, path, database)
    found = await verified(database, company)
    assert (found.breaks, found.archived, found.checkpoints) == ([], LENGTH + 6, 1)
    assert found.checked == found.head_seq - found.archived
    async with database.job_transaction(company) as work:
        for stretch in ((3, 5), (5, LENGTH + 7), (LENGTH + 1, None), (1, LENGTH)):
            assert breaks(await verify_chain(work, *stretch)) == []
    assert await restore(database, first) == LENGTH
    assert await restore(database, second) == 6
    assert await restore(database, second) == 0
    back = await admin.fetch("SELECT * FROM audit_entry WHERE tenant_id = $1 ORDER BY seq", company)
    assert back[: len(kept)] == kept
    assert breaks(await verified(database, company)) == []


async def test_an_archive_hides_no_missing_entry_beside_it(
    shop: Shop, admin: asyncpg.Connection, database: Database, tmp_path: Path
) -> None:
    company = await entries(shop)
    path = await archived(database, company, tmp_path)
    await entries(shop, LENGTH + 6)
    await prune(admin, path, database)
    await admin.execute("DELETE FROM audit_entry WHERE tenant_id = $1 AND seq = $2", company, LENGTH + 1)
    assert breaks(await verified(database, company)) == [
        ("missing", LENGTH + 1, LENGTH + 1),
        ("unknown", LENGTH + 2, LENGTH + 2),
    ]


@pytest.mark.parametrize(
    "change",
    [
        "last_hash = sha256(last_hash)",
        "last_seq = last_seq + 1",
        "manifest = replace(manifest, '\"entries\":12', '\"entries\":11')",
        "signature = sha256(signature) || sha256(signature)",
    ],
)
async def test_a_forged_archive_covers_nothing_up(
    shop: Shop, admin: asyncpg.Connection, database: Database, tmp_path: Path, change: str
) -> None:
    company = await entries(shop)
    path = await archived(database, company, tmp_path)
    await entries(shop, LENGTH + 4)
    await prune(admin, path, database)
    await admin.execute(f"UPDATE audit_archive SET {change} WHERE tenant_id = $1", company)
    kinds = [kind for kind, _, _ in breaks(await verified(database, company))]
    assert sorted(kinds) == ["archive", "missing", "unknown"]


async def test_entries_that_differ_from_their_archive_are_told(
    shop: Shop, admin: asyncpg.Connection, database: Database, tmp_path: Path
) -> None:
    company = await entries(shop)
    await archived(database, company, tmp_path)
    await admin.execute("UPDATE audit_entry SET hash = sha256(hash) WHERE tenant_id = $1 AND seq = $2", company, LENGTH)
    assert ("archive", LENGTH, LENGTH) in breaks(await verified(database, company))


def rewrite(path: Path, change: tuple[str, str]) -> None:
    file = path.parent / json.loads(json.loads(path.read_text())["manifest"])["file"]
    file.write_bytes(
        gzip.compress(gzip.decompress(file.read_bytes()).replace(change[0].encode(), change[1].encode(), 1))
    )


async def test_a_file_that_was_touched_is_refused(shop: Shop, database: Database, tmp_path: Path) -> None:
    path = await archived(database, await entries(shop), tmp_path)
    whole = path.read_text()
    manifest = check(database, path)
    assert (manifest.first_seq, manifest.last_seq, manifest.entries) == (1, LENGTH, LENGTH)
    path.write_text(whole.replace('\\"entries\\":12', '\\"entries\\":11'))
    with pytest.raises(ArchiveRefused, match="not signed"):
        check(database, path)
    path.write_text(whole)
    rewrite(path, ("Gracias", "Gratias"))
    with pytest.raises(ArchiveRefused, match="not the one that was signed"):
        check(database, path)
    (path.parent / manifest.file).unlink()
    with pytest.raises(ArchiveRefused, match="No such file"):
        await restore(database, path)
    path.write_text("{}")
    with pytest.raises(ArchiveRefused, match="missing required field"):
        check(database, path)


async def test_a_broken_chain_is_not_archived(
    shop: Shop, admin: asyncpg.Connection, database: Database, tmp_path: Path
) -> None:
    company = await entries(shop)
    await admin.execute("UPDATE audit_entry SET number = 99 WHERE tenant_id = $1 AND seq = 7", company)
    with pytest.raises(ArchiveRefused, match="entry 7"):
        await archive(database, company, clock.now() + OLD, tmp_path)
    assert files(tmp_path) == []
    async with database.job_transaction(company) as work:
        assert await work.session.scalar(text("SELECT count(*) FROM audit_archive")) == 0


async def test_only_what_is_old_enough_is_archived(shop: Shop, database: Database, tmp_path: Path) -> None:
    company = await entries(shop)
    assert await archive(database, company, clock.now() - OLD, tmp_path) is None
    middle = clock.now()
    await entries(shop, LENGTH + 3)
    path = await archive(database, company, middle, tmp_path)
    assert path is not None
    assert check(database, path).last_seq == LENGTH


async def test_the_application_can_delete_no_entry_and_no_archive(shop: Shop, database: Database) -> None:
    company = await entries(shop)
    for table in ("audit_entry", "audit_archive", "audit_checkpoint", "consent"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.job_transaction(company) as work:
                await work.session.execute(text(f"DELETE FROM {table} WHERE tenant_id = :t"), {"t": company})
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.platform_transaction() as session:
            await session.execute(text("DELETE FROM audit_entry"))


def mostrador(*words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", *words], env=environ, capture_output=True, text=True, check=False
    )


async def test_the_commands_anchor_prove_prune_and_restore(
    shop: Shop, database: Database, environ: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    company = str(await entries(shop))

    async def run(*words: str, code: int = 0, **changed: str) -> str:
        done = await asyncio.to_thread(mostrador, *words, environ=environ | changed)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    heads = tmp_path / "heads"
    heads.mkdir()
    assert f"anchored at {LENGTH}" in await run("anchor", "--company", company, "--out", str(heads))
    assert "nothing new" in await run("anchor", "--company", company, "--out", str(heads))
    # Ten years have not passed, and nobody says otherwise on the command line.
    tomorrow = (clock.now() + OLD).date().isoformat()
    words = ("archive", "--company", company, "--out", str(tmp_path))
    assert "nothing to archive" in await run(*words)
    assert "AUDIT_RETENTION_YEARS" in await run(*words, "--before", tomorrow, code=2)
    path = str(await archived(database, UUID(company), tmp_path))
    assert "are what was written" in await run("verify-archive", path)
    assert "DATABASE_ADMIN_URL is missing" in await run("prune", path, code=2, DATABASE_ADMIN_URL="")
    wrong = await run("prune", path, code=2, DATABASE_ADMIN_URL=settings.database_url)
    assert "it would delete nothing" in wrong
    assert f"{LENGTH} entries now lie in" in await run("prune", path)
    said = await run("verify", "--company", company, "--checkpoints", str(heads))
    assert f"{LENGTH} archived, 1 anchored heads, 0 breaks" in said
    assert f"{LENGTH} entries restored" in await run("restore-archive", path)
    listed = (await shop.get("/v1/audit/entries", action="audit.")).json()["items"]
    assert [entry["action"] for entry in listed] == ["audit.restored", "audit.pruned", "audit.archived"]
    assert "No such file" in await run("verify-archive", str(tmp_path / "none.json"), code=1)
