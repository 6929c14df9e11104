"""Recurring work of webhooks across companies: who has something to be told, and what of the log is old."""

from datetime import timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, text
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.webhooks.deliveries import KEPT
from app.domain.webhooks.feed import STOCK_EVERY
from app.domain.webhooks.jobs import follow_chain, send_due
from app.lib import clock
from worker.scheduler import Chore

_BATCH: Final = 1_000
_OPEN: Final = "o.status IN ('pending','queued','running')"

_BEHIND = text(
    "SELECT f.tenant_id FROM webhook_feed f JOIN audit_head h ON h.tenant_id = f.tenant_id WHERE f.is_listening "
    "AND (h.seq > f.audit_seq OR (f.stock_seq < f.audit_seq AND coalesce(f.stock_at <= :looked, true))) "
    f"AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = f.tenant_id AND o.kind = :kind AND {_OPEN})"
)
_DUE = text(
    "SELECT e.tenant_id, e.id FROM webhook_endpoint e WHERE e.is_active AND coalesce(e.paused_until <= :now, true) "
    "AND EXISTS (SELECT FROM webhook_delivery d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id "
    "AND d.status = 'pending' AND d.next_at <= :now) "
    f"AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = e.tenant_id AND o.kind = :kind AND {_OPEN} "
    "AND o.payload ->> 'endpointId' = e.id::text)"
)
_ASK = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) "
    "VALUES (:tenant_id, :id, 'short', :kind, CAST(:payload AS jsonb), :now)"
)
_OLD_ATTEMPTS = text(
    "DELETE FROM webhook_attempt WHERE (tenant_id, id) IN (SELECT a.tenant_id, a.id FROM webhook_event e "
    "JOIN webhook_delivery d ON d.tenant_id = e.tenant_id AND d.event_id = e.id "
    "JOIN webhook_attempt a ON a.tenant_id = d.tenant_id AND a.delivery_id = d.id "
    f"WHERE e.created_at < :before LIMIT {_BATCH})"
)
_OLD_DELIVERIES = text(
    "DELETE FROM webhook_delivery WHERE (tenant_id, id) IN (SELECT d.tenant_id, d.id FROM webhook_event e "
    "JOIN webhook_delivery d ON d.tenant_id = e.tenant_id AND d.event_id = e.id "
    "WHERE e.created_at < :before AND NOT EXISTS (SELECT FROM webhook_attempt a "
    f"WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id) LIMIT {_BATCH})"
)
_OLD_EVENTS = text(
    "DELETE FROM webhook_event WHERE (tenant_id, id) IN (SELECT e.tenant_id, e.id FROM webhook_event e "
    "WHERE e.created_at < :before AND NOT EXISTS (SELECT FROM webhook_delivery d "
    f"WHERE d.tenant_id = e.tenant_id AND d.event_id = e.id) LIMIT {_BATCH})"
)


async def wake_feeds(database: Database) -> int:
    """Ask for a turn of every feed that is behind its chain, and of every endpoint that something is due to; answers how many."""
    now = clock.now()
    async with database.platform_transaction() as session:
        behind = await session.scalars(_BEHIND, {"kind": follow_chain.kind, "looked": now - STOCK_EVERY})
        rows = [
            {"tenant_id": tenant_id, "id": uuid7(), "kind": follow_chain.kind, "payload": "{}", "now": now}
            for tenant_id in behind
        ]
        due = await session.execute(_DUE, {"kind": send_due.kind, "now": now})
        rows += [
            {
                "tenant_id": one.tenant_id,
                "id": uuid7(),
                "kind": send_due.kind,
                "payload": f'{{"endpointId": "{one.id}"}}',
                "now": now,
            }
            for one in due
        ]
        if rows:
            await session.execute(_ASK, rows)
    return len(rows)


async def forget_old_deliveries(database: Database) -> None:
    """Events and the log of their deliveries stay thirty days."""
    before = clock.now() - KEPT
    for statement in (_OLD_ATTEMPTS, _OLD_DELIVERIES, _OLD_EVENTS):
        while True:
            async with database.platform_transaction() as session:
                done = cast("CursorResult[Any]", await session.execute(statement, {"before": before}))
            if done.rowcount < _BATCH:
                break


CHORES: Final = (
    Chore(name="webhooks.wake", every=timedelta(seconds=10), run=wake_feeds, is_quiet=True),
    Chore(name="webhooks.forget", every=timedelta(hours=1), run=forget_old_deliveries),
)
