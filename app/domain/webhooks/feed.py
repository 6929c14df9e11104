"""From the audit chain to events and deliveries, each entry once.

The chain has every business write, in its transaction, numbered without a gap in the order of commits: whoever reads it
behind a cursor misses nothing, and the sale's path writes nothing more for it (docs/adr/0016). Cursor, events and deliveries
move in one transaction, under the feed's lock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, tuple_
from uuid_utils.compat import uuid7

from app.db.platform import AuditEntry
from app.db.session import Work
from app.domain.inventory.minimum import LowShelf, low_shelves
from app.domain.webhooks.endpoints import listens, lock_feed
from app.domain.webhooks.events import LOW_STOCK, OF_ACTION, data_of, payload_of
from app.domain.webhooks.models import (
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookFeed,
    WebhookLowStock,
)
from app.lib import clock

BATCH: Final = 500
"""Entries of one turn."""
STOCK_EVERY: Final = timedelta(minutes=1)
"""Between two looks at all shelves of a company."""


class Turn:
    """What one turn of a feed found."""

    def __init__(self, work: Work, feed: WebhookFeed, endpoints: Sequence[WebhookEndpoint], now: datetime) -> None:
        self._work = work
        self._feed = feed
        self._endpoints = endpoints
        self._now = now
        self._events: list[dict[str, Any]] = []
        self._deliveries: list[dict[str, Any]] = []

    def wants(self, kind: str) -> bool:
        return any(listens(one.events, kind) for one in self._endpoints)

    def tell(self, kind: str, at: datetime, data: dict[str, Any], only: UUID | None = None) -> UUID:
        """An event, and a delivery of it to whoever listens, or to one endpoint; answers the event's id."""
        event_id = uuid7()
        self._feed.event_no += 1
        no = self._feed.event_no
        self._events.append(
            {
                "tenant_id": self._work.tenant_id,
                "id": event_id,
                "no": no,
                "type": kind,
                "occurred_at": at,
                "payload": payload_of(kind, event_id, no, at, self._work.tenant_id, data),
            }
        )
        for one in self._endpoints:
            if (only is None and listens(one.events, kind)) or one.id == only:
                self._deliveries.append(
                    {
                        "tenant_id": self._work.tenant_id,
                        "id": uuid7(),
                        "endpoint_id": one.id,
                        "event_id": event_id,
                        "begun_at": self._now,
                        "next_at": self._now,
                        "created_at": self._now,
                    }
                )
        return event_id

    async def write(self) -> set[UUID]:
        """Write what was told; answers the endpoints that have something to hear."""
        await self._work.flush()
        if self._events:
            await self._work.session.execute(insert(WebhookEvent), self._events)
        if self._deliveries:
            await self._work.session.execute(insert(WebhookDelivery), self._deliveries)
        return {one["endpoint_id"] for one in self._deliveries}


async def begin_turn(work: Work) -> tuple[Turn, WebhookFeed]:
    """A turn at the company's feed, which is held until commit."""
    feed = await lock_feed(work)
    endpoints = (
        await work.session.scalars(
            select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == work.tenant_id, WebhookEndpoint.is_active)
        )
    ).all()
    return Turn(work, feed, endpoints, clock.now()), feed


async def follow(work: Work) -> tuple[set[UUID], bool]:
    """Read the next entries of the chain; answers the endpoints with something to hear, and whether there is more."""
    turn, feed = await begin_turn(work)
    if not feed.is_listening:
        return set(), False
    entries = (
        await work.session.execute(
            select(
                AuditEntry.seq,
                AuditEntry.at,
                AuditEntry.action,
                AuditEntry.subject_id,
                AuditEntry.number,
                AuditEntry.content,
            )
            .where(AuditEntry.tenant_id == work.tenant_id, AuditEntry.seq > feed.audit_seq)
            .order_by(AuditEntry.seq)
            .limit(BATCH)
        )
    ).all()
    for entry in entries:
        kind = OF_ACTION.get(entry.action)
        if kind is not None and turn.wants(kind.name):
            data = data_of(entry.action, entry.subject_id, entry.number, entry.content)
            turn.tell(kind.name, entry.at, data)
        feed.audit_seq = entry.seq
    more = len(entries) == BATCH
    if not more:
        await _look_at_shelves(work, turn, feed)
    return await turn.write(), more


async def _look_at_shelves(work: Work, turn: Turn, feed: WebhookFeed) -> None:
    """Tell of shelves that fell below their minimum since the last look; the first look only learns which are."""
    now = clock.now()
    if feed.stock_seq is None or feed.stock_seq >= feed.audit_seq:
        return
    if feed.stock_at is not None and feed.stock_at > now - STOCK_EVERY:
        return
    is_first = feed.stock_at is None
    feed.stock_seq, feed.stock_at = feed.audit_seq, now
    low = await low_shelves(work)
    known = {
        (row.product_id, row.warehouse_id)
        for row in await work.session.execute(
            select(WebhookLowStock.product_id, WebhookLowStock.warehouse_id).where(
                WebhookLowStock.tenant_id == work.tenant_id
            )
        )
    }
    if over := sorted(known - low.keys()):
        await work.session.execute(
            delete(WebhookLowStock).where(
                WebhookLowStock.tenant_id == work.tenant_id,
                tuple_(WebhookLowStock.product_id, WebhookLowStock.warehouse_id).in_(over),
            )
        )
    fresh = sorted(low.keys() - known)
    if fresh:
        rows = [{"tenant_id": work.tenant_id, "product_id": one[0], "warehouse_id": one[1]} for one in fresh]
        await work.session.execute(insert(WebhookLowStock), rows)
    if not is_first:
        for key in fresh:
            turn.tell(LOW_STOCK, now, _told(low[key]))


def _told(shelf: LowShelf) -> dict[str, Any]:
    return {
        "id": str(shelf.product_id),
        "warehouseId": str(shelf.warehouse_id),
        "sku": shelf.sku,
        "name": shelf.name,
        "quantity": shelf.quantity,
        "minStock": shelf.min_stock,
    }
