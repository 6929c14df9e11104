"""Upkeep of tables that only the machinery reads, in small transactions."""

from datetime import timedelta
from typing import Any, Final, cast

import structlog
from sqlalchemy import CursorResult, TextClause, text
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.backups.schedule import ask_companies, ask_due, prune_old
from app.domain.billing.events import LOOK
from app.domain.billing.reconcile import look_at_due, reconcile
from app.domain.invoicing.jobs import catch_up
from app.domain.reports.jobs import fold_sales, send_due
from app.domain.reports.mailing import MORNING
from app.domain.tenants.jobs import end_trial_job
from app.lib import clock
from app.lib.payments import PaymentsUnavailable
from worker.scheduler import Chore

_LOG = structlog.stdlib.get_logger("mostrador.chores")

_BATCH: Final = 2_000
IDEMPOTENCY_KEPT: Final = timedelta(hours=48)
DONE_JOBS_KEPT: Final = timedelta(days=7)
RUNS_KEPT: Final = timedelta(days=30)
DELIVERIES_KEPT: Final = timedelta(days=365)
LINKS_KEPT: Final = timedelta(days=7)
SESSIONS_KEPT: Final = timedelta(days=90)
"""After their end: until then a login from the same address is no stranger's."""

_OLD_ANSWERS = text(
    "DELETE FROM idempotency WHERE (tenant_id, user_id, key) IN ("
    f"SELECT tenant_id, user_id, key FROM idempotency WHERE created_at < :before LIMIT {_BATCH})"
)
_OLD_PROVIDER_ANSWERS = text(
    "DELETE FROM provider_answer WHERE (user_id, key) IN ("
    f"SELECT user_id, key FROM provider_answer WHERE created_at < :before LIMIT {_BATCH})"
)
_OLD_JOBS = text(
    "DELETE FROM outbox WHERE (tenant_id, id) IN ("
    f"SELECT tenant_id, id FROM outbox WHERE status IN ('done','discarded') AND finished_at < :before LIMIT {_BATCH})"
)
_OLD_RUNS = text(
    f"DELETE FROM schedule_run WHERE id IN (SELECT id FROM schedule_run WHERE started_at < :before LIMIT {_BATCH})"
)
_OLD_DELIVERIES = text(
    "DELETE FROM alert_delivery WHERE id IN ("
    f"SELECT id FROM alert_delivery WHERE status <> 'pending' AND created_at < :before LIMIT {_BATCH})"
)
_OLD_LINKS = text(
    f"DELETE FROM one_time_token WHERE id IN (SELECT id FROM one_time_token WHERE expires_at < :before LIMIT {_BATCH})"
)
_OLD_REFRESH_TOKENS = text(
    f"DELETE FROM refresh_token WHERE id IN (SELECT id FROM refresh_token WHERE expires_at < :before LIMIT {_BATCH})"
)
_OLD_SESSIONS = text(
    "DELETE FROM auth_session WHERE id IN (SELECT id FROM auth_session s WHERE expires_at < :before "
    f"AND NOT EXISTS (SELECT FROM refresh_token r WHERE r.session_id = s.id) LIMIT {_BATCH})"
)


_TRIALS_DUE = text(
    "SELECT t.tenant_id FROM tenant t WHERE t.status = 'trial' AND t.trial_ends_at <= :now "
    "AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = t.tenant_id AND o.kind = :kind "
    "AND o.status IN ('pending','queued','running'))"
)
_ASK = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) VALUES (:tenant_id, :id, 'short', :kind, '{}', :now)"
)


_DOCUMENTS_DUE = text(
    "SELECT DISTINCT due.tenant_id FROM ("
    "SELECT tenant_id FROM document_state WHERE status IN ('pending','signed','sent','unknown') AND next_at <= :now "
    "UNION SELECT tenant_id FROM dian_circuit WHERE probe_at <= :now) due "
    "WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = due.tenant_id AND o.kind = :kind "
    "AND o.status IN ('pending','queued','running'))"
)


_REPORTS_BEHIND = text(
    "SELECT h.tenant_id FROM audit_head h LEFT JOIN report_mark m ON m.tenant_id = h.tenant_id "
    "WHERE h.seq > coalesce(m.seq, 0) AND (h.seq >= coalesce(m.seq, 0) + :many OR coalesce(m.folded_at <= :before, true)) "
    "AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = h.tenant_id AND o.kind = :kind "
    "AND o.status IN ('pending','queued','running'))"
)
_ASK_LONG = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) VALUES (:tenant_id, :id, 'long', :kind, '{}', :now)"
)
_MANY: Final = 300
"""Audit entries that are folded into the roll-ups at once; fewer wait up to `_FOLDED_AFTER`. Reports are right meanwhile."""
_FOLDED_AFTER: Final = timedelta(minutes=10)
_REPORTS_DUE = text(
    "SELECT DISTINCT s.tenant_id FROM report_schedule s JOIN tenant t ON t.tenant_id = s.tenant_id "
    "WHERE s.is_active AND t.status <> 'closed' "
    "AND s.next_on <= CAST(CAST(:early AS timestamptz) AT TIME ZONE t.time_zone AS date) "
    "AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = s.tenant_id AND o.kind = :kind "
    "AND o.status IN ('pending','queued','running'))"
)
_OLD_PARTS = text(
    "DELETE FROM report_export_part p USING report_export x "
    "WHERE x.tenant_id = p.tenant_id AND x.id = p.export_id AND x.expires_at <= :now"
)
_OLD_EXPORTS = text("DELETE FROM report_export WHERE expires_at <= :now")


async def forget_old_answers(database: Database) -> None:
    """Stored answers are promised for 48 hours."""
    # By the database's clock, which wrote them: a moved one would forget answers that may still be asked for.
    async with database.platform_transaction() as session:
        now = await session.scalar(text("SELECT now()"))
    assert now is not None
    for statement in (_OLD_ANSWERS, _OLD_PROVIDER_ANSWERS):
        await _delete(database, statement, {"before": now - IDEMPOTENCY_KEPT})


async def forget_done_jobs(database: Database) -> None:
    """Finished jobs stay a week for whoever asks what happened; dead ones stay."""
    await _delete(database, _OLD_JOBS, {"before": clock.now() - DONE_JOBS_KEPT})


async def forget_old_runs(database: Database) -> None:
    """Runs of schedules stay a month, messages about alerts a year."""
    now = clock.now()
    await _delete(database, _OLD_RUNS, {"before": now - RUNS_KEPT})
    await _delete(database, _OLD_DELIVERIES, {"before": now - DELIVERIES_KEPT})


async def end_trials(database: Database) -> None:
    """Ask for the end of every trial whose time has come; the job looks again, under the company's own lock."""
    async with database.platform_transaction() as session:
        due = (await session.scalars(_TRIALS_DUE, {"now": clock.now(), "kind": end_trial_job.kind})).all()
        # The look tells the owners; whatever the payment provider does, the trial ends.
        kinds = (end_trial_job.kind, LOOK)
        rows = [{"tenant_id": one, "id": uuid7(), "kind": kind, "now": clock.now()} for one in due for kind in kinds]
        if rows:
            await session.execute(_ASK, rows)


async def sweep_documents(database: Database) -> None:
    """Look after companies whose documents wait for longer than a job of their own would have let them."""
    async with database.platform_transaction() as session:
        now = clock.now()
        due = (await session.scalars(_DOCUMENTS_DUE, {"now": now, "kind": catch_up.kind})).all()
        rows = [{"tenant_id": one, "id": uuid7(), "kind": catch_up.kind, "now": now} for one in due]
        if rows:
            await session.execute(_ASK, rows)


async def fold_reports(database: Database) -> None:
    """Ask for the roll-ups of companies that sold since."""
    async with database.platform_transaction() as session:
        now = clock.now()
        values = {"kind": fold_sales.kind, "many": _MANY, "before": now - _FOLDED_AFTER}
        due = (await session.scalars(_REPORTS_BEHIND, values)).all()
        rows = [{"tenant_id": one, "id": uuid7(), "kind": fold_sales.kind, "now": now} for one in due]
        if rows:
            await session.execute(_ASK_LONG, rows)


async def send_reports(database: Database) -> None:
    """Ask companies whose scheduled reports are due to send them."""
    async with database.platform_transaction() as session:
        now = clock.now()
        due = (await session.scalars(_REPORTS_DUE, {"kind": send_due.kind, "early": now - MORNING})).all()
        rows = [{"tenant_id": one, "id": uuid7(), "kind": send_due.kind, "now": now} for one in due]
        if rows:
            await session.execute(_ASK, rows)


async def forget_old_exports(database: Database) -> None:
    """Exported files are kept for a day."""
    async with database.platform_transaction() as session:
        for statement in (_OLD_PARTS, _OLD_EXPORTS):
            await session.execute(statement, {"now": clock.now()})


async def forget_old_sessions(database: Database) -> None:
    """Refresh tokens go when they expire: until then a used one still tells a thief. Their sessions and mailed links stay a while."""
    now = clock.now()
    await _delete(database, _OLD_REFRESH_TOKENS, {"before": now})
    await _delete(database, _OLD_SESSIONS, {"before": now - SESSIONS_KEPT})
    await _delete(database, _OLD_LINKS, {"before": now - LINKS_KEPT})


async def _delete(database: Database, statement: TextClause, values: dict[str, Any]) -> None:
    while True:
        async with database.platform_transaction() as session:
            result = cast("CursorResult[Any]", await session.execute(statement, values))
        if result.rowcount < _BATCH:
            return


async def compare_payments(database: Database) -> None:
    """The payment provider's books against ours; a provider that is away is asked tomorrow, and before that by every look."""
    try:
        await reconcile(database)
    except PaymentsUnavailable as away:
        _LOG.warning("books not compared", reason=str(away))


CHORES: Final = (
    Chore(name="idempotency.forget", every=timedelta(hours=1), run=forget_old_answers),
    Chore(name="tenants.end-trials", every=timedelta(minutes=5), run=end_trials),
    Chore(name="invoicing.sweep", every=timedelta(minutes=1), run=sweep_documents),
    Chore(name="outbox.forget", every=timedelta(hours=1), run=forget_done_jobs),
    Chore(name="alerts.forget", every=timedelta(hours=1), run=forget_old_runs),
    Chore(name="reports.fold", every=timedelta(minutes=1), run=fold_reports),
    Chore(name="reports.send", every=timedelta(minutes=5), run=send_reports),
    Chore(name="reports.forget", every=timedelta(hours=1), run=forget_old_exports),
    Chore(name="billing.look", every=timedelta(minutes=5), run=look_at_due),
    Chore(name="billing.reconcile", every=timedelta(days=1), run=compare_payments),
    Chore(name="sessions.forget", every=timedelta(hours=1), run=forget_old_sessions),
    Chore(name="backups.platform", every=timedelta(minutes=15), run=ask_due),
    Chore(name="backups.companies", every=timedelta(minutes=15), run=ask_companies),
    Chore(name="backups.prune", every=timedelta(hours=6), run=prune_old),
)
