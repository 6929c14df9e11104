"""The schema can be spread over machines by company: rules that the catalogue alone does not show, and the script tried."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from app.db.registry import METADATA
from app.lib.driver import constraint_name
from app.ops.distribution import CannotDistribute, read_tables, script
from tests.db.catalogue import OF_PEOPLE, SHARED, Admin

ROOT = Path(__file__).resolve().parents[2]

ACROSS = {
    "app/db/provider_trail.py": "end of the operator's own chain",
    "app/domain/provider/logins.py": "a session of the operator's staff",
    "app/domain/alerts/service.py": "a silence of the operator's",
    "app/domain/accounts/sessions.py": "tokens of a person, before a company is chosen",
    "app/domain/accounts/service.py": "a person, while a session of theirs begins",
    "app/domain/backups/platform/runs.py": "backups of the whole platform",
    "app/domain/billing/panel.py": "plans as they are sold, and events of the payment provider",
    "worker/scheduler.py": "recurring runs of the platform",
}
"""Where rows are locked that belong to no company, and which."""

KEY_TYPES = {"uuid", "bigint", "integer", "smallint", "text", "date", "boolean", "character varying", "numeric"}
"""Numeric: the rate of a tax, in the roll-ups by tax."""

CITUS = """
CREATE SCHEMA citus_stub;
CREATE TABLE citus_stub.placed (name regclass PRIMARY KEY, kind text NOT NULL);
CREATE FUNCTION create_reference_table(named regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = named AND f.contype = 'f' AND f.confrelid <> named
             AND NOT EXISTS (SELECT FROM citus_stub.placed p WHERE p.name = f.confrelid AND p.kind = 'reference')) THEN
    RAISE EXCEPTION '% points at a table that is not a reference table', named;
  END IF;
  INSERT INTO citus_stub.placed VALUES (named, 'reference');
END $$;
CREATE FUNCTION create_distributed_table(named regclass, key text, colocate_with text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  keyed smallint;
BEGIN
  SELECT attnum INTO STRICT keyed FROM pg_attribute WHERE attrelid = named AND attname = key AND attnotnull
    AND atttypid = 'uuid'::regtype;
  IF colocate_with <> 'none' AND NOT EXISTS
     (SELECT FROM citus_stub.placed WHERE name = colocate_with::regclass AND kind = 'distributed') THEN
    RAISE EXCEPTION 'nothing to lie beside for %', named;
  END IF;
  IF EXISTS (SELECT FROM pg_index WHERE indrelid = named AND indisunique AND NOT keyed = ANY (indkey)) THEN
    RAISE EXCEPTION 'cannot create constraint on %: unique without the distribution column', named;
  END IF;
  IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = named AND contype = 'x') THEN
    RAISE EXCEPTION 'exclusion constraint on %', named;
  END IF;
  IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = named AND NOT tgisinternal) THEN
    RAISE EXCEPTION 'trigger on %', named;
  END IF;
  IF EXISTS (SELECT FROM pg_constraint f LEFT JOIN citus_stub.placed p ON p.name = f.confrelid WHERE f.conrelid = named
             AND f.contype = 'f' AND f.confrelid <> named AND (p.kind IS NULL OR p.kind = 'distributed'
             AND NOT keyed = ANY (f.conkey))) THEN
    RAISE EXCEPTION '% points at a table that is elsewhere', named;
  END IF;
  IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = named AND contype = 'f' AND (confdeltype IN ('n','d')
             OR confupdtype IN ('n','d'))) THEN
    RAISE EXCEPTION 'SET NULL or SET DEFAULT on the distribution column of %', named;
  END IF;
  IF (SELECT relforcerowsecurity FROM pg_class WHERE oid = named) THEN
    RAISE EXCEPTION '% still forces row level security', named;
  END IF;
  INSERT INTO citus_stub.placed VALUES (named, 'distributed');
END $$;
CREATE FUNCTION create_distributed_function(named regprocedure, argument text, colocate_with text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT argument = ANY ((SELECT proargnames FROM pg_proc WHERE oid = named)::text[]) THEN
    RAISE EXCEPTION '% has no argument %', named, argument;
  END IF;
END $$;
"""
"""What Citus refuses (create_distributed_table and its documented limits), said by functions of its names."""


async def test_the_script_places_every_table_where_citus_takes_it(admin: Admin) -> None:
    written = await script(admin)
    change = admin.transaction()
    await change.start()
    try:
        await admin.execute(CITUS)
        await admin.execute(written.replace("CREATE EXTENSION IF NOT EXISTS citus;", ""))
        rows = await admin.fetch("SELECT name::text AS name, kind FROM citus_stub.placed")
    finally:
        await change.rollback()
    placed = {row["name"]: row["kind"] for row in rows}
    assert {name for name, kind in placed.items() if kind == "reference"} == {*SHARED, *OF_PEOPLE}
    assert placed.keys() == {table.name for table in await read_tables(admin)}
    assert placed.keys() - {"alembic_version"} == METADATA.tables.keys()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE UNIQUE INDEX bad ON product (sku)",
        "ALTER TABLE sale FORCE ROW LEVEL SECURITY; CREATE TABLE bad (tenant_id uuid PRIMARY KEY, other uuid UNIQUE)",
        "ALTER TABLE product ADD CONSTRAINT bad EXCLUDE USING btree (tenant_id WITH =, id WITH =)",
        "CREATE TRIGGER bad BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER TABLE product ADD CONSTRAINT bad FOREIGN KEY (tenant_id, category_id) REFERENCES category (tenant_id, id) "
        "ON DELETE SET NULL",
    ],
)
async def test_the_trial_refuses_what_citus_refuses(admin: Admin, change: str) -> None:
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(change)
        written = await script(admin)
        await admin.execute(CITUS)
        with pytest.raises(asyncpg.RaiseError):
            await admin.execute(written.replace("CREATE EXTENSION IF NOT EXISTS citus;", ""))
    finally:
        await transaction.rollback()


async def test_a_function_that_does_not_name_its_company_first_cannot_be_placed(admin: Admin) -> None:
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute("CREATE FUNCTION bad(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
        with pytest.raises(CannotDistribute, match="bad"):
            await script(admin)
    finally:
        await transaction.rollback()


async def test_no_number_comes_from_a_sequence(admin: Admin) -> None:
    """A sequence is one machine's; consecutives come from a row of the company, ids from UUIDs."""
    assert (
        await admin.fetch("SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace")
        == []
    )
    types = await admin.fetch(
        "SELECT DISTINCT format_type(a.atttypid, NULL) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) "
        "WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace"
    )
    assert {row[0] for row in types} <= KEY_TYPES


async def test_a_row_cannot_change_its_company(environ: dict[str, str], admin: Admin) -> None:
    """Neither by the fence, which Citus keeps, nor by a statement of ours, which Citus would refuse."""
    tables = await admin.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' "
        "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace "
        "AND has_column_privilege('mostrador_app', c.oid, a.attnum, 'UPDATE') AND NOT EXISTS (SELECT FROM pg_policy p "
        "WHERE p.polrelid = c.oid AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%app.%')"
    )
    assert [row[0] for row in tables] == []
    assert re.search(r"\bSET\s+tenant_id\b", "\n".join(text for _, text in statements()), re.IGNORECASE) is None


def statements() -> Iterator[tuple[str, str]]:
    """Every function, and every assignment outside of one, of `app` and `worker`, with its file."""
    for folder in ("app", "worker"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            source = file.read_text()
            for node in outermost(ast.parse(source)):
                yield str(file.relative_to(ROOT)), ast.get_source_segment(source, node) or ""


def outermost(of: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(of):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign)):
            yield node
        else:
            yield from outermost(node)


def test_rows_are_locked_within_one_company() -> None:
    """`FOR UPDATE` across companies would lock on several machines, which Citus does not do."""
    unnamed = sorted(
        {
            file
            for file, text in statements()
            if re.search(r"FOR (NO KEY )?UPDATE|with_for_update", text)
            and not re.search(r"tenant_id|:t\b|\$\d|_LOCK|_mine|\bmine\b|statement\b", text)
        }
    )
    assert set(unnamed) <= ACROSS.keys(), unnamed


@pytest.mark.parametrize(
    ("told", "ours"), [("uq_sale_client_ref_102008", "uq_sale_client_ref"), ("pk_sale", "pk_sale"), (None, "")]
)
def test_a_constraint_is_known_by_its_name_on_any_shard(told: str | None, ours: str) -> None:
    assert constraint_name(SimpleNamespace(constraint_name=told)) == ours  # type: ignore[arg-type]
