"""Plans and modules of a company: what it has, what the operator switches, and the sum that every request reads."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Work
from app.domain.tenants.lifecycle import lock
from app.domain.tenants.models import Plan, PlanVersion, Tenant, TenantModule
from app.domain.tenants.sample import refuse_sample
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken
from app.lib.modules import CORE, MODULES, Span

TRIAL_PLAN: Final = "pro"
"""What a company tries when it names no plan."""


async def find_plan(work: Work, code: str, pointer: str = "/plan") -> Plan:
    """A plan on offer. Raises 422 `unknown-plan`."""
    plan = await work.session.scalar(select(Plan).where(Plan.code == code, Plan.is_offered))
    if plan is None:
        raise RuleBroken(
            "Ese plan no existe.",
            code="unknown-plan",
            errors=(FieldError(pointer, "unknown-plan", "Elija uno de los planes publicados."),),
        )
    return plan


async def change_plan(work: Work, code: str, reason: str, version: int | None = None) -> Tenant:
    """Give the company another plan: a version that it bought, else the plan as it is sold.

    What it has beyond a smaller plan's limits stays; nothing can be added to it.
    Raises 422 `unknown-plan`, and `sample-company`: a sample is not sold to.
    """
    await refuse_sample(work, "La empresa de muestra no cambia de plan.")
    plan: Plan | PlanVersion
    if version is None:
        plan = await find_plan(work, code)
    else:
        plan = await find_version(work, code, version)
    tenant = await lock(work)
    if (tenant.plan, tenant.plan_version) == (code, version):
        return tenant
    before = {"plan": tenant.plan, "version": tenant.plan_version, "modules": sorted(tenant.modules)}
    tenant.plan, tenant.plan_version = code, version
    await refresh(work, tenant, plan)
    work.record(
        "company.plan-changed",
        tenant.tenant_id,
        before=before,
        after={"plan": code, "version": version, "modules": sorted(tenant.modules), "reason": reason},
    )
    return tenant


async def switch_module(
    work: Work, module: str, *, is_on: bool, reason: str, expires_at: datetime | None = None
) -> Tenant:
    """Switch a module on or off for this company, whatever its plan says, until an instant or for good.

    Raises 422 for an unknown module, the counter itself, no reason, or an instant gone by.
    """
    if module not in MODULES or module == CORE:
        raise _refusal("/module", "unknown-module", "No es un módulo que se pueda activar o desactivar.")
    if not reason.strip():
        raise _refusal("/reason", "blank", "Escriba el motivo.")
    if expires_at is not None and expires_at <= clock.now():
        raise _refusal("/expiresAt", "in-the-past", "Debe ser un instante futuro.")
    tenant = await lock(work)
    values = {"is_on": is_on, "expires_at": expires_at, "reason": reason.strip(), "set_by": work.actor.user_id}
    await work.session.execute(
        insert(TenantModule)
        .values(tenant_id=work.tenant_id, module=module, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "module"], set_=values | {"updated_at": clock.now()})
    )
    before = msgspec.to_builtins(tenant.modules.get(module))
    await refresh(work, tenant, await _plan_of(work, tenant))
    work.record(
        "company.module-switched",
        tenant.tenant_id,
        before={"module": module, "span": before},
        after={"module": module, "isOn": is_on, "expiresAt": expires_at, "reason": reason.strip()},
    )
    return tenant


async def refresh(work: Work, tenant: Tenant, plan: Plan | PlanVersion) -> None:
    """Keep with the company's row what its plan and its switches add up to. The caller holds the row."""
    rows = await work.session.scalars(
        select(TenantModule).where(TenantModule.tenant_id == work.tenant_id).execution_options(populate_existing=True)
    )
    tenant.modules = msgspec.to_builtins(add_up(plan.modules, rows))
    tenant.requests_per_minute = plan.requests_per_minute
    await work.flush()


async def refresh_plan(work: Work) -> bool:
    """Bring what is kept up to date with the plan as it is sold today; answers whether anything changed."""
    tenant = await lock(work)
    before = (tenant.modules, tenant.requests_per_minute)
    await refresh(work, tenant, await _plan_of(work, tenant))
    return before != (tenant.modules, tenant.requests_per_minute)


def add_up(plan: Iterable[str], switches: Iterable[TenantModule]) -> dict[str, Span]:
    """Modules by when they are on: the plan's, with what was switched for this company laid over them."""
    spans = {module: Span() for module in plan}
    for switch in switches:
        included = switch.module in spans
        if switch.is_on:
            spans[switch.module] = Span() if included else Span(until=switch.expires_at)
        elif included and switch.expires_at is not None:
            spans[switch.module] = Span(since=switch.expires_at)
        else:
            spans.pop(switch.module, None)
    return spans


async def find_version(work: Work, code: str, version: int) -> PlanVersion:
    """A version of a plan that was or is sold; it must be there."""
    found = select(PlanVersion).where(PlanVersion.plan == code, PlanVersion.version == version)
    return (await work.session.scalars(found)).one()


async def _plan_of(work: Work, tenant: Tenant) -> Plan | PlanVersion:
    if tenant.plan_version is not None:
        return await find_version(work, tenant.plan, tenant.plan_version)
    return (await work.session.scalars(select(Plan).where(Plan.code == tenant.plan))).one()


def _refusal(pointer: str, code: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))
