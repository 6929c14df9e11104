"""How much of its plan a company uses, and what it should be told about it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text

from app.db.session import Work
from app.domain.standing.schemas import ModuleOut, NoticeOut, Severity, UseOut
from app.domain.support.models import SupportAccess
from app.domain.support.visits import open_visits
from app.domain.tenants.limits import DOCUMENTS, NAMES, LimitOut, document_limit, limit_out, read_limits
from app.domain.tenants.models import Plan, Tenant, TenantStatus
from app.domain.tenants.service import TenantService
from app.lib import clock
from app.lib.modules import MODULES, is_on, read_spans
from app.lib.pesos import format_instant

_SOON: Final = timedelta(days=7)
"""How long before the end of a trial or a module a company is told."""

_ISSUED: Final = text(
    "SELECT (SELECT count(*) FROM sale WHERE tenant_id = :tenant_id AND posted_at >= CAST(:begun AS timestamptz)) "
    "+ (SELECT count(*) FROM sale_return WHERE tenant_id = :tenant_id AND posted_at >= CAST(:begun AS timestamptz))"
)
"""Tickets, returns and voids since an instant: what a month's documents are while a company issues no electronic ones."""

_STATUS: Final[dict[str, tuple[Severity, str]]] = {
    TenantStatus.PAST_DUE: ("warning", "Hay un pago pendiente; póngase al día para no perder funciones."),
    TenantStatus.READ_ONLY: (
        "critical",
        "La empresa está en modo de solo lectura: puede cerrar cajas, recibir devoluciones, consultar y pagar.",
    ),
    TenantStatus.SUSPENDED: ("critical", "La empresa está suspendida; comuníquese con soporte."),
    TenantStatus.CLOSED: ("critical", "La empresa está cerrada."),
}


async def use_of_plan(work: Work) -> UseOut:
    """The company's plan, modules and limits."""
    tenant = await TenantService(work).find()
    name = await work.session.scalar(select(Plan.name).where(Plan.code == tenant.plan))
    spans, now = read_spans(tenant.modules), clock.now()
    return UseOut(
        plan=tenant.plan,
        plan_name=name or tenant.plan,
        modules=[ModuleOut(code=code, name=said, is_on=is_on(spans, code, now)) for code, said in MODULES.items()],
        limits=await limits_of(work, tenant),
    )


async def limits_of(work: Work, tenant: Tenant) -> dict[str, LimitOut]:
    """Every limit of the plan with what is used of it, by name; documents are those of the shop's month."""
    limits = await read_limits(work)
    issued = await work.session.scalar(_ISSUED, {"tenant_id": work.tenant_id, "begun": month_begun(tenant.time_zone)})
    return limits | {DOCUMENTS: limit_out(issued or 0, await document_limit(work))}


async def notices(work: Work) -> list[NoticeOut]:
    """What the company should know now, the gravest first."""
    tenant = await TenantService(work).find()
    found = [
        *_of_status(tenant),
        *_of_support(await open_visits(work), tenant.time_zone),
        *_of_modules(tenant),
        *_of_limits(await limits_of(work, tenant)),
    ]
    order = ("critical", "warning", "info")
    return sorted(found, key=lambda notice: order.index(notice.severity))


def month_begun(zone: str) -> datetime:
    """First instant of this month in a shop's zone."""
    return clock.day_begun(clock.business_day(clock.now(), zone).replace(day=1), zone)


def _of_status(tenant: Tenant) -> Iterator[NoticeOut]:
    if tenant.status in _STATUS:
        severity, detail = _STATUS[tenant.status]
        yield NoticeOut(code=f"company-{tenant.status}", severity=severity, detail=detail)
    if tenant.trial_ends_at is not None and tenant.trial_ends_at - clock.now() <= _SOON:
        ends = format_instant(tenant.trial_ends_at, tenant.time_zone)
        yield NoticeOut(
            code="trial-ending", severity="warning", detail=f"El período de prueba termina el {ends}; elija un plan."
        )


def _of_support(visits: Iterable[SupportAccess], zone: str) -> Iterator[NoticeOut]:
    for visit in visits:
        ends = format_instant(visit.expires_at, zone)
        yield NoticeOut(
            code="support-open",
            severity="warning",
            detail=f"{visit.staff_name}, del soporte del operador, consulta la empresa hasta el {ends}: {visit.reason}",
        )


def _of_modules(tenant: Tenant) -> Iterator[NoticeOut]:
    now = clock.now()
    for module, span in read_spans(tenant.modules).items():
        if span.until is not None and now < span.until <= now + _SOON:
            ends = format_instant(span.until, tenant.time_zone)
            yield NoticeOut(
                code="module-ending",
                severity="info",
                detail=f"{MODULES.get(module, module)}: disponible hasta el {ends}.",
            )


def _of_limits(limits: dict[str, LimitOut]) -> Iterator[NoticeOut]:
    for resource, limit in limits.items():
        if limit.limit is None or not limit.is_near:
            continue
        name = NAMES[resource]
        if resource == DOCUMENTS and limit.over:
            detail = f"Este mes lleva {limit.used} documentos, {limit.over} más de los {limit.limit} del plan."
            yield NoticeOut(code="documents-over", severity="warning", detail=f"{detail} Puede seguir vendiendo.")
        elif limit.used >= limit.limit:
            yield NoticeOut(
                code=f"{resource}-full",
                severity="warning",
                detail=f"El plan incluye {limit.limit} {name} y ya están todos en uso.",
            )
        else:
            yield NoticeOut(
                code=f"{resource}-near", severity="info", detail=f"Usa {limit.used} de {limit.limit} {name} de su plan."
            )
