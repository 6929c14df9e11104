"""Whether backups are what they should be, as the operator is told. The monitor asks the same tables in its own way."""

from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

DRILL_EVERY: Final = timedelta(days=7)
_DRILL_LATE: Final = timedelta(days=9)
_SILENT: Final = timedelta(minutes=2)

_STATE: Final = """
SELECT
    (SELECT max(snapshot_at) FROM backup_run WHERE status IN ('stored','good') AND snapshot_at <= {soon}) AS stored_at,
    (SELECT max(snapshot_at) FROM backup_run WHERE status = 'good' AND snapshot_at <= {soon}) AS good_at,
    (SELECT max(finished_at) FROM backup_drill WHERE status = 'good' AND finished_at <= {soon}) AS proven_at,
    (SELECT min(created_at) FROM backup_run) AS first_at,
    (SELECT error FROM (SELECT error, status FROM backup_run WHERE status NOT IN ('waiting','running')
        ORDER BY created_at DESC, id DESC LIMIT 1) l WHERE l.status = 'failed') AS backup_error,
    (SELECT error FROM (SELECT error, status FROM backup_drill WHERE status NOT IN ('waiting','running')
        ORDER BY created_at DESC, id DESC LIMIT 1) l WHERE l.status = 'failed') AS drill_error,
    (SELECT max(now() - progress_at) FROM backup_run WHERE status = 'running') AS silent,
    (SELECT count(*) FROM (SELECT DISTINCT ON (b.tenant_id) b.status FROM company_backup b
        JOIN tenant t ON t.tenant_id = b.tenant_id WHERE b.status <> 'running' AND b.kind = 'backup' AND t.status <> 'closed'
        ORDER BY b.tenant_id, b.created_at DESC) l WHERE status = 'failed') AS failed_companies
""".format(soon="now() + interval '5 minutes'")


class Reader(Protocol):
    """A connection of asyncpg, as the platform role."""

    async def fetchrow(self, query: str) -> Any: ...


class BackupState(msgspec.Struct, frozen=True, kw_only=True):
    """How the platform's backups stand."""

    stored_at: datetime | None
    """Instant of the newest that was stored and read back whole."""
    good_at: datetime | None
    """Of the newest that was restored and found equal."""
    proven_at: datetime | None
    """When a drill last ended well."""
    first_at: datetime | None
    """When the first was asked for; None: the schedule has not begun yet."""
    backup_error: str | None
    """Why the newest failed; None when it did not."""
    drill_error: str | None
    silent: timedelta | None
    """Since the last sign of life of the one that runs."""
    failed_companies: int
    """Companies whose newest backup failed."""


async def last_good(connection: Reader) -> BackupState:
    """How backups stand now."""
    row = await connection.fetchrow(_STATE)
    return BackupState(**dict(row))


def problem(state: BackupState, now: datetime, hours: int) -> str | None:
    """What is wrong, in Spanish; None when nothing is. `hours`: between two backups (`BACKUP_HOURS`)."""
    if state.first_at is None:
        return None
    if state.silent is not None and state.silent > _SILENT:
        return (
            f"El respaldo en curso no da señales de vida desde hace {round(state.silent.total_seconds() / 60)} minutos."
        )
    if state.backup_error is not None:
        return f"El último respaldo falló: {state.backup_error}"
    age = now - (state.stored_at or state.first_at)
    if age > timedelta(hours=2 * hours):
        return f"No hay un respaldo nuevo desde hace {round(age.total_seconds() / 3600)} horas."
    if state.drill_error is not None:
        return f"La prueba de restauración falló: {state.drill_error}"
    proven = now - (state.proven_at or state.first_at)
    if proven > _DRILL_LATE:
        return f"Ningún respaldo se ha probado restaurándolo desde hace {proven.days} días."
    if state.failed_companies:
        return f"Empresas cuyo último respaldo falló: {state.failed_companies}."
    return None
