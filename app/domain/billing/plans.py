"""Plans as they are sold: versions with their prices, here and at the payment provider."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Database, Work
from app.domain.billing.life import price_of
from app.domain.billing.models import PlanPrice
from app.domain.billing.schemas import PlanOut
from app.domain.tenants.models import Plan, PlanVersion
from app.domain.tenants.plans import find_plan
from app.lib.errors import FieldError, RuleBroken
from app.lib.payments import Interval, Payments


async def on_offer(work: Work) -> list[PlanOut]:
    """Plans that a company may choose, the cheapest first."""
    found: Any = await work.session.execute(
        select(Plan, PlanVersion)
        .join(PlanVersion, (PlanVersion.plan == Plan.code) & (PlanVersion.version == Plan.version))
        .where(Plan.is_offered)
        .order_by(Plan.position, Plan.code)
    )
    return [plan_out(version) for _plan, version in found]


def plan_out(version: PlanVersion) -> PlanOut:
    return PlanOut(
        code=version.plan,
        name=version.name,
        version=version.version,
        monthly_price=version.monthly_price,
        yearly_price=version.yearly_price,
        modules=version.modules,
        limits=version.limits,
        requests_per_minute=version.requests_per_minute,
        backup_policy=version.backup_policy,
    )


async def sold_today(work: Work, code: str) -> PlanVersion:
    """The version of a plan that is on offer. Raises 422 `unknown-plan`."""
    plan = await find_plan(work, code)
    version = await work.session.scalar(
        select(PlanVersion).where(PlanVersion.plan == plan.code, PlanVersion.version == plan.version)
    )
    if version is None:
        raise RuleBroken(
            "Ese plan no está a la venta.",
            code="unknown-plan",
            errors=(FieldError("/plan", "unknown-plan", "Elija uno de los planes publicados."),),
        )
    return version


async def price_at(database: Database, payments: Payments, version: PlanVersion, interval: Interval) -> str:
    """The provider's price of a version, made there if need be. Call it outside of the request's transaction."""
    key = (PlanPrice.plan == version.plan, PlanPrice.version == version.version, PlanPrice.interval == interval)
    async with database.platform_transaction() as session:
        known = await session.scalar(select(PlanPrice.price_id).where(*key))
    if known is not None:
        return known
    lookup = f"{version.plan}-v{version.version}-{interval}"
    made = await payments.ensure_price(f"Mostrador {version.name}", lookup, price_of(version, interval), interval)
    values = {"plan": version.plan, "version": version.version, "interval": interval, "price_id": made}
    async with database.platform_transaction() as session:
        await session.execute(insert(PlanPrice).values(**values).on_conflict_do_nothing())
    return made
