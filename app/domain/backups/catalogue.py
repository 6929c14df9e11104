"""What the database itself says of its tables: nothing here is a list to keep up, so no new table can be forgotten.

Speaks to asyncpg directly: snapshots that others join, COPY, and connections of other roles are no business of a request.
"""

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    import asyncpg

    Connection: TypeAlias = asyncpg.Connection  # pyright: ignore[reportInvalidTypeArguments]
else:
    Connection = Any

SETTINGS: Final = {
    "application_name": "mostrador-backup",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}
"""Of every connection here: a row must read the same wherever it is read."""

_TABLES: Final = """
SELECT c.relname AS name, coalesce(a.attnum IS NOT NULL, false) AS owned
FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    AND a.attnotnull AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indkey[0] = a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname COLLATE "C"
"""
_COLUMNS: Final = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attgenerated <> '' AS generated,
       coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE '%pg_current_xact_id%', false) AS stamp
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = format('public.%I', $1::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY: Final = """
SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = format('public.%I', $1::text)::regclass AND i.indisprimary ORDER BY k.place
"""
_REFERENCES: Final = """
SELECT f.conrelid::regclass::text AS child, f.confrelid::regclass::text AS parent FROM pg_constraint f
WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace AND f.conrelid <> f.confrelid
"""
_GUARDS: Final = """
SELECT coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), '') FROM (
    SELECT format('rls %s %s %s', relname, relrowsecurity, relforcerowsecurity) AS line FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    UNION ALL SELECT format('policy %s.%s %s %s %s %s', tablename, policyname, cmd, roles, qual, with_check) FROM pg_policies
    WHERE schemaname = 'public'
    UNION ALL SELECT format('grant %s %s %s', c.relname, g.grantee::regrole, g.privilege_type)
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND g.grantee::regrole::text LIKE 'mostrador\\_%'
    UNION ALL SELECT format('grant %s.%s %s %s', c.relname, a.attname, g.grantee::regrole, g.privilege_type)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN LATERAL aclexplode(a.attacl) g
    WHERE c.relnamespace = 'public'::regnamespace AND g.grantee::regrole::text LIKE 'mostrador\\_%'
    UNION ALL SELECT format('function %s %s', p.oid::regprocedure, md5(p.prosrc)) FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL SELECT format('constraint %s %s %s', c.conrelid::regclass, conname, pg_get_constraintdef(c.oid))
    FROM pg_constraint c WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
) AS lines
"""
"""Everything that keeps the data right and companies apart, one a line: fences, grants, functions, constraints, indexes."""


class CatalogueRefused(Exception):
    """The tables are of a shape that cannot be backed up or restored: the message names it."""


class Column(msgspec.Struct, frozen=True):
    """A column as `pg_attribute` has it."""

    name: str
    type: str
    is_generated: bool
    is_stamp: bool
    """Its default is the id of the writing transaction: means something in one cluster only, and is written anew."""

    @property
    def is_data(self) -> bool:
        """Whether it is kept: what PostgreSQL computes and what a restore writes anew is not."""
        return not self.is_generated and not self.is_stamp


class Table(msgspec.Struct, frozen=True):
    """A table with its columns, in order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns of the primary key, in its order."""

    @property
    def data(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_data)

    @property
    def stamps(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.is_stamp)


async def all_tables(connection: Connection) -> list[str]:
    """Names of every table, sorted."""
    return [row["name"] for row in await connection.fetch(_TABLES)]


async def company_tables(connection: Connection) -> list[Table]:
    """Every table whose key begins with the company, parents before children.

    Raises `CatalogueRefused` for tables that point at each other in a circle.
    """
    names = [row["name"] for row in await connection.fetch(_TABLES) if row["owned"]]
    graph: dict[str, set[str]] = {name: set() for name in names}
    for child, parent in await references(connection):
        if child in graph and parent in graph:
            graph[child].add(parent)
    try:
        ordered = list(TopologicalSorter({name: sorted(graph[name]) for name in names}).static_order())
    except CycleError as error:
        raise CatalogueRefused(f"tables point at each other: {' -> '.join(error.args[1])}") from error
    return [await _table(connection, name) for name in ordered]


async def _table(connection: Connection, name: str) -> Table:
    rows = await connection.fetch(_COLUMNS, name)
    key = [row["attname"] for row in await connection.fetch(_KEY, name)]
    columns = tuple(Column(row["name"], row["type"], row["generated"], row["stamp"]) for row in rows)
    return Table(name, columns, tuple(key))


async def stamped(connection: Connection) -> list[tuple[str, str]]:
    """Table and column of every stamp of the writing transaction."""
    found: list[tuple[str, str]] = []
    for name in await all_tables(connection):
        found += [(name, row["name"]) for row in await connection.fetch(_COLUMNS, name) if row["stamp"]]
    return found


async def guards(connection: Connection) -> list[str]:
    """Fences, grants, functions, constraints and indexes, one a line."""
    found: Any = await connection.fetchval(_GUARDS)
    return str(found).splitlines()


async def revision_of(connection: Connection) -> str:
    """The schema's revision."""
    found: Any = await connection.fetchval("SELECT version_num FROM alembic_version")
    return str(found)


class TableSum(msgspec.Struct, frozen=True, rename="camel"):
    """What a table held: so many rows, and a sum over all of them that no order of rows changes."""

    table: str
    rows: int
    checksum: str


async def sums(connection: Connection, tables: Iterable[str]) -> list[TableSum]:
    """Count and checksum of tables, whole, in the snapshot of the connection's transaction."""
    return [await table_sum(connection, table) for table in tables]


async def table_sum(connection: Connection, table: str) -> TableSum:
    """Two independent 64-bit hashes of each row's text, added up."""
    row = await connection.fetchrow(
        "SELECT count(*) AS rows, coalesce(sum(hashtextextended(r, 0)::numeric), 0)::text || '.' || "
        "coalesce(sum(hashtextextended(r, 1)::numeric), 0)::text AS checksum "
        f"FROM (SELECT t::text AS r FROM {quoted(table)} AS t) AS texts"
    )
    assert row is not None
    return TableSum(table, row["rows"], row["checksum"])


def quoted(name: str) -> str:
    """An identifier as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes it, where no parameter may stand (COPY)."""
    if "\\" in text or "\0" in text:
        raise ValueError("no backslash and no NUL may stand in a literal")
    return "'" + text.replace("'", "''") + "'"


def export_query(table: Table, tenant_id: UUID, renamed: dict[str, str], condition: str = "") -> str:
    """A statement that answers each of a company's rows as one `jsonb`, `line`, in the order of its key.

    The company's own id is left out, and reads `$tenant` where a row repeats it; `renamed` says of further ids how they
    are to read. Numbers stand as texts, so that no reader rounds them. The order is the same on every server.
    """
    names = msgspec.json.encode({str(tenant_id): OWN_ID} | renamed).decode()
    parts = [f"{_kept(column, names)} AS {quoted(column.name)}" for column in table.data if column.name != TENANT]
    order = [
        _ordered(column, names if renamed else None)
        for name in table.key
        for column in table.columns
        if column.name == name != TENANT
    ]
    where = f"t.tenant_id = {literal(str(tenant_id))}" + (f" AND {condition}" if condition else "")
    by = f" ORDER BY {', '.join(order)}" if order else ""
    return f"SELECT to_jsonb(r) AS line FROM (SELECT {', '.join(parts)} FROM {quoted(table.name)} AS t WHERE {where}{by}) AS r"


def _ordered(column: Column, names: str | None) -> str:
    own = f"t.{quoted(column.name)}"
    if column.type == "uuid" and names is not None:
        return f'({_kept(column, names)}) COLLATE "C"'
    return f'{own} COLLATE "C"' if column.type in {"text", "character varying"} else own


TENANT: Final = "tenant_id"
OWN_ID: Final = "$tenant"
_EXACT: Final = frozenset({"numeric", "bigint"})
_JSON_NULL: Final = '{"$json": null}'
"""How a JSON null is told from no value."""


def _kept(column: Column, names: str) -> str:
    own = f"t.{quoted(column.name)}"
    if column.type in _EXACT:
        return f"{own}::text"
    if column.type == "uuid":
        return f"coalesce({literal(names)}::jsonb ->> {own}::text, {own}::text)"
    if column.type == "jsonb":
        return f"CASE WHEN {own} = 'null'::jsonb THEN {literal(_JSON_NULL)}::jsonb ELSE {own} END"
    return own


def load_statement(table: Table, tenant_id: UUID, renamed: dict[str, str], staged: str) -> str:
    """A statement that writes the staged lines as rows of a company; `renamed` as they read to what they are to be."""
    names = msgspec.json.encode({OWN_ID: str(tenant_id)} | renamed).decode()
    columns = [column for column in table.data if column.name != TENANT]
    record = ", ".join(
        f"{quoted(column.name)} {'text' if column.type == 'uuid' else column.type}" for column in columns
    )
    values = ", ".join(_loaded(column, names) for column in columns)
    targets = ", ".join(quoted(column.name) for column in columns)
    if not columns:
        raise CatalogueRefused(f"{table.name} has no columns besides its company")
    return (
        f"INSERT INTO {quoted(table.name)} (tenant_id, {targets}) OVERRIDING SYSTEM VALUE "
        f"SELECT {literal(str(tenant_id))}::uuid, {values} FROM {staged} AS s, "
        f"LATERAL jsonb_to_record(s.line) AS r({record})"
    )


def _loaded(column: Column, names: str) -> str:
    own = f"r.{quoted(column.name)}"
    if column.type == "uuid":
        return f"coalesce({literal(names)}::jsonb ->> {own}, {own})::uuid"
    if column.type == "jsonb":
        return (
            f"CASE WHEN {own} = {literal(_JSON_NULL)}::jsonb THEN 'null'::jsonb "
            f"WHEN {own} = 'null'::jsonb THEN NULL ELSE {own} END"
        )
    return own


def line_key(table: Table) -> str:
    """SQL for the key of a staged or exported line, as one text."""
    names = [name for name in table.key if name != TENANT]
    if not names:
        return "''"
    return "concat_ws('|', " + ", ".join(f"line ->> {literal(name)}" for name in names) + ")"


def children_first(tables: Sequence[Table]) -> list[Table]:
    return list(reversed(tables))


async def references(connection: Connection) -> list[tuple[str, str]]:
    """Tables with those they point at."""
    return [(row["child"].strip('"'), row["parent"].strip('"')) for row in await connection.fetch(_REFERENCES)]


async def parents_of(connection: Connection, tables: Iterable[str]) -> set[str]:
    """Tables that these point at, and those point at, and so on."""
    points: dict[str, set[str]] = {}
    for child, parent in await references(connection):
        points.setdefault(child, set()).add(parent)
    found: set[str] = set()
    waiting = list(tables)
    while waiting:
        for parent in points.get(waiting.pop(), set()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found
