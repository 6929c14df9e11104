"""A smaller plan at the end of the period: checked when it is asked for and when it is applied, and taken back until then."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

import msgspec
from sqlalchemy import select

from app.db.session import Work
from app.domain.billing.life import SEND_NOTICE
from app.domain.billing.models import PlanPrice, Subscription
from app.domain.standing.modules_in_use import WHY, modules_in_use
from app.domain.tenants.limits import DOCUMENTS, NAMES, read_limits
from app.domain.tenants.models import PlanVersion
from app.domain.tenants.plans import change_plan, find_version
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken
from app.lib.modules import MODULES
from app.lib.payments import SubscriptionFacts

AHEAD: Final = timedelta(hours=6)
"""How long before the period's end the provider is told, so that an outage of ours does not charge the old price."""


class Due(msgspec.Struct, frozen=True):
    """A change that the provider is to be told of now."""

    subscription: SubscriptionFacts
    price_id: str
    key: str


class PlanTooSmall(RuleBroken):
    """The company has more than the plan allows."""

    code = "plan-too-small"


async def check_fits(work: Work, version: PlanVersion) -> None:
    """Raise 422 `plan-too-small` when the company has more of something than a plan allows, or uses what it has not, naming each."""
    used = await read_limits(work)
    over = [
        FieldError("/plan", "plan-too-small", f"Usa {limit.used} {NAMES[name]} y el plan incluye {most}.")
        for name, limit in used.items()
        if name != DOCUMENTS and (most := version.limits.get(name)) is not None and limit.used > most
    ]
    over += [
        FieldError("/plan", "module-in-use", f"El plan no incluye «{MODULES[name]}» y {WHY[name]}.")
        for name in await modules_in_use(work)
        if name not in version.modules
    ]
    if over:
        raise PlanTooSmall(
            f"La empresa tiene o usa más de lo que incluye el plan {version.name}: {over[0].detail}",
            errors=tuple(over),
        )


async def due_change(work: Work, row: Subscription, live: SubscriptionFacts | None) -> Due | None:
    """The scheduled change whose time has come, if the company still fits in it; dropped, and told, if not."""
    if row.scheduled_plan is None or row.scheduled_version is None or row.scheduled_for is None or live is None:
        return None
    if row.scheduled_interval is None or clock.now() < row.scheduled_for - AHEAD:
        return None
    price = await work.session.scalar(
        select(PlanPrice).where(
            PlanPrice.plan == row.scheduled_plan,
            PlanPrice.version == row.scheduled_version,
            PlanPrice.interval == row.scheduled_interval,
        )
    )
    if price is None or price.price_id == live.price_id:
        return None
    try:
        await check_fits(work, await find_version(work, row.scheduled_plan, row.scheduled_version))
    except PlanTooSmall as refusal:
        await drop(work, row, refusal.detail, tell=True)
        return None
    if live.period_start >= row.scheduled_for:
        # The period ended before the provider was told: from the end of this one, then.
        row.scheduled_for = live.period_end
    return Due(live, price.price_id, f"next-{work.tenant_id}-{price.price_id}-{int(row.scheduled_for.timestamp())}")


async def take_free(work: Work, row: Subscription) -> bool:
    """Give the company the free plan that it chose, if it fits; answers whether it did."""
    assert row.scheduled_plan is not None
    version = row.scheduled_version or 0
    try:
        await check_fits(work, await find_version(work, row.scheduled_plan, version))
    except PlanTooSmall as refusal:
        await drop(work, row, refusal.detail, tell=True)
        return False
    await change_plan(work, row.scheduled_plan, "Plan gratis.", version)
    row.plan, row.version, row.interval = row.scheduled_plan, version, None
    row.scheduled_plan = row.scheduled_version = row.scheduled_interval = row.scheduled_for = None
    return True


async def drop(work: Work, row: Subscription, reason: str, *, tell: bool) -> None:
    """Forget a scheduled change."""
    before = {"plan": row.scheduled_plan, "for": row.scheduled_for}
    row.scheduled_plan = row.scheduled_version = row.scheduled_interval = row.scheduled_for = None
    await work.flush()
    work.record("subscription.change-dropped", work.tenant_id, before=before, after={"reason": reason})
    if tell:
        work.ask(SEND_NOTICE, {"notice": "billing-change-dropped", "reason": reason})


def is_free(version: PlanVersion) -> bool:
    """A plan that nothing is paid for."""
    return version.monthly_price == Decimal(0)
