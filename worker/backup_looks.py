"""Whether the platform's backups are there and proven: the one place that says what the monitor asks of their tables.

`backup_run`: `status` (`stored`, `good`, `failed` …), `finished_at`, `error`; `backup_drill`: `status` (`good`, `failed` …),
`finished_at`, `error`; `company_backup`: `tenant_id`, `created_at`, `status`, `error`. Before the tables exist, or while they are
empty, there never was a backup, and that is what is said.
"""

from datetime import datetime, timedelta
from typing import Final

from app.lib import clock
from app.settings import Settings
from worker.check import Answer
from worker.looks import Looks

_LATE_AFTER: Final = timedelta(hours=13)
"""Two intervals of six hours and one for the backup itself."""
_DRILL_EVERY: Final = timedelta(days=8)
_FIRST_DAY: Final = timedelta(days=1)
"""After the first company came: what an installation has to set its backups up."""

_THERE = "SELECT to_regclass('backup_run') IS NOT NULL AND to_regclass('backup_drill') IS NOT NULL"
_BEGAN = "SELECT min(created_at) FROM tenant"
# What was written while the clock was wrong, ahead of today, is no news of today.
_LAST = (
    "SELECT status, error FROM {table} WHERE status IN ('stored','good','failed') AND finished_at <= $1 "
    "ORDER BY finished_at DESC LIMIT 1"
)
_LAST_GOOD = "SELECT max(finished_at) FROM {table} WHERE status IN ('stored','good') AND finished_at <= $1"
_AHEAD: Final = timedelta(minutes=5)
"""The server's clock and ours may differ by so much."""

_COMPANIES = (
    "SELECT count(*) AS failed, min(error) AS error FROM (SELECT DISTINCT ON (b.tenant_id) b.status, b.error "
    "FROM company_backup b JOIN tenant t ON t.tenant_id = b.tenant_id "
    "WHERE b.status <> 'running' AND b.kind = 'backup' AND t.status <> 'closed' "
    "ORDER BY b.tenant_id, b.created_at DESC) AS last WHERE status = 'failed'"
)
_LATE = (
    "SELECT count(*) AS late FROM tenant t LEFT JOIN plan p ON p.code = t.plan "
    "LEFT JOIN plan_version v ON v.plan = t.plan AND v.version = coalesce(t.plan_version, p.version) "
    "CROSS JOIN LATERAL (SELECT make_interval(hours => coalesce(CAST(v.backup_policy ->> 'everyHours' AS int), "
    "(SELECT b.every_hours::int FROM backup_policy b WHERE b.plan IN (t.plan, '*') ORDER BY b.plan = '*' LIMIT 1))) "
    "AS every) e WHERE t.status <> 'closed' AND t.created_at < $1::timestamptz - 2 * e.every - interval '1 day' "
    "AND NOT EXISTS (SELECT FROM company_backup b WHERE b.tenant_id = t.tenant_id AND b.kind = 'backup' "
    "AND b.status = 'good' AND b.created_at BETWEEN $1::timestamptz - 2 * e.every - interval '1 day' "
    "AND $1::timestamptz + interval '5 minutes')"
)


class BackupLooks(Looks):
    """The three questions of backups."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._late_after = max(_LATE_AFTER, timedelta(hours=2 * getattr(settings, "backup_hours", 6) + 1))

    async def backup(self) -> Answer:
        """The last backup that was stored."""
        return await self._last("backup_run", "copia de seguridad", self._late_after)

    async def drill(self) -> Answer:
        """The last one that was proven by restoring it."""
        return await self._last("backup_drill", "restauración de prueba", _DRILL_EVERY)

    async def companies(self) -> Answer:
        """Single companies whose newest archive failed, or that have none of the last days."""
        row = (await self.fetch(_COMPANIES))[0]
        if not row["failed"]:
            late = (await self.fetch(_LATE, clock.now()))[0]["late"]
            return f"Empresas sin copia a tiempo según su plan: {late}." if late else None
        return f"Empresas cuya última copia falló: {row['failed']}. {(row['error'] or '')[:300]}".strip()

    async def _last(self, table: str, what: str, late_after: timedelta) -> Answer:
        now = clock.now()
        if not (await self.fetch(_THERE))[0][0]:
            return await self._never(what, now, _FIRST_DAY)
        last = await self.fetch(_LAST.format(table=table), now + _AHEAD)
        if last and last[0]["status"] == "failed":
            return f"La última {what} falló: {(last[0]['error'] or 'sin más detalle')[:300]}."
        good: datetime | None = (await self.fetch(_LAST_GOOD.format(table=table), now + _AHEAD))[0][0]
        if good is None:
            return await self._never(what, now, _FIRST_DAY if table == "backup_run" else late_after)
        if now - good < late_after:
            return None
        return f"La última {what} buena es de hace {round((now - good) / timedelta(hours=1))} horas."

    async def _never(self, what: str, now: datetime, patience: timedelta) -> Answer:
        began: datetime | None = (await self.fetch(_BEGAN))[0][0]
        if began is None or now - began < patience:
            return None
        return f"Nunca se ha hecho una {what}: si este equipo se pierde, se pierde todo."
