"""The provider's events: checked, written down once, answered at once, acted upon by a job that fetches what is true now."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Boolean, DateTime, Text, Uuid, bindparam, text
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
        "invoice.marked_uncollectible",
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

_TAKE = text(
    "WITH company AS (SELECT tenant_id FROM subscription WHERE :handled AND customer_id = :customer "
    "UNION SELECT tenant_id FROM billing_invoice WHERE :handled AND id = :object LIMIT 1), "
    # A look that nobody has begun: locked, it cannot begin before the event that it is to answer as well is written down.
    "waiting AS (SELECT o.id FROM outbox o JOIN company c ON c.tenant_id = o.tenant_id WHERE o.kind = :look "
    "AND o.status IN ('pending','queued') AND o.attempts = 0 ORDER BY o.id LIMIT 1 FOR SHARE OF o SKIP LOCKED), "
    "event AS (INSERT INTO payment_event (id, kind, customer_id, object_id, tenant_id, job_id, outcome, received_at) "
    "SELECT :id, :kind, :customer, :object, c.tenant_id, "
    "CASE WHEN c.tenant_id IS NOT NULL THEN coalesce((SELECT id FROM waiting), :job_id) END, "
    "CASE WHEN NOT :handled THEN 'unknown-kind' WHEN c.tenant_id IS NULL THEN 'unknown-customer' ELSE 'queued' END, :now "
    "FROM (SELECT) one LEFT JOIN company c ON true ON CONFLICT DO NOTHING RETURNING tenant_id, job_id, outcome), "
    "asked AS (INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) "
    "SELECT tenant_id, job_id, 'short', :look, CAST(:payload AS jsonb), :now FROM event WHERE job_id = :job_id) "
    "SELECT tenant_id, outcome FROM event"
).bindparams(
    bindparam("handled", type_=Boolean),
    bindparam("job_id", type_=Uuid),
    bindparam("customer", type_=Text),
    bindparam("object", type_=Text),
    bindparam("id", type_=Text),
    bindparam("kind", type_=Text),
    bindparam("look", type_=Text),
    bindparam("now", type_=DateTime(timezone=True)),
)
"""Everything about an event at once: Stripe tells several of one payment, and waits a second for each answer."""
_ASK = text(
    "INSERT INTO outbox (tenant_id, id, queue, kind, payload, due_at) "
    "VALUES (:tenant_id, :id, 'short', :kind, CAST(:payload AS jsonb), :now)"
)
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

    A look that waits for its first try answers it too: it fetches everything, so that of many events one is enough.
    """
    subject = event.data.object
    values: dict[str, Any] = {
        "id": event.id,
        "kind": event.type,
        "handled": event.type in HANDLED,
        "customer": subject.id if subject.object == "customer" else subject.customer,
        "object": subject.id,
        "job_id": uuid7(),
        "look": LOOK,
        "payload": _payload(event.id),
        "now": clock.now(),
    }
    async with database.platform_transaction() as session:
        written = (await session.execute(_TAKE, values)).one_or_none()
    if written is None:
        return
    if written.tenant_id is None:
        _LOG.warning("event of nobody", event_id=event.id, kind=event.type, outcome=written.outcome)
    else:
        database.bell.ring()


def _payload(event_id: str | None) -> str:
    return msgspec.json.encode({"eventId": event_id}).decode()


async def ask_to_look(session: Any, tenant_id: Any, job_id: Any, event_id: str | None) -> None:
    """Want a look at the provider for a company, in a transaction of the platform's."""
    values = {"tenant_id": tenant_id, "id": job_id, "kind": LOOK, "payload": _payload(event_id), "now": clock.now()}
    await session.execute(_ASK, values)


async def finish(database: Database, tenant_id: UUID, begun: datetime) -> None:
    """Write that all events of a company were acted upon that came before a look at the provider began."""
    async with database.platform_transaction() as session:
        await session.execute(_DONE, {"tenant_id": tenant_id, "begun": begun, "now": clock.now()})
