"""The drill: a backup restored into a scratch database and put to every question that would be asked of the real one.

Counts and checksums of all tables, fences and grants, every company's audit chain, and the reconciliation of stock, drawers
and sales, computed on the copy. A backup is good only then.
"""

import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from msgspec import structs
from sqlalchemy import text

from app.db.session import Database
from app.domain.audit.reconcile import reconcile
from app.domain.audit.verify import verify_chain
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform.dump import PlatformManifest
from app.domain.backups.platform.scratch import (
    SCRATCH,
    Unequal,
    admin_url,
    compare,
    drop,
    fill,
    in_database,
    leftovers,
    scratch_database,
)
from app.domain.backups.stored import read_archive
from app.integrations.storage.store import Storage
from app.lib.schemas import Output

_LOG = structlog.stdlib.get_logger("mostrador.backups")

_COMPANIES: Final = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")
_ENDED: Final = text("SELECT id FROM backup_drill WHERE id = ANY(:ids) AND status <> 'running'")
_MOST_NAMED: Final = 10

Tell = Callable[[str], None]


class DrillReport(Output):
    """What a drill found equal, and how long it took."""

    tables: int
    rows: int
    guards: int
    companies: int
    audit_entries: int
    reconciliations: int
    bytes: int
    """Of the archive."""
    read_ms: int
    restore_ms: int
    compare_ms: int
    total_ms: int
    """Milliseconds."""


async def drill(
    database: Database, storage: Storage, keys: BackupKeys, object_name: str, run_id: UUID, drill_id: UUID, tell: Tell
) -> DrillReport:
    """Prove one backup. Raises `ArchiveBroken`, `Unequal`, `ProgramFailed`, `StorageFailed`, `SettingsError`."""
    settings, begun = database.settings, time.perf_counter()
    admin_url(settings)
    await _sweep(database)
    tell("Leyendo el archivo")
    read = await read_archive(storage, object_name, keys, PlatformManifest, wanted=run_id)
    read_at = time.perf_counter()
    name = f"{SCRATCH}{drill_id.hex}"
    async with scratch_database(settings, name) as url:
        tell("Restaurando")
        await fill(settings, storage, object_name, keys, url, lambda _done: None)
        filled_at = time.perf_counter()
        tell("Comparando tablas")
        found = await compare(url, read.manifest)
        compared_at = time.perf_counter()
        companies, entries, checks = await _prove_books(database, url, name, tell)
    return DrillReport(
        tables=len(found),
        rows=sum(one.rows for one in found),
        guards=len(read.manifest.guards),
        companies=companies,
        audit_entries=entries,
        reconciliations=checks,
        bytes=read.object_bytes,
        read_ms=_ms(read_at - begun),
        restore_ms=_ms(filled_at - read_at),
        compare_ms=_ms(compared_at - filled_at),
        total_ms=_ms(time.perf_counter() - begun),
    )


async def _sweep(database: Database) -> None:
    """Remove what a drill whose process was killed left: a whole copy of everything. Another installation's is not ours."""
    found = await leftovers(database.settings)
    async with database.platform_transaction() as session:
        ended = (await session.scalars(_ENDED, {"ids": list(found)})).all()
    for drill_id in ended:
        await drop(database.settings, found[drill_id])
        _LOG.warning("scratch database of a dead drill removed", drill=str(drill_id))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


async def _prove_books(database: Database, url: str, name: str, tell: Tell) -> tuple[int, int, int]:
    """Chains and reconciliations of every company of the copy, through the application's own code."""
    settings = database.settings
    # On another server the plain roles may not log in: there the administrator reads, each statement naming its company.
    elsewhere = settings.database_drill_url is not None
    copy = structs.replace(
        settings,
        database_url=url if elsewhere else in_database(settings.database_url, name),
        database_platform_url=url if elsewhere else in_database(settings.database_platform_url, name),
        pool_size=2,
    )
    opened = Database(copy, database.bell)
    entries = checks = 0
    wrong: list[str] = []
    try:
        async with opened.platform_engine.connect() as connection:
            companies = (await connection.execute(_COMPANIES)).scalars().all()
        for place, company in enumerate(companies, start=1):
            tell(f"Auditoría y libros: empresa {place} de {len(companies)}")
            async with opened.job_transaction(company) as work:
                await work.session.execute(text("SET LOCAL statement_timeout = 0"))
                chain = await verify_chain(work)
            async with opened.job_transaction(company) as work:
                books = await reconcile(work)
            entries += chain.checked
            checks += len(books.checks)
            if not chain.intact:
                wrong.append(f"company {company}: its audit chain has {chain.break_count} breaks")
            if not books.is_clean:
                wrong.append(f"company {company}: {len(books.differences)} differences in its books")
    finally:
        await opened.close()
    if wrong:
        raise Unequal("; ".join(wrong[:_MOST_NAMED]))
    return len(companies), entries, checks
