"""Bringing one company back: into its own place, or as a new company. All of it in one transaction, or nothing.

As the owner of the tables, since the application can neither delete nor turn back; every statement names the company. Before
anything is kept, the rows that were written are read again and their hashes compared with the archive's.
"""

import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
import msgspec

from app.db.session import Database
from app.domain.backups.catalogue import (
    SETTINGS,
    TENANT,
    Connection,
    Table,
    children_first,
    company_tables,
    line_key,
    load_statement,
    parents_of,
    quoted,
    revision_of,
)
from app.domain.backups.company import aftermath, living
from app.domain.backups.company.copying import STAGED, copy_out, make_stage, stage
from app.domain.backups.company.format import NOT_OF_THE_COMPANY, TRAIL, Contents, RestoreRefused
from app.domain.backups.company.people import match_people
from app.domain.backups.company.reading import CompanyArchive
from app.lib import clock
from app.lib.schemas import Output
from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CLAIM: Final = "SELECT true FROM company_restore WHERE tenant_id = $1 AND id = $2 AND status = 'running' FOR UPDATE"
_DONE: Final = (
    "UPDATE company_restore SET status = 'done', finished_at = $3, report = $4::jsonb, new_tenant_id = $5 "
    "WHERE tenant_id = $1 AND id = $2"
)
_LOCKS: Final = (
    "SELECT 1 FROM tenant WHERE tenant_id = $1 FOR UPDATE",
    "SELECT 1 FROM audit_head WHERE tenant_id = $1 FOR UPDATE",
)


class RestoreOver(Exception):
    """Somebody carried this restore out already, or gave it up: nothing was written."""


class RestoreReport(Output):
    """What a restore wrote."""

    tenant_id: UUID
    tables: int
    rows: int
    root_hash: str
    """Of what stands in the database now, compared with the archive's before it was kept."""
    trail_kept: bool
    """The live audit trail went on from where the archive's ended, so it stayed."""
    notes: list[str]
    """What is not as it was in the archive, and why, in Spanish."""
    duration_ms: int
    seconds_per_million_rows: int


class Wish(msgspec.Struct, frozen=True):
    """The row of `company_restore` that a restore carries out: it is done in the restore's own transaction, so never twice."""

    tenant_id: UUID
    restore_id: UUID


def owner_url(settings: Settings) -> str:
    """Raises `SettingsError` where this process has no owner's role."""
    if settings.database_admin_url is None:
        raise SettingsError("DATABASE_ADMIN_URL is missing: restoring a company needs the owner of the tables")
    return settings.database_admin_url


async def restore_same(
    database: Database,
    archive: CompanyArchive,
    user_id: UUID,
    *,
    trail: dict[str, object],
    wish: Wish | None = None,
) -> RestoreReport:
    """Put the company of the archive back in its own place, whatever is there now.

    Raises `RestoreRefused`, and `RestoreOver` for a wish that nobody has any more.
    """
    begun = time.perf_counter()
    contents = archive.contents
    tenant_id = contents.tenant_id
    async with _owner(database.settings) as connection:
        await _claim(connection, wish)
        tables = await fitting_tables(connection, contents)
        for statement in _LOCKS:
            await connection.execute(statement, tenant_id)
        keeps_trail = await _goes_on(connection, contents, tables)
        kept = {*NOT_OF_THE_COMPANY, *(TRAIL if keeps_trail else ())}
        stays = await parents_of(connection, kept)
        by_name = {table.name: table for table in tables}
        await living.remember(connection, tenant_id, by_name)
        wanted = [table for table in tables if table.name not in kept]
        for table in children_first(wanted):
            if table.name not in stays:
                await connection.execute(f"DELETE FROM {quoted(table.name)} WHERE tenant_id = $1", tenant_id)
        for table in wanted:
            await _load(connection, archive, table, tenant_id, {}, over=table.name in stays)
        for table in children_first(wanted):
            if table.name in stays:
                await _drop_others(connection, archive, table, tenant_id)
        await _compare(connection, contents, wanted, tenant_id, {})
        notes = await living.put_back(connection, tenant_id, by_name)
        notes += await aftermath.in_place(connection, tenant_id)
        if keeps_trail:
            notes.append("La auditoría no retrocedió: conserva lo que se hizo después de la copia.")
        await aftermath.record(connection, database, tenant_id, user_id, "company.restored", contents, notes, trail)
        report = _report(tenant_id, contents, keeps_trail, notes, begun)
        await _finish(connection, wish, report, None)
    return report


async def restore_new(
    database: Database,
    archive: CompanyArchive,
    new_tenant_id: UUID,
    user_id: UUID,
    *,
    beside: bool,
    trail: dict[str, object],
    wish: Wish | None = None,
) -> RestoreReport:
    """Bring the archive in as a new company. `beside`: as a copy next to the one it was made of, else as the company itself.

    Raises `RestoreRefused`, `RestoreOver`.
    """
    begun = time.perf_counter()
    contents = archive.contents
    async with _owner(database.settings) as connection:
        await _claim(connection, wish)
        tables = await fitting_tables(connection, contents)
        if await connection.fetchval("SELECT 1 FROM tenant WHERE tenant_id = $1", new_tenant_id):
            raise RestoreRefused(f"there is a company {new_tenant_id} already")
        renamed = await match_people(connection, await archive.people())
        for table in tables:
            await _load(connection, archive, table, new_tenant_id, renamed)
        back = {new: old for old, new in renamed.items()}
        await _compare(connection, contents, tables, new_tenant_id, back)
        notes = await aftermath.as_new(connection, database, contents, new_tenant_id, user_id, beside=beside)
        if renamed:
            notes.append(f"Personas que ya tenían cuenta aquí con el mismo correo: {len(renamed)}.")
        action = "company.copied" if beside else "company.imported"
        await aftermath.record(connection, database, new_tenant_id, user_id, action, contents, notes, trail)
        report = _report(new_tenant_id, contents, False, notes, begun)
        await _finish(connection, wish, report, new_tenant_id)
    return report


@asynccontextmanager
async def _owner(settings: Settings) -> "AsyncIterator[Connection]":
    connection = await asyncpg.connect(owner_url(settings), timeout=10, server_settings=SETTINGS)
    try:
        if await connection.fetchval("SELECT row_security_active('tenant')"):
            raise SettingsError("DATABASE_ADMIN_URL: row level security binds this role, it would restore nothing")
        await make_stage(connection)
        async with connection.transaction():
            yield connection
    finally:
        connection.terminate()


async def _claim(connection: Connection, wish: Wish | None) -> None:
    if wish is not None and not await connection.fetchval(_CLAIM, wish.tenant_id, wish.restore_id):
        raise RestoreOver("the restore was carried out or given up already")


async def _finish(connection: Connection, wish: Wish | None, report: RestoreReport, new_tenant_id: UUID | None) -> None:
    if wish is not None:
        told = msgspec.json.encode(report).decode()
        await connection.execute(_DONE, wish.tenant_id, wish.restore_id, clock.now(), told, new_tenant_id)


async def fitting_tables(connection: Connection, contents: Contents) -> list[Table]:
    """The company's tables, parents first, if the archive is of this shape. Raises `RestoreRefused`."""
    revision = await revision_of(connection)
    if revision != contents.revision:
        raise RestoreRefused(
            f"the archive is of schema {contents.revision}, this database of {revision}: bring it in where they agree, then migrate"
        )
    tables = [table for table in await company_tables(connection) if table.name not in NOT_OF_THE_COMPANY]
    odd = {table.name for table in tables}.symmetric_difference(one.table for one in contents.tables)
    if odd:
        raise RestoreRefused(f"archive and database do not have the same tables: {', '.join(sorted(odd))}")
    return tables


async def _goes_on(connection: Connection, contents: Contents, tables: Sequence[Table]) -> bool:
    """Whether the live audit trail holds everything that the archive's does, unchanged."""
    entries = next(table for table in tables if table.name == "audit_entry")
    live = await copy_out(connection, entries, contents.tenant_id, condition=f"t.seq <= {contents.chain.seq}")
    head = await connection.fetchval("SELECT seq FROM audit_head WHERE tenant_id = $1", contents.tenant_id)
    return live == contents.file_of("audit_entry") and head is not None and head >= contents.chain.seq


async def _load(
    connection: Connection,
    archive: CompanyArchive,
    table: Table,
    tenant_id: UUID,
    renamed: dict[str, str],
    *,
    over: bool = False,
) -> None:
    await stage(connection, archive.lines(table.name))
    statement = load_statement(table, tenant_id, renamed, STAGED)
    if over:
        changes = [
            f"{quoted(one.name)} = excluded.{quoted(one.name)}" for one in table.data if one.name not in table.key
        ]
        key = ", ".join(quoted(name) for name in table.key)
        statement += f" ON CONFLICT ({key}) DO " + (f"UPDATE SET {', '.join(changes)}" if changes else "NOTHING")
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        raise RestoreRefused(f"{table.name}: {error}") from error


async def _drop_others(connection: Connection, archive: CompanyArchive, table: Table, tenant_id: UUID) -> None:
    """Rows of a table that could not be emptied, and that the archive does not have."""
    await stage(connection, archive.lines(table.name))
    key = ", ".join(f"{quoted(name)}::text" for name in table.key if name != TENANT)
    own = f"concat_ws('|', {key})" if key else "''"
    await connection.execute(
        f"DELETE FROM {quoted(table.name)} WHERE tenant_id = $1 AND {own} NOT IN (SELECT {line_key(table)} FROM {STAGED})",
        tenant_id,
    )


async def _compare(
    connection: Connection, contents: Contents, tables: Sequence[Table], tenant_id: UUID, renamed: dict[str, str]
) -> None:
    for table in tables:
        found = await copy_out(connection, table, tenant_id, renamed=renamed)
        wanted = contents.file_of(table.name)
        if (found.rows, found.sha256) != (wanted.rows if wanted else 0, wanted.sha256 if wanted else ""):
            raise RestoreRefused(f"{table.name}: what was written does not read as it stands in the archive")


def _report(tenant_id: UUID, contents: Contents, keeps_trail: bool, notes: list[str], begun: float) -> RestoreReport:
    seconds = time.perf_counter() - begun
    return RestoreReport(
        tenant_id=tenant_id,
        tables=len(contents.tables),
        rows=contents.rows,
        root_hash=contents.root_hash,
        trail_kept=keeps_trail,
        notes=notes,
        duration_ms=round(seconds * 1000),
        seconds_per_million_rows=round(seconds / max(contents.rows, 1) * 1_000_000),
    )
