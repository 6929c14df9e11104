"""Revisions grow the tables under running code, wait briefly for their locks, and can be tried again."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from app.db.migrate import LOCK_LIMIT, migrate
from app.settings import read_settings
from tests.conftest import copy_template, in_database
from tests.db.expand import complaints, later_than_free

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"
UP = "def upgrade() -> None:\n    "

REFUSED = {
    'op.drop_column("sale", "total")': "takes a column away",
    'op.drop_table("sale")': "takes a table away",
    'op.rename_table("sale", "ticket")': "renames a table",
    'op.alter_column("sale", "total", type_=sa.Text())': "changes a column",
    'op.alter_column("sale", "total", new_column_name="sum")': "changes a column",
    'op.alter_column("sale", "note", nullable=False)': "changes a column",
    'op.add_column("sale", sa.Column("mood", sa.Text(), nullable=False))': "compulsory column",
    'op.create_index("ix", "sale", ["total"])': "add_index",
    'op.create_foreign_key("fk", "sale", "branch", ["b"], ["id"])': "NOT VALID",
    'op.create_unique_constraint("uq", "sale", ["total"])': "add_index",
}
TAKEN = (
    'op.add_column("sale", sa.Column("mood", sa.Text(), nullable=True))',
    'op.add_column("sale", sa.Column("mood", sa.Text(), nullable=False, server_default=""))',
    'op.create_table("mood", sa.Column("id", sa.Uuid()))\n    op.create_index("ix", "mood", ["id"])',
    'op.create_foreign_key("fk", "sale", "branch", ["b"], ["id"], postgresql_not_valid=True)',
    'expand.add_index("ix", "sale", ["total"])',
    'op.alter_column("sale", "note", nullable=True)',
)


@pytest.mark.parametrize("line", REFUSED)
def test_what_breaks_running_code_is_refused(line: str) -> None:
    (said,) = complaints(UP + line)
    assert REFUSED[line] in said
    assert complaints(f'CONTRACTS = "0.3: nothing reads it since 0.2"\n{UP}{line}') == []


@pytest.mark.parametrize("line", TAKEN)
def test_what_only_grows_is_taken(line: str) -> None:
    assert complaints(UP + line) == []


def test_every_revision_since_the_first_release_only_grows() -> None:
    assert {file.name: said for file in later_than_free(VERSIONS) if (said := complaints(file.read_text()))} == {}


async def test_a_revision_waits_briefly_for_its_lock_and_is_tried_again(environ: dict[str, str]) -> None:
    """A transaction holds a table that the last revision changes: sellers behind it wait less than a second a try."""
    name = f"{environ['DATABASE_ADMIN_URL'].rpartition('/')[2]}_lock"
    await copy_template(environ["DATABASE_ADMIN_URL"], name)
    own = in_database(environ, name)
    holder, seller = [await asyncpg.connect(own["DATABASE_ADMIN_URL"]) for _ in range(2)]
    try:
        await holder.execute("BEGIN")
        await holder.execute("LOCK TABLE alembic_version IN ACCESS SHARE MODE; SELECT count(*) FROM sale")
        await holder.execute("LOCK TABLE tenant IN ACCESS SHARE MODE")
        moving = asyncio.create_task(asyncio.to_thread(asyncio.run, migrate(read_settings(own), "-1")))
        waits = []
        for _ in range(15):
            began = asyncio.get_running_loop().time()
            await seller.fetchval("SELECT count(*) FROM tenant")
            waits.append(asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.1)
        assert not moving.done()
        assert max(waits) < LOCK_LIMIT / 1000 + 1
        assert max(waits) > 0.2
        await holder.execute("COMMIT")
        await asyncio.wait_for(moving, 60)
    finally:
        await holder.close()
        await seller.close()
