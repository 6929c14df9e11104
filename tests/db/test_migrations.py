"""Revisions: up, down, up again, on a database of their own."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from app.db.locks import AdvisoryLock
from app.db.migrate import alembic_config, drift, migrate
from app.settings import Settings, read_settings
from tests.conftest import in_database


@pytest.fixture
async def empty(environ: dict[str, str]) -> AsyncIterator[Settings]:
    """Settings of a new, empty database. Passwords of roles belong to all databases, so one test at a time sets them."""
    name = f"mostrador_migrations_{uuid4().hex[:8]}"
    url = make_url(environ["DATABASE_ADMIN_URL"]).set(database="postgres").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock(2)")
        await connection.execute(f"CREATE DATABASE {name}")
        yield read_settings(in_database(environ, name))
    finally:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()


async def tables(settings: Settings) -> set[str]:
    assert settings.database_admin_url
    connection = await asyncpg.connect(settings.database_admin_url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


async def test_up_down_and_up_again_leave_what_the_models_say(empty: Settings) -> None:
    await migrate(empty)
    assert await drift(empty) == []
    full = await tables(empty)
    await migrate(empty, "base")
    assert await tables(empty) == {"alembic_version"}
    assert await drift(empty) != []
    await migrate(empty)
    assert await tables(empty) == full
    assert await drift(empty) == []


async def test_each_revision_can_be_taken_back_alone(empty: Settings) -> None:
    seen = [await tables(empty)]
    for step in reversed(list(ScriptDirectory.from_config(alembic_config()).walk_revisions())):
        await migrate(empty, step.revision)
        seen.append(await tables(empty))
    while len(seen) > 2:
        seen.pop()
        await migrate(empty, "-1")
        assert await tables(empty) == seen[-1]


async def test_two_migrators_take_turns(empty: Settings) -> None:
    await asyncio.gather(migrate(empty), migrate(empty))
    assert await drift(empty) == []


async def test_a_migrator_waits_for_the_one_before(empty: Settings) -> None:
    assert empty.database_admin_url
    other = await asyncpg.connect(empty.database_admin_url)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", int(AdvisoryLock.MIGRATION))
        waiting = asyncio.create_task(migrate(empty))
        while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert not waiting.done()
            await asyncio.sleep(0.02)
        assert await tables(empty) == set()
        await other.execute("SELECT pg_advisory_unlock($1)", int(AdvisoryLock.MIGRATION))
        await waiting
    finally:
        await other.close()
    assert "sale" in await tables(empty)


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("trial", ["new", "trial"]),
        ("active", ["new", "trial", "active"]),
        ("past-due", ["new", "trial", "active", "past-due"]),
        ("read-only", ["new", "trial", "read-only"]),
        ("suspended", ["new", "trial", "suspended"]),
        ("closed", ["new", "trial", "closed"]),
    ],
)
async def test_a_company_from_before_plans_and_life_cycle_has_both(
    empty: Settings, status: str, steps: list[str]
) -> None:
    assert empty.database_admin_url
    await migrate(empty, "0012")
    connection = await asyncpg.connect(empty.database_admin_url)
    tenant, branch, shelf, user = uuid4(), uuid4(), uuid4(), uuid4()
    try:
        for statement, values in (
            ("INSERT INTO tenant (tenant_id, name, nit, dv, status) VALUES ($1, 'T', '900123456', '8', $2)", (status,)),
            ("INSERT INTO branch (tenant_id, id, code, name) VALUES ($1, $2, '1', 'P')", (branch,)),
            ("INSERT INTO warehouse (tenant_id, id, branch_id, name) VALUES ($1, $3, $2, 'B')", (branch, shelf)),
            ("INSERT INTO cash_register (tenant_id, id, branch_id, warehouse_id, name) VALUES ($1, $2, $2, $3, 'C')",
             (branch, shelf)),
            ("WITH one AS (INSERT INTO app_user (id, email, email_norm, name, password_hash) "
             "VALUES ($2, 'a', 'a', 'A', '')) INSERT INTO membership (tenant_id, id, user_id, role, display_name) "
             "VALUES ($1, $2, $2, 'owner', 'A')", (user,)),
        ):  # fmt: skip
            await connection.execute(statement, tenant, *values)
        await migrate(empty)
        rows = await connection.fetch("SELECT from_status, to_status FROM tenant_transition ORDER BY seq")
        assert [rows[0]["from_status"], *(row["to_status"] for row in rows)] == steps
        now = await connection.fetchrow("SELECT plan, modules, status_seq, trial_ends_at FROM tenant")
        assert now is not None
        assert (now["plan"], now["status_seq"]) == ("pro", len(rows))
        assert set(json.loads(now["modules"])) == {"imports", "invoicing", "transfers", "api"}
        assert (now["trial_ends_at"] is not None) == (status == "trial")
        used = await connection.fetch("SELECT resource, used FROM tenant_usage ORDER BY resource")
        assert {row["resource"]: row["used"] for row in used} == {
            "branches": 1, "products": 0, "registers": 1, "storage": 0, "users": 1, "warehouses": 1,
        }  # fmt: skip
        await migrate(empty, "0012")
        assert await connection.fetchval("SELECT status FROM tenant") == status
    finally:
        await connection.close()
