"""What comes due: backups of the platform, drills, companies by the policy of their plan, and old archives."""

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Database
from app.domain.backups.jobs import make_company_backup
from app.domain.backups.platform import runs
from app.domain.backups.retention import prune
from app.domain.backups.state import DRILL_EVERY
from app.integrations.storage.store import StorageFailed
from app.lib import clock

_LOG = structlog.stdlib.get_logger("mostrador.backups")

_SOON: Final = timedelta(minutes=5)
"""A chore is not called to the second."""
_LAST: Final = text("SELECT max(created_at) FROM backup_run WHERE status <> 'failed'")
_LAST_DRILL: Final = text("SELECT max(created_at) FROM backup_drill WHERE status <> 'failed'")
_LAST_TRIED: Final = text("SELECT max(created_at) FROM backup_drill")
_STORED: Final = text("SELECT 1 FROM backup_run WHERE status IN ('stored','good') AND deleted_at IS NULL LIMIT 1")
_DRILL_AGAIN: Final = timedelta(hours=6)
_LOST: Final = text(
    "UPDATE company_backup SET status = 'failed', finished_at = :now, error = 'El proceso que la hacía murió.' "
    "WHERE status = 'running' AND created_at < CAST(:now AS timestamptz) - interval '3 hours'"
)
_DUE: Final = text(
    "SELECT t.tenant_id FROM tenant t CROSS JOIN LATERAL ("
    "SELECT p.every_hours FROM backup_policy p WHERE p.plan IN (t.plan, '*') ORDER BY p.plan = '*' LIMIT 1) p "
    "WHERE t.status <> 'closed' AND NOT EXISTS (SELECT FROM company_backup b WHERE b.tenant_id = t.tenant_id "
    "AND b.kind = 'backup' AND (b.status = 'running' "
    "OR b.created_at > CAST(:now AS timestamptz) - make_interval(hours => p.every_hours::int) "
    "AND b.status = 'good' OR b.created_at > CAST(:now AS timestamptz) - interval '1 hour')) "
    "AND t.created_at < CAST(:now AS timestamptz) - interval '1 hour' ORDER BY t.tenant_id LIMIT 50"
)
_MAKE: Final = text(
    "INSERT INTO company_backup (tenant_id, id, kind, reason, requested_by, created_at) "
    "VALUES (:tenant_id, :id, 'backup', 'schedule', :user_id, :now) ON CONFLICT DO NOTHING"
)
_ASK: Final = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) "
    "VALUES (:tenant_id, :job_id, 'long', :kind, jsonb_build_object('backup_id', CAST(:id AS uuid)), :now)"
)


async def ask_due(database: Database) -> None:
    """Want a backup of the platform every `BACKUP_HOURS`, and a drill of the newest every week; after a failure, again."""
    if database.settings.database_backup_url is None:
        _LOG.warning("no backups: DATABASE_BACKUP_URL is not set")
        return
    now = clock.now()
    async with database.platform_transaction() as session:
        last, drilled = await session.scalar(_LAST), await session.scalar(_LAST_DRILL)
        tried, stored = await session.scalar(_LAST_TRIED), await session.scalar(_STORED)
    if last is None or now - last >= timedelta(hours=database.settings.backup_hours) - _SOON:
        await runs.ask_backup(database, "horario", "schedule")
    may_drill = database.settings.database_drill_url or database.settings.database_admin_url
    due = drilled is None or now - drilled >= DRILL_EVERY - _SOON
    if may_drill and stored and due and (tried is None or now - tried >= _DRILL_AGAIN):
        await runs.ask_drill(database, "horario")


async def ask_companies(database: Database) -> None:
    """Want the backup of every company whose plan says that it is time, some at a time."""
    if database.settings.database_backup_url is None:
        return
    now = clock.now()
    async with database.platform_transaction() as session:
        await session.execute(_LOST, {"now": now})
        for tenant_id in (await session.scalars(_DUE, {"now": now})).all():
            values = {"tenant_id": tenant_id, "id": uuid7(), "job_id": uuid7(), "now": now, "user_id": SYSTEM_USER}
            made = await session.execute(_MAKE, values)
            if made.rowcount:  # type: ignore[attr-defined]
                await session.execute(_ASK, values | {"kind": make_company_backup.kind})


async def prune_old(database: Database) -> None:
    """Delete archives whose turn is over."""
    try:
        await prune(database)
    except StorageFailed as error:
        _LOG.error("archives not pruned", reason=str(error))
