"""Steps of a subscription's life, written: the state, the company's status, the recurring revenue, the mails."""

from decimal import Decimal
from typing import Final

from sqlalchemy import insert, select

from app.db.session import Work
from app.domain.billing.machine import BY_HAND, PAYING, STATUS_OF, TABLE, Effect, Event, State
from app.domain.billing.models import MrrMovement, Subscription, SubscriptionTransition
from app.domain.tenants import lifecycle
from app.domain.tenants.models import PlanVersion, Tenant, TenantStatus
from app.domain.tenants.plans import find_version
from app.domain.tenants.service import TenantService
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict
from app.lib.money import cents

_MONTHS: Final = Decimal(12)
SEND_NOTICE: Final = "billing.send-notice"
"""Kind of the job that mails a notice: named here, declared in `jobs`."""

_REASONS: Final[dict[Event, str]] = {
    Event.PAID: "Pago recibido.",
    Event.FREE_CHOSEN: "Eligió el plan gratis.",
    Event.PAYMENT_FAILED: "No se pudo cobrar la factura.",
    Event.GRACE_ENDED: "Terminaron los días de gracia sin pago.",
    Event.PATIENCE_ENDED: "Sigue sin pago después de los días de solo lectura.",
    Event.TRIAL_ENDED: "Terminó el período de prueba.",
    Event.CANCEL_ASKED: "Pidió cancelar al final del período.",
    Event.RESUMED: "Retomó la suscripción.",
    Event.SUBSCRIPTION_ENDED: "Terminó la suscripción.",
    Event.MOVED_BY_HAND: "Cambió el estado de la empresa.",
}

_BUSY: Final = Conflict("La suscripción acaba de cambiar; intente de nuevo.", code="busy")
for _name in ("pk_subscription_transition", "pk_subscription", "pk_mrr_movement"):
    BROKEN_CONSTRAINTS[_name] = _BUSY


class MoveNotAllowed(Conflict):
    """The table has no such step."""

    code = "subscription-move-not-allowed"


async def hold(work: Work) -> tuple[Subscription, Tenant]:
    """The subscription and the company of the transaction, both locked; made from the company's status when it is new.

    A status that somebody else gave the company is taken over first.
    """
    tenant = await lifecycle.lock(work)
    found = (
        select(Subscription)
        .where(Subscription.tenant_id == work.tenant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    row = await work.session.scalar(found)
    if row is None:
        row = Subscription(
            tenant_id=work.tenant_id, state="new", state_seq=0, mrr=Decimal("0.00"), mrr_seq=0, looks=0, cancels=False
        )
        await _step(work, row, Event.MOVED_BY_HAND, BY_HAND[tenant.status], "Registro de la suscripción.")
        work.session.add(row)
        await work.flush()
    elif STATUS_OF[State(row.state)] != tenant.status:
        if (row.state, tenant.status) == (State.TRIALING, TenantStatus.READ_ONLY):
            # Its trial ended, which nobody of the company did.
            work.ask(SEND_NOTICE, {"notice": str(Effect.MAIL_READ_ONLY)})
        await _step(work, row, Event.MOVED_BY_HAND, BY_HAND[tenant.status], None)
        await count_revenue(work, row)
    if tenant.trial_ends_at is not None and tenant.trial_ends_at != row.trial_ends_at:
        row.trial_ends_at = tenant.trial_ends_at
        await work.flush()
    return row, tenant


async def peek(work: Work) -> tuple[Subscription, Tenant]:
    """The same to look at, without a lock and without writing anything: also for support, which may only read."""
    tenant = await TenantService(work).find()
    row = await work.session.scalar(select(Subscription).where(Subscription.tenant_id == work.tenant_id))
    if row is None:
        row = Subscription(tenant_id=work.tenant_id, mrr=Decimal("0.00"), cancels=False)
    elif STATUS_OF[State(row.state)] == tenant.status:
        return row, tenant
    else:
        work.session.expunge(row)
    row.state, row.state_since = BY_HAND[tenant.status], tenant.status_since
    return row, tenant


async def happen(work: Work, row: Subscription, event: Event, reason: str | None = None) -> None:
    """Take one step of the table, with everything that follows. Raises 409 `subscription-move-not-allowed`."""
    before = State(row.state)
    if (before, event) not in TABLE:
        raise MoveNotAllowed("La suscripción no admite ese cambio ahora.", state=str(before), event=str(event))
    after, effects = TABLE[before, event]
    await _step(work, row, event, after, reason)
    if STATUS_OF[before] != STATUS_OF[after]:
        await lifecycle.move(work, STATUS_OF[after], reason or _REASONS[event])
    await count_revenue(work, row)
    for effect in effects:
        work.ask(SEND_NOTICE, {"notice": str(effect)})
    work.record(
        "subscription.moved",
        work.tenant_id,
        before={"state": str(before)},
        after={"state": str(after), "event": str(event)},
    )


async def take_over(work: Work, row: Subscription, state: State, reason: str) -> None:
    """Move a subscription by hand where the company's status stays as it is."""
    before = row.state
    await _step(work, row, Event.MOVED_BY_HAND, state, reason)
    await count_revenue(work, row)
    work.record(
        "subscription.moved",
        work.tenant_id,
        before={"state": before},
        after={"state": str(state), "event": str(Event.MOVED_BY_HAND), "reason": reason},
    )


async def count_revenue(work: Work, row: Subscription) -> None:
    """Write the movement between the recurring revenue as it was and as the subscription's state and plan make it."""
    now_worth = Decimal("0.00")
    if row.state in PAYING and row.plan is not None and row.version is not None and row.interval is not None:
        now_worth = monthly_value(await find_version(work, row.plan, row.version), row.interval)
    moved = now_worth - row.mrr
    if moved == 0:
        return
    if row.mrr == 0:
        kind = "new" if row.mrr_seq == 0 else "reactivation"
    elif now_worth == 0:
        kind = "churn"
    else:
        kind = "expansion" if moved > 0 else "contraction"
    row.mrr, row.mrr_seq = now_worth, row.mrr_seq + 1
    await work.session.execute(
        insert(MrrMovement).values(
            tenant_id=work.tenant_id,
            seq=row.mrr_seq,
            at=clock.now(),
            kind=kind,
            amount=moved,
            after=now_worth,
            plan=row.plan,
            interval=row.interval,
        )
    )
    await work.flush()


def price_of(version: PlanVersion, interval: str) -> Decimal:
    """Pesos of one period, before taxes."""
    return version.monthly_price if interval == "month" else version.yearly_price


def monthly_value(version: PlanVersion, interval: str) -> Decimal:
    """Pesos a month, to the cent: what plans and intervals are compared by."""
    return version.monthly_price if interval == "month" else cents(version.yearly_price / _MONTHS)


async def _step(work: Work, row: Subscription, event: Event, after: State, reason: str | None) -> None:
    seq, at = row.state_seq + 1, clock.now()
    await work.session.execute(
        insert(SubscriptionTransition).values(
            tenant_id=work.tenant_id,
            seq=seq,
            previous_seq=seq - 1 or None,
            from_state=row.state,
            event=str(event),
            to_state=str(after),
            reason=reason or _REASONS[event],
            at=at,
        )
    )
    row.state, row.state_seq, row.state_since = str(after), seq, at
    if row in work.session:
        await work.flush()
