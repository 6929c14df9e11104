"""The script that spreads the tables over a Citus cluster by company, written from PostgreSQL's own catalogue."""

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Any, Final

import asyncpg
import msgspec

KEY: Final = "tenant_id"

_TABLES: Final = (
    "SELECT c.relname AS name, c.relrowsecurity AS fenced, c.relforcerowsecurity AS forced, "
    "EXISTS (SELECT FROM pg_attribute a JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND a.attnum = i.indkey[0] "
    f"WHERE a.attrelid = c.oid AND a.attname = '{KEY}') AS keyed, "
    "ARRAY(SELECT r.relname::text FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid "
    "WHERE f.conrelid = c.oid AND f.contype = 'f' AND r.oid <> c.oid) AS points_at "
    "FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','p') ORDER BY c.relname"
)
_FUNCTIONS: Final = (
    "SELECT p.oid::regprocedure::text AS signature, p.proargnames[1] AS first FROM pg_proc p "
    "WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND p.prolang <> 0 "
    "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1"
)
_TENANT_ARGUMENT: Final = "of_tenant"


class Table(msgspec.Struct, frozen=True):
    """One of ours, as the catalogue knows it."""

    name: str
    is_forced: bool
    is_of_tenants: bool
    points_at: tuple[str, ...]


class CannotDistribute(Exception):
    """The tables break a rule of docs/operaciones/crecer.md; the message says which."""


async def read_tables(connection: asyncpg.Connection) -> list[Table]:
    rows: Sequence[Any] = await connection.fetch(_TABLES)
    return [Table(row["name"], row["forced"], row["keyed"], tuple(row["points_at"])) for row in rows]


async def script(connection: asyncpg.Connection) -> str:
    """Statements for the coordinator, in an order that it accepts. Raises `CannotDistribute`."""
    tables = {table.name: table for table in await read_tables(connection)}
    functions: Sequence[Any] = await connection.fetch(_FUNCTIONS)
    for table in tables.values():
        for target in table.points_at:
            if not table.is_of_tenants and tables[target].is_of_tenants:
                raise CannotDistribute(f"{table.name} has no company in it and points at {target}")
    for function in functions:
        if function["first"] != _TENANT_ARGUMENT:
            raise CannotDistribute(f"{function['signature']} does not take the company first, as {_TENANT_ARGUMENT}")
    return "\n".join(_lines(tables, functions)) + "\n"


def _lines(tables: dict[str, Table], functions: Sequence[Any]) -> Iterator[str]:
    ordered = list(TopologicalSorter({name: table.points_at for name, table in tables.items()}).static_order())
    yield "-- Written by `mostrador distribute` from the tables of this database; run once, on the coordinator, as its owner."
    yield "-- Before: every worker added (citus_add_node), DATABASE_PIN=set_local everywhere, the service stopped."
    yield "CREATE EXTENSION IF NOT EXISTS citus;"
    yield "-- Shards are asked by their owner: FORCE would hide every row from the moves of shards."
    yield from (f'ALTER TABLE "{name}" NO FORCE ROW LEVEL SECURITY;' for name in ordered if tables[name].is_forced)
    yield "-- Small tables without a company: a copy on every machine."
    yield from (
        f"SELECT create_reference_table('public.{name}');" for name in ordered if not tables[name].is_of_tenants
    )
    yield "-- A company's rows lie together, on one machine; what is pointed at comes first, the others beside the first."
    first, *others = (name for name in ordered if tables[name].is_of_tenants)
    yield f"SELECT create_distributed_table('public.{first}', '{KEY}', colocate_with => 'none');"
    for name in others:
        yield f"SELECT create_distributed_table('public.{name}', '{KEY}', colocate_with => 'public.{first}');"
    yield "-- Functions run where the company's rows are."
    for function in functions:
        signature = function["signature"]
        yield f"SELECT create_distributed_function('{signature}', '{_TENANT_ARGUMENT}', colocate_with => 'public.{first}');"
