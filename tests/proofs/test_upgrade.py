"""A revision that adds a compulsory column and an index to a large table that every sale writes, while tills sell."""

import asyncio
import os
import time
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from sqlalchemy import Connection

from app.db import migrate as migrations
from app.db.session import Database
from app.settings import Settings
from tests.deploy.test_leaving import serving
from tests.deployed import Told, _company, _seller
from tests.proofs.test_audit import lengthen
from tests.shop import Shop

SELLERS = 16
AROUND_SECONDS = 5
"""They sell so long before the revision, between up and down, and after it."""
REVISION = """
import sqlalchemy as sa
from alembic import op
from app.db.expand import add_index, drop_index

revision = "grown"
down_revision = "{head}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("audit_entry", sa.Column("mood", sa.Text(), nullable=False, server_default="calm"))
    add_index("ix_audit_entry_mood", "audit_entry", ["tenant_id", "mood", "seq"])


def downgrade() -> None:
    drop_index("ix_audit_entry_mood")
    op.drop_column("audit_entry", "mood")
"""


@pytest.fixture
def with_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One revision more than there is, where `mostrador migrate` looks; the revision before it."""
    head = migrations.head_revision()
    assert head is not None
    (tmp_path / "v9999_grown.py").write_text(REVISION.format(head=head), encoding="utf-8")
    plain = migrations.alembic_config

    def config(connection: Connection | None = None) -> Config:
        made = plain(connection)
        made.set_main_option("version_locations", f"{made.get_main_option('script_location')}/versions:{tmp_path}")
        made.set_main_option("path_separator", "os")
        return made

    monkeypatch.setattr(migrations, "alembic_config", config)
    return head


async def prove(
    environ: dict[str, str], settings: Settings, shop: Shop, database: Database, admin: asyncpg.Connection, rows: int
) -> Told:
    """Fill the table, sell, go up and down; what the sellers were told."""
    head = migrations.head_revision()
    assert head is not None
    await lengthen(shop, database, admin, rows)
    told = Told()
    with serving(environ) as (_process, url):
        tills = [await _company(url) for _ in range(2)]
        ends = time.monotonic() + 3_600
        sellers = [asyncio.create_task(_seller(url, *tills[n % 2], ends, told)) for n in range(SELLERS)]
        took = []
        for revision in ("grown", head):
            await asyncio.sleep(AROUND_SECONDS)
            began = time.monotonic()
            # In a thread with a loop of its own: the sellers' does not wait for it.
            await asyncio.to_thread(asyncio.run, migrations.migrate(settings, revision))
            took.append(time.monotonic() - began)
            indexes = await admin.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_audit_entry_mood'")
            assert indexes == (revision == "grown")
        await asyncio.sleep(AROUND_SECONDS)
        for seller in sellers:
            seller.cancel()
        await asyncio.gather(*sellers, return_exceptions=True)
    print(
        f"{rows} rows, up {took[0]:.1f} s, down {took[1]:.1f} s, {SELLERS} sellers: {told.line()}; "
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )
    assert not told.failures
    assert len(told.seconds) > 100
    return told


@pytest.mark.usefixtures("with_revision")
async def test_a_revision_under_sellers_fails_no_sale(
    environ: dict[str, str], settings: Settings, shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await prove(environ, settings, shop, database, admin, 5_000)


@pytest.mark.proof
@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("with_revision")
async def test_a_revision_of_a_million_rows_under_sellers_fails_no_sale_and_holds_none_up(
    environ: dict[str, str], settings: Settings, shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    told = await prove(environ, settings, shop, database, admin, 1_000_000)
    assert sorted(told.seconds)[int(len(told.seconds) * 0.99)] < 1.0
