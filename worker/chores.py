"""Upkeep of tables that only the machinery reads, in small transactions."""

from datetime import timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, TextClause, text
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.tenants.jobs import end_trial_job
from app.lib import clock
from worker.scheduler import Chore

_BATCH: Final = 2_000
IDEMPOTENCY_KEPT: Final = timedelta(hours=48)
DONE_JOBS_KEPT: Final = timedelta(days=7)

_OLD_ANSWERS = text(
    "DELETE FROM idempotency WHERE (tenant_id, user_id, key) IN ("
    f"SELECT tenant_id, user_id, key FROM idempotency WHERE created_at < :before LIMIT {_BATCH})"
)
_OLD_JOBS = text(
    "DELETE FROM outbox WHERE (tenant_id, id) IN ("
    f"SELECT tenant_id, id FROM outbox WHERE status = 'done' AND finished_at < :before LIMIT {_BATCH})"
)


_TRIALS_DUE = text(
    "SELECT t.tenant_id FROM tenant t WHERE t.status = 'trial' AND t.trial_ends_at <= :now "
    "AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = t.tenant_id AND o.kind = :kind "
    "AND o.status IN ('pending','queued','running'))"
)
_ASK = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) VALUES (:tenant_id, :id, 'short', :kind, '{}', :now)"
)


async def forget_old_answers(database: Database) -> None:
    """Stored answers are promised for 48 hours."""
    # By the database's clock, which wrote them: a moved one would forget answers that may still be asked for.
    async with database.platform_transaction() as session:
        now = await session.scalar(text("SELECT now()"))
    assert now is not None
    await _delete(database, _OLD_ANSWERS, {"before": now - IDEMPOTENCY_KEPT})


async def forget_done_jobs(database: Database) -> None:
    """Finished jobs stay a week for whoever asks what happened; dead ones stay."""
    await _delete(database, _OLD_JOBS, {"before": clock.now() - DONE_JOBS_KEPT})


async def end_trials(database: Database) -> None:
    """Ask for the end of every trial whose time has come; the job looks again, under the company's own lock."""
    async with database.platform_transaction() as session:
        due = (await session.scalars(_TRIALS_DUE, {"now": clock.now(), "kind": end_trial_job.kind})).all()
        rows = [{"tenant_id": one, "id": uuid7(), "kind": end_trial_job.kind, "now": clock.now()} for one in due]
        if rows:
            await session.execute(_ASK, rows)


async def _delete(database: Database, statement: TextClause, values: dict[str, Any]) -> None:
    while True:
        async with database.platform_transaction() as session:
            result = cast("CursorResult[Any]", await session.execute(statement, values))
        if result.rowcount < _BATCH:
            return


CHORES: Final = (
    Chore(name="idempotency.forget", every=timedelta(hours=1), run=forget_old_answers),
    Chore(name="tenants.end-trials", every=timedelta(minutes=5), run=end_trials),
    Chore(name="outbox.forget", every=timedelta(hours=1), run=forget_done_jobs),
)
