"""Sending what is due to one endpoint, and what follows from how it went.

Several workers may send to one endpoint: a delivery is taken by moving the instant at which the next one may take it. An
endpoint that failed is asked with one delivery at a time, after a pause that grows, so that a receiver that is down costs
little and is not run over when it comes back.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import case, func, insert, select, text, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.webhooks.endpoints import find_endpoint, give_up_pending, in_force, lock_feed, settle_feed
from app.domain.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookSecret
from app.domain.webhooks.secrets import SecretVault, signed_headers
from app.integrations.outbound.post import Answer, post_signed
from app.lib import clock
from app.lib.errors import NotFound

SCHEDULE: Final = tuple(
    timedelta(seconds=one) for one in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""When a delivery is tried, counted from its beginning: ten times in a day, each later by up to a tenth."""
FAILING_DAYS: Final = timedelta(days=3)
"""Of failures and nothing else, after which an endpoint is switched off."""
_GONE: Final = 410
_TAKEN: Final = timedelta(minutes=2)
"""How long a worker has a delivery; longer than a job may last."""
_AT_ONCE: Final = 5
_BATCH: Final = 15
"""Deliveries of one turn; with `_AT_ONCE` and the limit of a post they end within 30 s."""
_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=15)

_TAKE = text(
    "WITH due AS MATERIALIZED (SELECT id FROM webhook_delivery WHERE tenant_id = :tenant_id "
    "AND endpoint_id = :endpoint_id AND status = 'pending' AND next_at <= :now "
    "ORDER BY next_at, id LIMIT :count FOR UPDATE SKIP LOCKED) "
    "UPDATE webhook_delivery d SET next_at = :until, last_attempt_at = :now FROM due, webhook_event e "
    "WHERE d.tenant_id = :tenant_id AND d.id = due.id AND e.tenant_id = :tenant_id AND e.id = d.event_id "
    "RETURNING d.id, d.event_id, d.attempts, d.begun_at, e.payload, e.no"
)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker took."""

    url: str
    secrets: list[str]
    deliveries: list[Any]


async def take(work: Work, vault: SecretVault, endpoint_id: UUID) -> Batch | None:
    """Take what is due; None when there is nothing, or the endpoint is not to be asked now."""
    now = clock.now()
    try:
        endpoint = await find_endpoint(work, endpoint_id)
    except NotFound:
        return None
    if not endpoint.is_active or (endpoint.paused_until is not None and endpoint.paused_until > now):
        return None
    count = 1 if endpoint.failures else _BATCH
    rows = (
        await work.session.execute(
            _TAKE,
            {
                "tenant_id": work.tenant_id,
                "endpoint_id": endpoint_id,
                "now": now,
                "until": now + _TAKEN,
                "count": count,
            },
        )
    ).all()
    if not rows:
        return None
    sealed = (
        await work.session.scalars(
            select(WebhookSecret.sealed)
            .where(WebhookSecret.tenant_id == work.tenant_id, WebhookSecret.endpoint_id == endpoint_id, in_force(now))
            .order_by(WebhookSecret.created_at.desc())
        )
    ).all()
    return Batch(
        url=endpoint.url,
        secrets=[vault.open(work.tenant_id, endpoint_id, one) for one in sealed],
        deliveries=sorted(rows, key=lambda row: row.no),
    )


async def send(batch: Batch, *, strict: bool) -> list[Answer]:
    """Post a batch, a few at once; answers in its order. Outside any transaction."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(row: Any) -> Answer:
        async with turns:
            body = row.payload.encode()
            headers = signed_headers(batch.secrets, row.event_id, clock.now(), body)
            return await post_signed(batch.url, body, headers | {"User-Agent": "Mostrador-Webhooks/1"}, strict=strict)

    return list(await asyncio.gather(*(one(row) for row in batch.deliveries)))


async def settle(work: Work, endpoint_id: UUID, batch: Batch, answers: Sequence[Answer]) -> str | None:
    """Write down how it went; answers why the endpoint is to be switched off, if it is."""
    now = clock.now()
    for row, answer in zip(batch.deliveries, answers, strict=True):
        await _write(work, row, answer, now)
    mine = WebhookEndpoint.tenant_id == work.tenant_id, WebhookEndpoint.id == endpoint_id
    if any(answer.is_success for answer in answers):
        values: dict[str, Any] = {"failures": 0, "failing_since": None, "paused_until": None}
    else:
        failures = WebhookEndpoint.failures
        pause = case(
            *((failures == n, now + min(_PAUSE * 2**n, _LONGEST_PAUSE)) for n in range(8)),
            else_=now + _LONGEST_PAUSE,
        )
        values = {
            "failures": failures + 1,
            "failing_since": func.coalesce(WebhookEndpoint.failing_since, now),
            "paused_until": pause,
        }
    since = await work.session.scalar(
        update(WebhookEndpoint)
        .where(*mine)
        .values(**values, updated_at=WebhookEndpoint.updated_at)
        .returning(WebhookEndpoint.failing_since)
        .execution_options(synchronize_session=False)
    )
    if any(answer.status == _GONE for answer in answers):
        return "gone"
    return "failing" if since is not None and since <= now - FAILING_DAYS else None


async def switch_off(work: Work, endpoint_id: UUID, reason: str) -> bool:
    """Give an endpoint up; answers whether it was still on. Its deliveries wait for a replay."""
    await lock_feed(work)
    try:
        row = await find_endpoint(work, endpoint_id, lock=True)
    except NotFound:
        return False
    if not row.is_active:
        return False
    row.is_active, row.disabled_at, row.disabled_reason = False, clock.now(), reason
    await work.flush()
    await give_up_pending(work, endpoint_id, "El destino se desactivó porque sus entregas fallaban.")
    await settle_feed(work)
    work.record("webhook-endpoint.disabled", endpoint_id, after={"reason": reason, "url": row.url})
    return True


def next_try(begun_at: datetime, attempts: int, now: datetime) -> datetime | None:
    """When a delivery that was tried so often is tried again; None when it was often enough."""
    if attempts >= len(SCHEDULE):
        return None
    late = 1 + random.random() / 10  # noqa: S311 - spreads load
    # Tries that an endpoint's pause held back do not come all at once.
    return max(begun_at + SCHEDULE[attempts] * late, now + _PAUSE)


async def _write(work: Work, row: Any, answer: Answer, now: datetime) -> None:
    attempts = row.attempts + 1
    again = None if answer.is_success else next_try(row.begun_at, attempts, now)
    values: dict[str, Any] = {
        "attempts": attempts,
        "last_attempt_at": now,
        "last_status": answer.status,
        "last_error": answer.error,
        "last_duration_ms": answer.duration_ms,
    }
    if answer.is_success:
        values |= {"status": "delivered", "delivered_at": now}
    elif again is None:
        values |= {"status": "failed"}
    else:
        values |= {"next_at": again}
    # Whoever replayed, or gave up, meanwhile has the last word: its attempts begin anew, its status is another.
    await work.session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.tenant_id == work.tenant_id,
            WebhookDelivery.id == row.id,
            WebhookDelivery.status == "pending",
            WebhookDelivery.attempts == row.attempts,
            WebhookDelivery.begun_at == row.begun_at,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        insert(WebhookAttempt).values(
            tenant_id=work.tenant_id,
            id=uuid7(),
            delivery_id=row.id,
            at=now,
            status_code=answer.status,
            duration_ms=answer.duration_ms,
            excerpt=answer.excerpt,
            error=answer.error,
        )
    )
