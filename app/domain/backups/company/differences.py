"""The dry run of a restore: what it would change, table by table, with nothing written."""

from uuid import UUID

import asyncpg

from app.db.session import Database
from app.domain.backups.catalogue import SETTINGS, export_query, line_key
from app.domain.backups.company.copying import STAGED, make_stage, stage
from app.domain.backups.company.living import LIVE
from app.domain.backups.company.reading import CompanyArchive
from app.domain.backups.company.restore import fitting_tables
from app.lib.schemas import Output
from app.settings import SettingsError

_SAMPLES = 10
_THERE = "SELECT true FROM tenant WHERE tenant_id = $1"


class TableDifference(Output):
    """One table that a restore would change."""

    table: str
    archived: int
    """Rows in the archive."""
    live: int
    comes_back: int
    """Rows that are gone, or never were here."""
    goes: int
    """Rows written since."""
    changes: int
    examples: list[str]
    """Keys of some of them."""
    stays: bool
    """Differs, but a restore in place leaves it as it is now."""


class Differences(Output):
    """What a restore in place would change."""

    tenant_id: UUID
    snapshot_at: str
    rows: int
    is_same: bool
    tables: list[TableDifference]


async def differences(database: Database, archive: CompanyArchive) -> Differences:
    """Compare an archive with its company as it is now. Raises `RestoreRefused`, `SettingsError`."""
    url = database.settings.database_backup_url
    if url is None:
        raise SettingsError("DATABASE_BACKUP_URL is missing: the comparison reads as the role mostrador_backup")
    contents = archive.contents
    connection = await asyncpg.connect(url, timeout=10, server_settings=SETTINGS)
    try:
        await make_stage(connection)
        found: list[TableDifference] = []
        async with connection.transaction(isolation="repeatable_read"):
            there = bool(await connection.fetchval(_THERE, contents.tenant_id))
            for table in await fitting_tables(connection, contents):
                archived = await stage(connection, archive.lines(table.name))
                key = line_key(table)
                row = await connection.fetchrow(
                    f"WITH live AS (SELECT {key} AS key, md5(line::text) AS body FROM "
                    f"({export_query(table, contents.tenant_id, {})}) AS l), "
                    f"kept AS (SELECT {key} AS key, md5(line::text) AS body FROM {STAGED}), "
                    "both_ AS (SELECT key, live.body AS now, kept.body AS was FROM live FULL JOIN kept USING (key) "
                    "WHERE live.body IS DISTINCT FROM kept.body) "
                    "SELECT count(*) FILTER (WHERE now IS NULL) AS comes, count(*) FILTER (WHERE was IS NULL) AS goes, "
                    "count(*) FILTER (WHERE now IS NOT NULL AND was IS NOT NULL) AS changes, "
                    "(SELECT count(*) FROM live) AS live, "
                    f"coalesce((array_agg(key ORDER BY key))[1:{_SAMPLES}], '{{}}') AS examples FROM both_"
                )
                assert row is not None
                if row["comes"] or row["goes"] or row["changes"]:
                    found.append(
                        TableDifference(
                            table=table.name,
                            archived=archived,
                            live=row["live"],
                            comes_back=row["comes"],
                            goes=row["goes"],
                            changes=row["changes"],
                            examples=list(row["examples"]),
                            stays=there and table.name in LIVE,
                        )
                    )
    finally:
        connection.terminate()
    return Differences(
        tenant_id=contents.tenant_id,
        snapshot_at=contents.snapshot_at,
        rows=contents.rows,
        is_same=not found,
        tables=found,
    )
