"""The provider's events: checked, written down once, answered at once, acted upon by a job that fetches what is true now."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.lib import clock

_LOG = structlog.stdlib.get_logger("mostrador.billing")

HANDLED: Final = frozenset(
    {
        "checkout.session.completed",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.finalized",
        "invoice.voided",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.trial_will_end",
        "charge.refunded",
        "charge.dispute.created",
        "charge.dispute.closed",
    }
)
LOOK: Final = "billing.look"
"""Kind of the job that an event asks for."""

_INSERT = text(
    "INSERT INTO payment_event (id, kind, customer_id, object_id, tenant_id, job_id, outcome, received_at) "
    "VALUES (:id, :kind, :customer, :object, :tenant_id, :job_id, :outcome, :now) ON CONFLICT DO NOTHING"
)
_COMPANY = text(
    "SELECT tenant_id FROM subscription WHERE customer_id = :customer "
    "UNION SELECT tenant_id FROM subscription s JOIN billing_invoice i USING (tenant_id) WHERE i.id = :object"
)
_ASK = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) "
    "VALUES (:tenant_id, :id, 'short', :kind, CAST(:payload AS jsonb), :now)"
)
_NEXT_LOOK = text(
    "SELECT id FROM outbox WHERE tenant_id = :tenant_id AND kind = :kind AND status IN ('pending','queued') "
    "AND attempts = 0 ORDER BY id LIMIT 1 FOR SHARE SKIP LOCKED"
)
"""A look that nobody has begun: it cannot begin before the event that it is to answer as well is written down."""
_DONE = text(
    "UPDATE payment_event SET outcome = 'done', done_at = :now "
    "WHERE tenant_id = :tenant_id AND outcome = 'queued' AND received_at <= :begun"
)


class _Object(msgspec.Struct):
    id: str | None = None
    object: str = ""
    customer: str | None = None


class _Data(msgspec.Struct):
    object: _Object


class Event(msgspec.Struct):
    """What an event is about; what it says is fetched anew."""

    id: str
    type: str
    data: _Data


_DECODER: Final = msgspec.json.Decoder(Event)


def read_event(body: bytes) -> Event:
    """The little that is read of an event. Raises `msgspec.MsgspecError` or `UnicodeDecodeError`."""
    return _DECODER.decode(body)


async def take(database: Database, event: Event) -> None:
    """Write an event and the job that answers it, both or none; a known one changes nothing.

    A look that waits for its first try answers it too.
    """
    now, job_id = clock.now(), uuid7()
    subject = event.data.object
    customer = subject.id if subject.object == "customer" else subject.customer
    values: dict[str, Any] = {
        "id": event.id,
        "kind": event.type,
        "customer": customer,
        "object": subject.id,
        "now": now,
    }
    async with database.platform_transaction() as session:
        tenant_id = None
        if event.type not in HANDLED:
            outcome = "unknown-kind"
        else:
            tenant_id = await session.scalar(_COMPANY, {"customer": customer, "object": subject.id})
            outcome = "unknown-customer" if tenant_id is None else "queued"
        waiting = None
        if tenant_id is not None:
            # A look fetches everything: of many events at once one is enough.
            waiting = await session.scalar(_NEXT_LOOK, {"tenant_id": tenant_id, "kind": LOOK})
            job_id = waiting or job_id
        row = {"tenant_id": tenant_id, "job_id": job_id if tenant_id else None, "outcome": outcome}
        written = await session.execute(_INSERT, values | row)
        is_new = bool(written.rowcount)  # type: ignore[attr-defined]
        if is_new and tenant_id is not None and waiting is None:
            await ask_to_look(session, tenant_id, job_id, event.id)
    if not is_new:
        return
    if tenant_id is None:
        _LOG.warning("event of nobody", event_id=event.id, kind=event.type, outcome=outcome)
    else:
        database.bell.ring()


async def ask_to_look(session: Any, tenant_id: Any, job_id: Any, event_id: str | None) -> None:
    """Want a look at the provider for a company, in a transaction of the platform's."""
    payload = msgspec.json.encode({"eventId": event_id}).decode()
    values = {"tenant_id": tenant_id, "id": job_id, "kind": LOOK, "payload": payload, "now": clock.now()}
    await session.execute(_ASK, values)


async def finish(database: Database, tenant_id: UUID, begun: datetime) -> None:
    """Write that all events of a company were acted upon that came before a look at the provider began."""
    async with database.platform_transaction() as session:
        await session.execute(_DONE, {"tenant_id": tenant_id, "begun": begun, "now": clock.now()})
