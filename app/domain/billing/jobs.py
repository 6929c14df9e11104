"""Background jobs of billing."""

from sqlalchemy import select

from app.db.jobs import JobContext
from app.domain.accounts.models import AppUser, Membership
from app.domain.billing import events, sync
from app.domain.billing.collector import payments_of
from app.domain.billing.life import SEND_NOTICE, hold
from app.domain.billing.models import BillingInvoice, Subscription
from app.domain.tenants.models import PlanVersion
from app.domain.tenants.service import TenantService
from app.integrations.mail import MailRefused, MailSender
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.jobs import Hopeless, job
from app.lib.payments import Account, PaymentsRefused
from app.lib.permissions import OWNER
from app.lib.pesos import format_instant, format_pesos
from app.lib.schemas import Input


class Look(Input):
    """Names the event that asks, if one does: for whoever reads the outbox."""

    event_id: str | None = None


class SendNotice(Input):
    """Names a mail of the catalogue and what it is about."""

    notice: str
    invoice_id: str | None = None
    day: int | None = None
    reason: str | None = None


@job("billing.look", timeout=60, attempts=12, lane="remote")
async def look(context: JobContext, _payload: Look) -> None:
    """Bring a company up to date with the payment provider. Run twice, it finds nothing new."""
    payments = payments_of(context.database)
    if payments is None:
        async with context.transaction() as work:
            row, tenant = await hold(work)
            if row.customer_id is None:
                await sync.write(work, row, tenant, Account(subscriptions=(), invoices=()))
        return
    begun = clock.now()
    try:
        await sync.look(context, payments)
    except PaymentsRefused as error:
        raise Hopeless(f"the payment provider refuses: {error}") from error
    await events.finish(context.database, context.tenant_id, begun)


@job(SEND_NOTICE, timeout=60)
async def send_notice(context: JobContext, payload: SendNotice) -> None:
    """Mail the owners about their subscription; no reminder of an invoice that was paid meanwhile."""
    async with context.transaction() as work:
        tenant = await TenantService(work).find()
        row = await work.session.scalar(select(Subscription).where(Subscription.tenant_id == work.tenant_id))
        invoice = None
        if payload.invoice_id is not None:
            invoice = await work.session.scalar(
                select(BillingInvoice).where(
                    BillingInvoice.tenant_id == work.tenant_id, BillingInvoice.id == payload.invoice_id
                )
            )
            if invoice is None or invoice.status not in {"open", "uncollectible"}:
                return
        found = await work.session.execute(
            select(Membership.user_id, Membership.display_name).where(
                Membership.tenant_id == work.tenant_id, Membership.role == OWNER, Membership.is_active
            )
        )
        owners = [(one.user_id, one.display_name) for one in found]
        plan_name = tenant.plan
        if row is not None and row.plan is not None:
            name = await work.session.scalar(
                select(PlanVersion.name).where(PlanVersion.plan == row.plan, PlanVersion.version == row.version)
            )
            plan_name = name or row.plan
        ends = row.period_end if row is not None else None
        failing_since = row.failing_since if row is not None else None
    days_left = None
    if payload.day is not None:
        days_left = max(0, context.settings.billing_grace_days - payload.day)
    refused: MailRefused | None = None
    for user_id, name in owners:
        async with context.database.person_transaction(user_id=user_id) as person:
            email = await person.session.scalar(select(AppUser.email).where(AppUser.id == user_id))
        if email is None:
            continue
        mail = write_mail(
            payload.notice,
            email,
            name=name,
            company=tenant.name,
            plan=plan_name,
            amount=None if invoice is None else format_pesos(invoice.total - invoice.paid),
            pay_url=None if invoice is None else invoice.pay_url,
            days_left=days_left,
            is_first=payload.day == 0,
            failing_since=None if failing_since is None else format_instant(failing_since, tenant.time_zone),
            ends=None if ends is None else format_instant(ends, tenant.time_zone),
            reason=payload.reason,
            link=f"{context.settings.public_url}/suscripcion",
        )
        try:
            await MailSender(context.settings).send(mail)
        except MailRefused as error:
            # One owner's address keeps no other from knowing.
            refused = error
    if refused is not None:
        raise Hopeless(f"the mail server refused the message: {refused}") from refused
