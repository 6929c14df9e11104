"""Whether the platform's backups are there and proven: the one place that says what the monitor asks of their tables.

`backup_run`: `status` (`stored`, `good`, `failed` …), `finished_at`, `error`; `backup_drill`: `status` (`good`, `failed` …),
`finished_at`, `error`. Before the tables exist, or while they are empty, there never was a backup, and that is what is said.
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
_LAST = "SELECT status, error FROM {table} WHERE status IN ('stored','good','failed') ORDER BY finished_at DESC LIMIT 1"
_LAST_GOOD = "SELECT max(finished_at) FROM {table} WHERE status IN ('stored','good')"


class BackupLooks(Looks):
    """The two questions of backups."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._late_after = max(_LATE_AFTER, timedelta(hours=2 * getattr(settings, "backup_hours", 6) + 1))

    async def backup(self) -> Answer:
        """The last backup that was stored."""
        return await self._last("backup_run", "copia de seguridad", self._late_after)

    async def drill(self) -> Answer:
        """The last one that was proven by restoring it."""
        return await self._last("backup_drill", "restauración de prueba", _DRILL_EVERY)

    async def _last(self, table: str, what: str, late_after: timedelta) -> Answer:
        now = clock.now()
        if not (await self.fetch(_THERE))[0][0]:
            return await self._never(what, now, _FIRST_DAY)
        last = await self.fetch(_LAST.format(table=table))
        if last and last[0]["status"] == "failed":
            return f"La última {what} falló: {(last[0]['error'] or 'sin más detalle')[:300]}."
        good: datetime | None = (await self.fetch(_LAST_GOOD.format(table=table)))[0][0]
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
