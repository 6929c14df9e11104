"""Every day our books against the provider's, both ways and to the last page: differences are reported, then looked at again.

What only one side has is told; what differs is repaired by the look that a lost event would have asked for.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import insert, select, text
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.billing.collector import payments_of
from app.domain.billing.events import LOOK, ask_to_look
from app.domain.billing.models import BillingInvoice, BillingReport, PlanPrice, Subscription
from app.lib import clock
from app.lib.payments import SubscriptionFacts

_LOG = structlog.stdlib.get_logger("mostrador.billing")

_WAITING: Final = (
    "NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = s.tenant_id AND o.kind = :kind "
    "AND o.status IN ('pending','queued','running'))"
)
_DUE: Final = text(f"SELECT s.tenant_id FROM subscription s WHERE s.look_at <= :now AND {_WAITING} LIMIT 500")


async def look_at_due(database: Database) -> None:
    """Ask for a look at every company for which time alone may have changed something."""
    async with database.platform_transaction() as session:
        due = (await session.scalars(_DUE, {"now": clock.now(), "kind": LOOK})).all()
        for tenant_id in due:
            await ask_to_look(session, tenant_id, uuid7(), None)


async def reconcile(database: Database) -> BillingReport | None:
    """Compare, report, and ask for looks. Raises `PaymentsUnavailable` while the provider is away; nothing is written then."""
    payments = payments_of(database)
    if payments is None:
        return None
    theirs: dict[str, list[SubscriptionFacts]] = defaultdict(list)
    for customer, facts in await payments.list_subscriptions():
        if facts.is_live:
            theirs[customer].append(facts)
    async with database.platform_transaction() as session:
        rows = (await session.scalars(select(Subscription).where(Subscription.customer_id.is_not(None)))).all()
        prices = {
            row.price_id: (row.plan, row.version, row.interval) for row in await session.scalars(select(PlanPrice))
        }
        lost = set(await session.scalars(select(BillingInvoice.id).where(BillingInvoice.status == "uncollectible")))
        differences: list[dict[str, Any]] = []
        wrong: set[UUID] = set()
        for row in rows:
            found = differences_of(row, theirs.pop(str(row.customer_id), []), prices, lost)
            differences += found
            if found:
                wrong.add(row.tenant_id)
        differences += [
            {"kind": "unknown-customer", "customer": customer, "subscriptions": [one.id for one in facts]}
            for customer, facts in sorted(theirs.items())
        ]
        report = BillingReport(
            id=uuid7(),
            at=clock.now(),
            companies=len(rows),
            subscriptions=sum(1 for row in rows if row.provider_id),
            differences=differences,
        )
        await session.execute(
            insert(BillingReport).values(
                id=report.id,
                at=report.at,
                companies=report.companies,
                subscriptions=report.subscriptions,
                differences=differences,
            )
        )
        for tenant_id in wrong:
            await ask_to_look(session, tenant_id, uuid7(), None)
    if differences:
        _LOG.error("books differ", count=len(differences), kinds=sorted({one["kind"] for one in differences}))
        database.bell.ring()
    return report


def differences_of(
    row: Subscription,
    found: list[SubscriptionFacts],
    prices: dict[str, tuple[str, int, str]],
    lost: Collection[str] = (),
) -> list[dict[str, Any]]:
    """What a company's row and its live subscriptions say differently; `lost` are invoices that were written off there, and are
    owed here alone.
    """
    told: dict[str, Any] = {"tenant": str(row.tenant_id), "customer": row.customer_id}
    mine = next((one for one in found if one.id == row.provider_id), None)
    differences = [
        told | {"kind": "second-subscription", "subscription": one.id}
        for one in found
        if row.provider_id is not None and one is not mine
    ]
    if mine is None and row.provider_id is not None:
        differences.append(told | {"kind": "missing-there", "subscription": row.provider_id})
    elif mine is None and found:
        differences += [told | {"kind": "missing-here", "subscription": one.id} for one in found]
    elif mine is not None:
        for name, here, there in (
            ("cancels", row.cancels, mine.cancels),
            ("period-end", row.period_end, mine.period_end),
            (
                "owed",
                row.failing_since is not None and row.failing_invoice not in lost,
                mine.status in {"past_due", "unpaid"},
            ),
        ):
            if here != there:
                differences.append(told | {"kind": name, "here": str(here), "there": str(there)})
        price = prices.get(mine.price_id)
        is_coming = price is not None and price == (row.scheduled_plan, row.scheduled_version, row.scheduled_interval)
        if price != (row.plan, row.version, row.interval) and not is_coming and not mine.is_changing:
            differences.append(told | {"kind": "price", "here": f"{row.plan} {row.version}", "there": mine.price_id})
    return differences
