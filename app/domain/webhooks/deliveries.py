"""The log of deliveries, replays, and the test event."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, select, text, update

from app.db.session import Work
from app.domain.webhooks.endpoints import find_endpoint, listens
from app.domain.webhooks.events import TEST
from app.domain.webhooks.feed import begin_turn
from app.domain.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from app.domain.webhooks.schemas import (
    AttemptOut,
    DeliveryDetailOut,
    DeliveryOut,
    DeliveryPage,
    DeliveryStatus,
    ReplayedOut,
    ReplaySpan,
)
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken
from app.lib.pages import after, cut

KEPT: Final = timedelta(days=30)
"""How long an event and the log of its deliveries stay."""
MOST_REPLAYED: Final = 5_000
"""Deliveries of one replay."""
_SHOWN: Final = 100
"""Tries of one delivery that are shown."""
_INACTIVE: Final = "El destino está desactivado; actívelo antes de enviarle algo."

_REPLAY_SPAN = text(
    "WITH wanted AS MATERIALIZED (SELECT e.id FROM webhook_event e LEFT JOIN webhook_delivery d "
    "ON d.tenant_id = :tenant_id AND d.event_id = e.id AND d.endpoint_id = :endpoint_id "
    "WHERE e.tenant_id = :tenant_id AND e.occurred_at >= :since AND e.occurred_at < :until AND e.type = ANY(:types) "
    "AND (d.id IS NULL OR d.status = 'failed' OR (:delivered_too AND d.status = 'delivered')) "
    "ORDER BY e.no LIMIT :most) "
    "INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, begun_at, next_at, created_at) "
    "SELECT :tenant_id, gen_random_uuid(), :endpoint_id, wanted.id, :now, :now, :now FROM wanted "
    "ON CONFLICT (tenant_id, endpoint_id, event_id) DO UPDATE SET status = 'pending', attempts = 0, "
    "begun_at = excluded.begun_at, next_at = excluded.next_at, delivered_at = NULL, last_error = '' "
    "WHERE webhook_delivery.status <> 'pending' RETURNING id"
)

_SEND_WAITS = text(
    "SELECT EXISTS (SELECT FROM outbox WHERE tenant_id = :tenant_id AND kind = 'webhooks.send' "
    "AND status IN ('pending', 'queued') AND payload ->> 'endpointId' = :endpoint_id AND id <> :job_id)"
)


class DeliveryService:
    """Reads the log of the company, and begins deliveries anew."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(
        self,
        *,
        endpoint_id: UUID | None,
        status: DeliveryStatus | None,
        event_type: str | None,
        limit: int,
        cursor: str | None,
    ) -> DeliveryPage:
        """The newest first."""
        statement = self._read().limit(limit + 1)
        if endpoint_id is not None:
            statement = statement.where(WebhookDelivery.endpoint_id == endpoint_id)
        if status is not None:
            statement = statement.where(WebhookDelivery.status == status)
        if event_type is not None:
            statement = statement.where(WebhookEvent.type == event_type)
        columns = (WebhookDelivery.created_at, WebhookDelivery.id)
        statement = after(statement, columns, cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].created_at, row[0].id))
        return DeliveryPage(items=[_out(*row[:4]) for row in page], next_cursor=next_cursor)

    async def read(self, delivery_id: UUID) -> DeliveryDetailOut:
        """One delivery with its body and its tries. Raises `NotFound`."""
        row = (
            await self._work.session.execute(
                self._read().add_columns(WebhookEvent.payload).where(WebhookDelivery.id == delivery_id)
            )
        ).one_or_none()
        if row is None:
            raise NotFound("Esa entrega no existe, o ya se borró del registro.")
        tries = await self._work.session.scalars(
            select(WebhookAttempt)
            .where(WebhookAttempt.tenant_id == self._work.tenant_id, WebhookAttempt.delivery_id == delivery_id)
            .order_by(WebhookAttempt.at.desc(), WebhookAttempt.id.desc())
            .limit(_SHOWN)
        )
        return DeliveryDetailOut(
            **msgspec.structs.asdict(_out(*row[:4])),
            payload=msgspec.json.decode(row.payload),
            log=[
                AttemptOut(
                    at=one.at,
                    status=one.status_code,
                    duration_ms=one.duration_ms,
                    excerpt=one.excerpt,
                    error=one.error,
                )
                for one in tries
            ],
        )

    async def replay(self, delivery_id: UUID) -> DeliveryDetailOut:
        """Deliver once more, with the same id and body. One on its way is left alone, and due at once.

        Raises `NotFound`, 409 `endpoint-inactive`.
        """
        work, now = self._work, clock.now()
        row = await self.read(delivery_id)
        await self._wake(row.endpoint_id)
        await work.session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.tenant_id == work.tenant_id, WebhookDelivery.id == delivery_id)
            .values(status="pending", attempts=0, begun_at=now, next_at=now, delivered_at=None, last_error="")
            .execution_options(synchronize_session=False)
        )
        work.record("webhook-delivery.replayed", delivery_id, after={"endpointId": row.endpoint_id})
        ask_to_send(work, row.endpoint_id)
        return await self.read(delivery_id)

    async def replay_span(self, endpoint_id: UUID, data: ReplaySpan) -> ReplayedOut:
        """Deliver what happened in a span once more, or for the first time.

        Raises `NotFound`, 409 `endpoint-inactive`, 422 `span-out-of-range` or `replay-too-large`.
        """
        work, now = self._work, clock.now()
        if data.since < now - KEPT:
            raise _out_of_range("/from", f"El lapso debe empezar en los últimos {KEPT.days} días.")
        if data.until <= data.since:
            raise _out_of_range("/to", "El lapso debe terminar después de empezar.")
        endpoint = await self._wake(endpoint_id)
        types = await self._types(endpoint)
        begun = (
            await work.session.execute(
                _REPLAY_SPAN,
                {
                    "tenant_id": work.tenant_id,
                    "endpoint_id": endpoint_id,
                    "since": data.since,
                    "until": data.until,
                    "types": types,
                    "delivered_too": data.delivered_too,
                    "most": MOST_REPLAYED + 1,
                    "now": now,
                },
            )
        ).all()
        if len(begun) > MOST_REPLAYED:
            raise RuleBroken(
                f"El lapso tiene más de {MOST_REPLAYED} entregas; pida uno más corto.", code="replay-too-large"
            )
        work.record(
            "webhook-endpoint.replayed",
            endpoint_id,
            after={"from": data.since, "to": data.until, "deliveries": len(begun)},
        )
        if begun:
            ask_to_send(work, endpoint_id)
        return ReplayedOut(deliveries=len(begun))

    async def test(self, endpoint_id: UUID) -> DeliveryDetailOut:
        """Send an event that means nothing, to this endpoint alone. Raises `NotFound`, 409 `endpoint-inactive`."""
        work = self._work
        turn, _ = await begin_turn(work)
        await self._wake(endpoint_id)
        event_id = turn.tell(TEST, clock.now(), {"id": str(endpoint_id), "message": "Prueba"}, only=endpoint_id)
        await turn.write()
        work.record("webhook-endpoint.tested", endpoint_id, after={"eventId": event_id})
        ask_to_send(work, endpoint_id)
        delivery_id = await work.session.scalar(
            select(WebhookDelivery.id).where(
                WebhookDelivery.tenant_id == work.tenant_id, WebhookDelivery.event_id == event_id
            )
        )
        assert delivery_id is not None
        return await self.read(delivery_id)

    async def _wake(self, endpoint_id: UUID) -> WebhookEndpoint:
        """An active endpoint, no longer paused: somebody who asks wants to see what happens now."""
        endpoint = await find_endpoint(self._work, endpoint_id, lock=True)
        if not endpoint.is_active:
            raise Conflict(_INACTIVE, code="endpoint-inactive")
        await self._work.session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.tenant_id == self._work.tenant_id, WebhookEndpoint.id == endpoint_id)
            .values(paused_until=None, updated_at=WebhookEndpoint.updated_at)
            .execution_options(synchronize_session=False)
        )
        return endpoint

    async def _types(self, endpoint: WebhookEndpoint) -> list[str]:
        kept = await self._work.session.scalars(
            select(WebhookEvent.type).where(WebhookEvent.tenant_id == self._work.tenant_id).distinct()
        )
        return [kind for kind in kept if kind != TEST and listens(endpoint.events, kind)]

    def _read(self) -> Select[*tuple[Any, ...]]:
        return (
            select(WebhookDelivery, WebhookEvent.type, WebhookEvent.no, WebhookEvent.occurred_at)
            .join(
                WebhookEvent,
                (WebhookEvent.tenant_id == WebhookDelivery.tenant_id) & (WebhookEvent.id == WebhookDelivery.event_id),
            )
            .where(WebhookDelivery.tenant_id == self._work.tenant_id, WebhookEvent.tenant_id == self._work.tenant_id)
            .execution_options(populate_existing=True)
        )


def ask_to_send(work: Work, endpoint_id: UUID) -> None:
    """Want what is due to an endpoint sent once this is committed."""
    work.ask("webhooks.send", {"endpointId": str(endpoint_id)})


async def ask_to_send_later(work: Work, endpoint_id: UUID, job_id: UUID, delay: timedelta) -> None:
    """The same after a delay, unless another job than this one waits to do it already."""
    waits = await work.session.scalar(
        _SEND_WAITS, {"tenant_id": work.tenant_id, "endpoint_id": str(endpoint_id), "job_id": job_id}
    )
    if not waits:
        work.ask("webhooks.send", {"endpointId": str(endpoint_id)}, "short", delay)


def _out_of_range(pointer: str, detail: str) -> RuleBroken:
    code = "span-out-of-range"
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))


def _out(row: WebhookDelivery, kind: str, no: int, occurred_at: datetime) -> DeliveryOut:
    return DeliveryOut(
        id=row.id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_type=kind,
        sequence=no,
        occurred_at=occurred_at,
        status=row.status,  # type: ignore[arg-type]
        attempts=row.attempts,
        next_at=row.next_at if row.status == "pending" else None,
        last_attempt_at=row.last_attempt_at,
        last_status=row.last_status,
        last_duration_ms=row.last_duration_ms,
        last_error=row.last_error,
        delivered_at=row.delivered_at,
        created_at=row.created_at,
    )
