"""Looks at companies: every one that is open is looked at once every few minutes, by a job of its own."""

from datetime import timedelta
from typing import Final, cast

from sqlalchemy import CursorResult, text

from app.db.session import Database
from app.domain.alerts.company.jobs import look_at_company
from app.lib import clock
from worker.scheduler import Chore

_EVERY: Final = timedelta(minutes=5)
_APART: Final = timedelta(seconds=1)
"""Times 0 to 255: companies take their turns over the interval, and hold up nobody else's jobs."""
_DEAD_FOR: Final = timedelta(hours=1)
"""How long a look that failed for good stays to be seen before the company is looked at again."""

# One row a company, used over and over: a row for each look would be a hundred thousand a day.
_ASK = text(
    "INSERT INTO outbox AS o (tenant_id, id, queue, kind, payload, due_at) "
    "SELECT t.tenant_id, md5(:kind || t.tenant_id::text)::uuid, :queue, :kind, '{}', "
    "CAST(:now AS timestamptz) + (hashtext(t.tenant_id::text) & 255) * CAST(:apart AS interval) FROM tenant t "
    "WHERE t.status NOT IN ('closed','suspended') "
    "ON CONFLICT (tenant_id, id) DO UPDATE SET status = 'pending', attempts = 0, due_at = excluded.due_at, "
    "due_since = NULL, finished_at = NULL WHERE o.status = 'done' OR (o.status IN ('dead','discarded') AND o.finished_at <= :dead)"
)


async def look_at_companies(database: Database) -> int:
    """Ask for one look at every company whose last one has ended; answers how many."""
    now = clock.now()
    job = look_at_company
    values = {"kind": job.kind, "queue": job.queue, "now": now, "dead": now - _DEAD_FOR, "apart": _APART}
    async with database.platform_transaction() as session:
        asked = cast("CursorResult[object]", await session.execute(_ASK, values))
    return asked.rowcount


CHORES: Final = (Chore(name="alerts.look", every=_EVERY, run=look_at_companies),)
