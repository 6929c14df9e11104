"""Endpoints of a company: made, changed, removed, and their secrets."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.webhooks.events import LOW_STOCK, TYPES
from app.domain.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookFeed, WebhookLowStock, WebhookSecret
from app.domain.webhooks.schemas import (
    ChangeEndpoint,
    CreateEndpoint,
    EndpointOut,
    EndpointPage,
    NewEndpointOut,
    RotateSecret,
    SecretOut,
)
from app.domain.webhooks.secrets import SecretVault, new_secret
from app.integrations.outbound.addresses import Refused, check_url
from app.lib import clock
from app.lib.errors import FieldError, NotFound, RuleBroken
from app.lib.pages import after, cut

MOST: Final = 20
"""Endpoints of one company."""
ALL: Final = "*"
"""Subscribes to every event, also those that come to exist."""

_HEAD = text("SELECT seq FROM audit_head WHERE tenant_id = :tenant_id")


class EndpointService:
    """Reads and changes the company's endpoints; each change holds the feed, so that they take turns."""

    def __init__(self, work: Work, vault: SecretVault) -> None:
        self._work = work
        self._vault = vault

    async def page(self, limit: int, cursor: str | None) -> EndpointPage:
        """The newest first; removed ones are gone."""
        statement = (
            select(WebhookEndpoint)
            .where(WebhookEndpoint.tenant_id == self._work.tenant_id, WebhookEndpoint.removed_at.is_(None))
            .limit(limit + 1)
        )
        columns = (WebhookEndpoint.created_at, WebhookEndpoint.id)
        statement = after(statement, columns, cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        secrets = await self._secrets([row.id for row in page])
        return EndpointPage(
            items=[_out(row, [one for one in secrets if one.endpoint_id == row.id]) for row in page],
            next_cursor=next_cursor,
        )

    async def read(self, endpoint_id: UUID) -> EndpointOut:
        """Raises `NotFound`."""
        return _out(await find_endpoint(self._work, endpoint_id), await self._secrets([endpoint_id]))

    async def create(self, data: CreateEndpoint) -> NewEndpointOut:
        """Make an endpoint with its first secret, told once.

        Raises 422 `webhook-url-refused`, `unknown-event` or `too-many-endpoints`.
        """
        work, now = self._work, clock.now()
        url, events = self._checked_url(data.url), _checked_events(data.events)
        await lock_feed(work)
        held = await work.session.scalar(
            select(func.count()).where(
                WebhookEndpoint.tenant_id == work.tenant_id, WebhookEndpoint.removed_at.is_(None)
            )
        )
        if (held or 0) >= MOST:
            raise RuleBroken(f"Una empresa puede tener {MOST} destinos de webhooks.", code="too-many-endpoints")
        row = WebhookEndpoint(
            tenant_id=work.tenant_id,
            id=uuid7(),
            url=url,
            description=data.description.strip(),
            events=events,
            created_at=now,
            updated_at=now,
        )
        work.session.add(row)
        await work.flush()
        secret = await self._add_secret(row.id, now)
        await settle_feed(work)
        made = await self.read(row.id)
        work.record("webhook-endpoint.created", row.id, after=made)
        return NewEndpointOut(**msgspec.structs.asdict(made), secret=secret)

    async def change(
        self, endpoint_id: UUID, data: ChangeEndpoint, check: Callable[[EndpointOut], None]
    ) -> EndpointOut:
        """Change what is given. Raises 404, 412, 422 `webhook-url-refused` or `unknown-event`."""
        work, now = self._work, clock.now()
        await lock_feed(work)
        row = await find_endpoint(work, endpoint_id, lock=True)
        before = await self.read(endpoint_id)
        check(before)
        if data.url is not msgspec.UNSET:
            row.url = self._checked_url(data.url)
        if data.events is not msgspec.UNSET:
            row.events = _checked_events(data.events)
        if data.description is not msgspec.UNSET:
            row.description = data.description.strip()
        if data.is_active is not msgspec.UNSET and data.is_active != row.is_active:
            row.is_active = data.is_active
            row.disabled_at = row.disabled_reason = None
            row.failures, row.failing_since, row.paused_until = 0, None, None
            if not data.is_active:
                await give_up_pending(work, endpoint_id, "El destino se desactivó.")
        row.updated_at = now
        await work.flush()
        await settle_feed(work)
        changed = await self.read(endpoint_id)
        work.record("webhook-endpoint.changed", endpoint_id, before=before, after=changed)
        return changed

    async def remove(self, endpoint_id: UUID) -> None:
        """Forget an endpoint and its secrets; its log stays until it is purged. Raises `NotFound`."""
        work, now = self._work, clock.now()
        await lock_feed(work)
        row = await find_endpoint(work, endpoint_id, lock=True)
        before = await self.read(endpoint_id)
        row.is_active, row.removed_at, row.updated_at = False, now, now
        await work.flush()
        await work.session.execute(
            delete(WebhookSecret).where(
                WebhookSecret.tenant_id == work.tenant_id, WebhookSecret.endpoint_id == endpoint_id
            )
        )
        await give_up_pending(work, endpoint_id, "El destino se eliminó.")
        await settle_feed(work)
        work.record("webhook-endpoint.removed", endpoint_id, before=before)

    async def rotate(self, endpoint_id: UUID, data: RotateSecret) -> NewEndpointOut:
        """A new secret, told once; the one before it signs beside it for a while, older ones end now. Raises `NotFound`."""
        work, now = self._work, clock.now()
        await lock_feed(work)
        await find_endpoint(work, endpoint_id, lock=True)
        mine = WebhookSecret.tenant_id == work.tenant_id, WebhookSecret.endpoint_id == endpoint_id
        await work.session.execute(delete(WebhookSecret).where(*mine, WebhookSecret.expires_at.is_not(None)))
        if data.overlap_hours:
            until = now + timedelta(hours=data.overlap_hours)
            await work.session.execute(
                update(WebhookSecret).where(*mine).values(expires_at=until).execution_options(synchronize_session=False)
            )
        else:
            await work.session.execute(delete(WebhookSecret).where(*mine))
        secret = await self._add_secret(endpoint_id, now)
        made = await self.read(endpoint_id)
        work.record("webhook-endpoint.secret-rotated", endpoint_id, after={"secrets": made.secrets})
        return NewEndpointOut(**msgspec.structs.asdict(made), secret=secret)

    async def _add_secret(self, endpoint_id: UUID, now: datetime) -> str:
        secret = new_secret()
        self._work.session.add(
            WebhookSecret(
                tenant_id=self._work.tenant_id,
                id=uuid7(),
                endpoint_id=endpoint_id,
                sealed=self._vault.seal(self._work.tenant_id, endpoint_id, secret),
                expires_at=None,
                created_at=now,
            )
        )
        await self._work.flush()
        return secret

    async def _secrets(self, endpoints: Sequence[UUID]) -> Sequence[WebhookSecret]:
        statement = (
            select(WebhookSecret)
            .where(
                WebhookSecret.tenant_id == self._work.tenant_id,
                WebhookSecret.endpoint_id.in_(endpoints),
                in_force(clock.now()),
            )
            .order_by(WebhookSecret.created_at.desc(), WebhookSecret.id.desc())
            .execution_options(populate_existing=True)
        )
        return (await self._work.session.scalars(statement)).all()

    def _checked_url(self, url: str) -> str:
        try:
            return check_url(url.strip(), strict=self._work.database.settings.environment == "production")
        except Refused as refusal:
            raise RuleBroken(
                str(refusal),
                code="webhook-url-refused",
                errors=(FieldError("/url", "webhook-url-refused", str(refusal)),),
            ) from refusal


async def find_endpoint(work: Work, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    """An endpoint that was not removed. Raises `NotFound`."""
    statement = (
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.tenant_id == work.tenant_id,
            WebhookEndpoint.id == endpoint_id,
            WebhookEndpoint.removed_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )
    row: WebhookEndpoint | None = await work.session.scalar(statement.with_for_update() if lock else statement)
    if row is None:
        raise NotFound("Ese destino de webhooks no existe.")
    return row


def in_force(now: datetime) -> ColumnElement[bool]:
    """Condition on secrets that still sign."""
    return or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > now)


def listens(events: Sequence[str], kind: str) -> bool:
    """Whether an endpoint with these events wants one of this kind."""
    return kind in events or ALL in events


async def lock_feed(work: Work) -> WebhookFeed:
    """The company's feed, held until commit."""
    await work.session.execute(insert(WebhookFeed).values(tenant_id=work.tenant_id).on_conflict_do_nothing())
    statement = select(WebhookFeed).where(WebhookFeed.tenant_id == work.tenant_id).with_for_update()
    return (await work.session.scalars(statement.execution_options(populate_existing=True))).one()


async def settle_feed(work: Work) -> None:
    """Make the feed, which is held, listen to what the endpoints want.

    Whoever begins to listen hears from now on: neither what happened before nor the shelves that are low already.
    """
    feed = await lock_feed(work)
    active = (
        await work.session.scalars(
            select(WebhookEndpoint.events).where(WebhookEndpoint.tenant_id == work.tenant_id, WebhookEndpoint.is_active)
        )
    ).all()
    if active and not feed.is_listening:
        feed.audit_seq = await work.session.scalar(_HEAD, {"tenant_id": work.tenant_id}) or 0
    feed.is_listening = bool(active)
    if not any(listens(events, LOW_STOCK) for events in active):
        if feed.stock_seq is not None:
            await work.session.execute(delete(WebhookLowStock).where(WebhookLowStock.tenant_id == work.tenant_id))
        feed.stock_seq = feed.stock_at = None
    elif feed.stock_seq is None:
        # Behind the cursor: the next turn of the feed looks, and takes what it finds as known.
        feed.stock_seq, feed.stock_at = -1, None
    await work.flush()


async def give_up_pending(work: Work, endpoint_id: UUID, why: str) -> None:
    """Nothing more is sent to an endpoint; a replay may begin anew."""
    await work.session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.tenant_id == work.tenant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.status == "pending",
        )
        .values(status="failed", last_error=why)
        .execution_options(synchronize_session=False)
    )


async def renew_secrets(work: Work, vault: SecretVault) -> int:
    """Seal a company's webhook secrets under the installation's current key; answers how many were under a former one."""
    rows = (
        await work.session.scalars(
            select(WebhookSecret).where(WebhookSecret.tenant_id == work.tenant_id).with_for_update()
        )
    ).all()
    count = 0
    for row in rows:
        renewed = vault.renewed(work.tenant_id, row.endpoint_id, row.sealed)
        if renewed is not None:
            row.sealed, count = renewed, count + 1
    if count:
        work.record("webhook-endpoint.secrets-renewed", work.tenant_id, after={"count": count})
    return count


def _checked_events(events: Sequence[str]) -> list[str]:
    errors = tuple(
        FieldError(f"/events/{place}", "unknown-event", "No existe; la lista está en GET /v1/webhooks/event-types.")
        for place, name in enumerate(events)
        if name != ALL and name not in TYPES
    )
    if errors:
        raise RuleBroken("Ese evento no existe.", code="unknown-event", errors=errors)
    return [ALL] if ALL in events else [name for name in TYPES if name in events]


def _out(row: WebhookEndpoint, secrets: Sequence[WebhookSecret]) -> EndpointOut:
    return EndpointOut(
        id=row.id,
        url=row.url,
        description=row.description,
        events=list(row.events),
        is_active=row.is_active,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,  # type: ignore[arg-type]
        failing_since=row.failing_since,
        secrets=[SecretOut(created_at=one.created_at, expires_at=one.expires_at) for one in secrets],
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
