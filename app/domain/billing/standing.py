"""What the operator may make of a company, as far as it was paid for."""

from datetime import datetime

from sqlalchemy import select

from app.db.session import Work
from app.domain.billing.collector import payments_of
from app.domain.billing.events import LOOK
from app.domain.billing.life import hold, take_over
from app.domain.billing.machine import State
from app.domain.billing.models import BillingInvoice
from app.domain.billing.scheduled import is_free
from app.domain.tenants import lifecycle
from app.domain.tenants.models import Tenant, TenantStatus
from app.domain.tenants.plans import find_version
from app.lib import clock
from app.lib.errors import Conflict


async def was_ever_paid(work: Work) -> bool:
    """Whether an invoice of the company's was paid."""
    found = await work.session.scalar(
        select(BillingInvoice.id)
        .where(BillingInvoice.tenant_id == work.tenant_id, BillingInvoice.status == "paid")
        .limit(1)
    )
    return found is not None


async def may_be_active(work: Work) -> bool:
    """Whether the company's plan is paid for, or free; where nobody is charged, whatever the operator says."""
    if payments_of(work.database) is None:
        return True
    row, tenant = await hold(work)
    if tenant.plan_version is not None and is_free(await find_version(work, tenant.plan, tenant.plan_version)):
        return True
    return row.provider_id is not None and row.failing_since is None and await was_ever_paid(work)


async def way_back(work: Work) -> tuple[TenantStatus, datetime | None]:
    """Where a company goes that the operator lets in again: to what it paid for, to what is left of its trial, or to reading."""
    if await may_be_active(work):
        return TenantStatus.ACTIVE, None
    row, _tenant = await hold(work)
    if row.trial_ends_at is not None and row.trial_ends_at > clock.now() and not await was_ever_paid(work):
        return TenantStatus.TRIAL, row.trial_ends_at
    return TenantStatus.READ_ONLY, None


async def stand(work: Work) -> Tenant:
    """The company, held, with its subscription beside it."""
    _row, tenant = await hold(work)
    return tenant


async def refuse_while_owing(work: Work) -> None:
    """Raise 409 `unpaid-invoice` for a company that is suspended for an invoice: paid or voided, it comes back by itself."""
    row, _tenant = await hold(work)
    if row.state == State.SUSPENDED and row.failing_invoice is not None:
        raise Conflict(
            "La empresa está suspendida por una factura sin pagar: vuelve sola cuando se pague o se anule.",
            code="unpaid-invoice",
            invoice=row.failing_invoice,
        )


async def block(work: Work, reason: str) -> bool:
    """Let the operator's word hold for a company that is suspended for an invoice, whose payment would bring it back; answers
    whether that was so.
    """
    row, _tenant = await hold(work)
    if row.state != State.SUSPENDED or not reason.strip():
        return False
    await take_over(work, row, State.BLOCKED, reason.strip())
    return True


async def follow(work: Work) -> None:
    """Let the subscription follow a company that was moved by hand, and compare it with the provider."""
    await hold(work)
    work.ask(LOOK, {})


async def extend_trial(work: Work, until: datetime, reason: str) -> Tenant:
    """Let a trial run longer, also one that is over and was never paid for. Raises 409 `not-in-trial`, 422 `in-the-past`."""
    row, tenant = await hold(work)
    if tenant.status == TenantStatus.READ_ONLY and until > clock.now():
        if row.provider_id is not None or await was_ever_paid(work):
            raise Conflict("La empresa ya pagó una suscripción: no está en prueba.", code="not-in-trial")
        tenant = await lifecycle.move(work, TenantStatus.TRIAL, reason, trial_ends_at=until)
    else:
        tenant = await lifecycle.extend_trial(work, until, reason)
    await hold(work)
    return tenant
