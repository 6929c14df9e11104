"""Bringing a company up to date with what the payment provider knows of it now.

Events, the clock and people only ring here: what is true is fetched, outside of any transaction, and then written in one.
Of two looks that overlap, the older finds the count of looks changed and starts again, so that no older truth is written last.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.billing import scheduled
from app.domain.billing.life import SEND_NOTICE, count_revenue, happen, hold
from app.domain.billing.machine import (
    PAYING,
    Event,
    Facts,
    Rules,
    State,
    due_reminders,
    next_event,
    next_look,
)
from app.domain.billing.models import BillingInvoice, BillingNotice, PlanPrice, Subscription
from app.domain.tenants.models import Tenant
from app.domain.tenants.plans import change_plan
from app.lib import clock
from app.lib.payments import Account, InvoiceFacts, Payments, SubscriptionFacts
from app.settings import Settings

_LOG = structlog.stdlib.get_logger("mostrador.billing")

_TRIES: Final = 5
"""Looks that another overtook, before the job is tried again later."""
_NONE: Final = Account(subscriptions=(), invoices=())


class Overtaken(Exception):
    """Somebody looks at the provider for this company all the time."""


class _Known(msgspec.Struct, frozen=True):
    customer: str | None
    looks: int


def rules_of(settings: Settings) -> Rules:
    """The installation's patience."""
    return Rules(timedelta(days=settings.billing_grace_days), timedelta(days=settings.billing_patience_days))


async def look(context: JobContext, payments: Payments) -> None:
    """Fetch and write. Raises `PaymentsUnavailable`, `PaymentsRefused`; then nothing has changed."""
    for _ in range(_TRIES):
        async with context.transaction() as work:
            row, _tenant = await hold(work)
            row.looks += 1
            known = _Known(row.customer_id, row.looks)
        account = _NONE if known.customer is None else await payments.read_account(known.customer)
        due = None
        async with context.transaction() as work:
            row, tenant = await hold(work)
            is_overtaken = row.looks != known.looks
            if not is_overtaken:
                due = await write(work, row, tenant, account)
        if due is not None:
            # A smaller plan, checked once more, is charged from the next period on; then looked at again.
            await payments.change_next(due.subscription, due.price_id, due.key)
        elif not is_overtaken and row.state == State.CLOSED and row.provider_id is not None and not row.cancels:
            # Nobody is charged for a closed account again.
            await payments.set_cancelling(row.provider_id, True)
        elif not is_overtaken:
            return
    raise Overtaken("the company's subscription is being looked at elsewhere")


async def write(work: Work, row: Subscription, tenant: Tenant, account: Account) -> scheduled.Due | None:
    """Write what an account says, and take every step that it means now; answers a change that is due at the provider."""
    now, rules = clock.now(), rules_of(work.database.settings)
    await _keep_invoices(work, account.invoices)
    live = _live(row, account.subscriptions)
    mine = [one for one in account.invoices if live is not None and one.subscription_id == live.id]
    had = row.provider_id is not None
    _keep_subscription(row, live)
    failing = _failing(mine, live)
    row.failing_invoice = failing.id if failing is not None else None
    row.failing_since = (failing.finalized_at or failing.made_at) if failing is not None else None
    if live is not None:
        await _follow_price(work, row, live, mine)
    if (
        row.state == State.TRIALING
        and live is None
        and tenant.trial_ends_at is not None
        and tenant.trial_ends_at <= now
    ):
        await happen(work, row, Event.TRIAL_ENDED)
    facts = Facts(
        had=had,
        is_live=live is not None,
        is_paid=any(one.status == "paid" for one in mine),
        cancels=row.cancels,
        failing_since=row.failing_since,
        is_free_next=row.scheduled_plan is not None and row.scheduled_interval is None,
    )
    while (event := next_event(State(row.state), facts, rules, now)) is not None:
        if event == Event.SUBSCRIPTION_ENDED:
            await _end(work, row)
            facts = msgspec.structs.replace(facts, had=False)
        if event == Event.FREE_CHOSEN:
            facts = msgspec.structs.replace(facts, is_free_next=False)
            if not await scheduled.take_free(work, row):
                break
        await happen(work, row, event)
    if live is None and row.provider_id is not None and State(row.state) not in PAYING:
        # Over while the company was stopped already: it may subscribe again.
        await _end(work, row)
    await count_revenue(work, row)
    await _remind(work, row, now)
    due = await scheduled.due_change(work, row, live)
    look_at = next_look(State(row.state), facts, rules, now, row.period_end)
    if row.scheduled_for is not None and look_at is not None:
        look_at = min(look_at, max(row.scheduled_for - scheduled.AHEAD, now + timedelta(minutes=30)))
    row.look_at = look_at
    row.synced_at = now
    await work.flush()
    return due


def _live(row: Subscription, found: Sequence[SubscriptionFacts]) -> SubscriptionFacts | None:
    """The subscription that counts: the known one, else the oldest that lives."""
    alive = sorted((one for one in found if one.is_live), key=lambda one: (one.made_at, one.id))
    return next((one for one in alive if one.id == row.provider_id), alive[0] if alive else None)


def _keep_subscription(row: Subscription, live: SubscriptionFacts | None) -> None:
    if live is None:
        return
    if row.provider_id != live.id:
        row.provider_id, row.cancel_reason = live.id, None
    row.period_start, row.period_end, row.cancels = live.period_start, live.period_end, live.cancels


async def _end(work: Work, row: Subscription) -> None:
    """What was subscribed is over; the plan stays written on the company, which may only read."""
    row.provider_id, row.cancels = None, False
    row.period_start = row.period_end = None
    if row.scheduled_interval is not None:
        await scheduled.drop(work, row, "Terminó la suscripción.", tell=False)


def _failing(invoices: Sequence[InvoiceFacts], live: SubscriptionFacts | None) -> InvoiceFacts | None:
    """The oldest invoice that was tried and is owed; one that was written off is owed as well: nobody paid it.

    A change that waits for its payment is not had, and not owed: its subscription is not behind.
    """
    is_behind = live is not None and live.status in {"past_due", "unpaid"} and not live.is_changing
    owed = [
        one
        for one in invoices
        if one.status in {"open", "uncollectible"}
        and one.attempts > 0
        and one.kind != "subscription_create"
        and (
            one.kind != "subscription_update"
            or one.status == "uncollectible"
            or (is_behind and live is not None and one.price_id == live.price_id)
        )
    ]
    return min(owed, key=lambda one: (one.finalized_at or one.made_at, one.id), default=None)


async def _follow_price(
    work: Work, row: Subscription, live: SubscriptionFacts, invoices: Sequence[InvoiceFacts]
) -> None:
    """Give the company the plan that its subscription charges, once that was paid.

    A smaller plan begins with its period, whether or not that period's invoice was paid.
    """
    price = await work.session.scalar(select(PlanPrice).where(PlanPrice.price_id == live.price_id))
    if price is None:
        _LOG.error("unknown price", tenant_id=str(work.tenant_id), price=live.price_id)
        return
    if (row.plan, row.version, row.interval) == (price.plan, price.version, price.interval):
        await _hand_over(work, row, price)
        return
    chosen = (row.scheduled_plan, row.scheduled_version, row.scheduled_interval)
    if row.scheduled_for is not None and chosen == (price.plan, price.version, price.interval):
        # The provider was told a little ahead; what was paid lasts until its period ends. Another interval begins there at once.
        if live.period_start < row.scheduled_for - scheduled.AHEAD:
            return
    elif not any(one.status == "paid" and one.price_id == live.price_id for one in invoices):
        return
    row.plan, row.version, row.interval = price.plan, price.version, price.interval
    if chosen == (price.plan, price.version, price.interval):
        row.scheduled_plan = row.scheduled_version = row.scheduled_interval = row.scheduled_for = None
    await _hand_over(work, row, price)


async def _hand_over(work: Work, row: Subscription, price: PlanPrice) -> None:
    """The company's own row follows what is paid, except where the operator stopped it."""
    if row.state not in {State.CLOSED, State.BLOCKED}:
        await change_plan(work, price.plan, "Suscripción pagada.", price.version)


async def _keep_invoices(work: Work, invoices: Sequence[InvoiceFacts]) -> None:
    """Write what is new of the invoices: years of them are looked at, and nearly all say what they said."""
    rows = [_row(work, one) for one in invoices if one.status != "draft"]
    if not rows:
        return
    columns = [BillingInvoice.__table__.c[name] for name in rows[0]]
    known = set(map(tuple, await work.session.execute(select(*columns).where(columns[0] == work.tenant_id))))
    for values in rows:
        if tuple(values.values()) in known:
            continue
        fresh = {name: value for name, value in values.items() if name not in {"tenant_id", "id"}}
        await work.session.execute(
            insert(BillingInvoice)
            .values(**values)
            .on_conflict_do_update(index_elements=["tenant_id", "id"], set_=fresh | {"updated_at": clock.now()})
        )


def _row(work: Work, one: InvoiceFacts) -> dict[str, Any]:
    return {
        "tenant_id": work.tenant_id,
        "id": one.id,
        "number": one.number,
        "status": one.status,
        "kind": one.kind,
        "currency": one.currency,
        "subtotal": one.subtotal,
        "tax": one.tax,
        "total": one.total,
        "paid": one.paid,
        "refunded": one.refunded,
        "is_disputed": one.is_disputed,
        "attempts": one.attempts,
        "price_id": one.price_id,
        "pay_url": one.pay_url,
        "pdf_url": one.pdf_url,
        "made_at": one.made_at,
        "failed_at": one.finalized_at if one.status in {"open", "uncollectible"} and one.attempts else None,
        "paid_at": one.paid_at,
    }


async def _remind(work: Work, row: Subscription, now: datetime) -> None:
    """Write the reminders that are due, each once; mail the newest of those that were not written before."""
    if row.state != State.PAST_DUE or row.failing_since is None or row.failing_invoice is None:
        return
    fresh = []
    for day in due_reminders(row.failing_since, now):
        statement = (
            insert(BillingNotice)
            .values(tenant_id=work.tenant_id, invoice_id=row.failing_invoice, day=day, at=now)
            .on_conflict_do_nothing()
            .returning(BillingNotice.day)
        )
        if (await work.session.scalar(statement)) is not None:
            fresh.append(day)
    if fresh:
        work.ask(SEND_NOTICE, {"notice": "billing-reminder", "invoiceId": row.failing_invoice, "day": max(fresh)})
