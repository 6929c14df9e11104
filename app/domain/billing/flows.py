"""What the owner of a company does about its subscription. The provider is asked outside of the transaction, by keys that make
a repetition the same act; what it then says is written by the look that each of these asks for.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request
from uuid_utils.compat import uuid7

from app.db.outside import outside
from app.db.session import Work
from app.domain.billing import scheduled
from app.domain.billing.collector import collecting, refusal
from app.domain.billing.events import LOOK
from app.domain.billing.life import happen, hold, monthly_value, peek
from app.domain.billing.machine import Event, State
from app.domain.billing.models import Subscription
from app.domain.billing.plans import price_at, sold_today
from app.domain.billing.schemas import (
    CancelSubscription,
    ChangePreview,
    ChoosePlan,
    PageOut,
    ScheduledOut,
    StartCheckout,
    SubscriptionOut,
)
from app.domain.billing.sync import rules_of
from app.domain.tenants.models import PlanVersion, Tenant
from app.domain.tenants.plans import change_plan, find_version
from app.domain.tenants.sample import refuse_sample
from app.lib.errors import Conflict, RuleBroken
from app.lib.payments import Payments, PaymentsRefused, PaymentsUnavailable, SubscriptionFacts

_STOPPED: Final = Conflict("La empresa está suspendida o cerrada por el operador.", code="company-stopped")
_NO_SUBSCRIPTION: Final = Conflict("La empresa no tiene una suscripción activa.", code="no-subscription")


class _Standing(msgspec.Struct, frozen=True):
    """What is needed of the rows while they are not held."""

    tenant_id: UUID
    name: str
    email: str
    customer: str | None
    checkout: str | None
    subscription: str | None
    scheduled: bool
    period_end: Any
    value: Any
    plan: tuple[str, str] | None


class Flows:
    """Of one request."""

    def __init__(self, work: Work, request: Request[Any, Any, Any]) -> None:
        self._work = work
        self._request = request

    async def read(self) -> SubscriptionOut:
        """The subscription as it stands here."""
        row, tenant = await peek(self._work)
        return subscription_out(row, tenant, self._work)

    async def checkout(self, data: StartCheckout) -> PageOut:
        """A page where the company pays for a plan.

        Raises 409 `already-subscribed`, `company-stopped` or `busy`, 422 `unknown-plan`, `unknown-coupon`, `sample-company`.
        """
        await refuse_sample(self._work, "La empresa de muestra no contrata planes.")
        payments = collecting(self._work.database)
        version = await self._paid_plan(data.plan)
        await scheduled.check_fits(self._work, version)
        standing = await self._standing(buys=True)
        self._refuse_second(standing)
        site, key = self._work.database.settings.public_url, self._key("checkout")
        async with self._outside():
            price = await price_at(self._work.database, payments, version, data.interval)
            customer = standing.customer or await payments.make_customer(
                standing.name, standing.email, str(standing.tenant_id), f"customer-{standing.tenant_id}"
            )
            if standing.checkout is not None:
                await self._expire(payments, standing.checkout, customer)
            page = await payments.open_checkout(
                customer,
                price,
                str(standing.tenant_id),
                (f"{site}/suscripcion?pago=listo", f"{site}/suscripcion?pago=cancelado"),
                data.coupon,
                key,
            )
        row, _tenant = await hold(self._work)
        if row.checkout_id not in {standing.checkout, page.id} or row.provider_id is not None:
            # Somebody else opened a page, or paid one, meanwhile: of two pages one would be paid for nothing.
            async with self._outside():
                await self._expire(payments, page.id, customer)
            raise Conflict("Otra persona está contratando un plan; intente de nuevo.", code="busy")
        row.customer_id, row.checkout_id = customer, page.id
        await self._work.flush()
        self._record("subscription.checkout-opened", {"plan": data.plan, "interval": data.interval})
        return PageOut(url=page.url)

    async def portal(self) -> PageOut:
        """The provider's page for cards and invoices. Raises 409 `no-customer`."""
        payments, standing = collecting(self._work.database), await self._standing()
        if standing.customer is None:
            raise Conflict("La empresa todavía no ha contratado un plan.", code="no-customer")
        async with self._outside():
            page = await payments.open_portal(
                standing.customer, f"{self._work.database.settings.public_url}/suscripcion"
            )
        return PageOut(url=page.url)

    async def preview(self, data: ChoosePlan) -> ChangePreview:
        """What a change would charge, and when. Raises as `change`."""
        payments = collecting(self._work.database)
        version = await self._paid_plan(data.plan)
        standing = await self._standing(buys=True)
        is_now = self._is_dearer(standing, version, data)
        await scheduled.check_fits(self._work, version)
        async with self._outside():
            price = await price_at(self._work.database, payments, version, data.interval)
            live = await self._live(payments, standing)
            seen = await payments.preview_change(live, price)
        return ChangePreview(
            plan=data.plan,
            interval=data.interval,
            effective="now" if is_now else "period-end",
            amount=seen.amount if is_now else seen.amount - seen.amount,
            tax=seen.tax if is_now else seen.tax - seen.tax,
            currency=seen.currency,
            at=seen.at if is_now else live.period_end,
        )

    async def change(self, data: ChoosePlan) -> SubscriptionOut:
        """A dearer plan now, had once its difference is paid; a cheaper one at the end of the period.

        Prices are compared by the month. Raises 409 `no-subscription`, `change-pending` or `company-stopped`, 422 `same-plan`,
        `plan-too-small`.
        """
        version = await sold_today(self._work, data.plan)
        if scheduled.is_free(version):
            return await self._choose_free(version)
        payments = collecting(self._work.database)
        standing = await self._standing(buys=True)
        is_now = self._is_dearer(standing, version, data)
        await scheduled.check_fits(self._work, version)
        key = self._key("change")
        async with self._outside():
            price = await price_at(self._work.database, payments, version, data.interval)
            live = await self._live(payments, standing)
            if live.is_changing:
                raise Conflict("Hay un cambio de plan que espera su pago.", code="change-pending")
            if is_now:
                await payments.change_now(live, price, None, key)
        row, tenant = await hold(self._work)
        if is_now:
            row.scheduled_plan = row.scheduled_version = row.scheduled_interval = row.scheduled_for = None
        else:
            row.scheduled_plan, row.scheduled_version = version.plan, version.version
            row.scheduled_interval, row.scheduled_for = data.interval, live.period_end
            row.look_at = live.period_end - scheduled.AHEAD
        await self._work.flush()
        self._work.ask(LOOK, {})
        self._record("subscription.change-asked", {"plan": data.plan, "interval": data.interval, "now": is_now})
        return subscription_out(row, tenant, self._work)

    async def drop_change(self) -> SubscriptionOut:
        """Keep the plan: take a scheduled change back. Raises 409 `nothing-scheduled`."""
        standing = await self._standing()
        if not standing.scheduled:
            raise Conflict("No hay un cambio de plan programado.", code="nothing-scheduled")
        row, tenant = await hold(self._work)
        was = row.plan, row.version, row.interval
        if standing.subscription is not None and row.scheduled_interval is None:
            # The free plan was to come with the end of what is paid: that goes on.
            return await self._set_cancelling(False, None)
        if standing.subscription is not None and was[0] and was[1] and was[2]:
            # The provider may have been told already.
            payments = collecting(self._work.database)
            version = await find_version(self._work, was[0], was[1])
            key = self._key("keep")
            async with self._outside():
                price = await price_at(self._work.database, payments, version, "year" if was[2] == "year" else "month")
                live = await self._live(payments, standing)
                if live.price_id != price:
                    await payments.change_next(live, price, key)
            row, tenant = await hold(self._work)
        await scheduled.drop(self._work, row, "El dueño lo retiró.", tell=False)
        return subscription_out(row, tenant, self._work)

    async def cancel(self, data: CancelSubscription) -> SubscriptionOut:
        """End the subscription with its period. Raises 409 `no-subscription`."""
        return await self._set_cancelling(True, f"{data.reason}: {data.comment}".strip(": "))

    async def resume(self) -> SubscriptionOut:
        """Go on with a cancelled subscription. Raises 409 `no-subscription`."""
        return await self._set_cancelling(False, None)

    async def _set_cancelling(self, cancels: bool, reason: str | None) -> SubscriptionOut:
        payments, standing = collecting(self._work.database), await self._standing()
        if standing.subscription is None:
            raise _NO_SUBSCRIPTION
        async with self._outside():
            await payments.set_cancelling(standing.subscription, cancels)
        row, tenant = await hold(self._work)
        self._overtake(row)
        row.cancels, row.cancel_reason = cancels, reason
        if not cancels and row.scheduled_plan is not None and row.scheduled_interval is None:
            await scheduled.drop(self._work, row, "La suscripción sigue.", tell=False)
        if cancels and row.state == State.ACTIVE:
            await happen(self._work, row, Event.CANCEL_ASKED)
        elif not cancels and row.state == State.CANCELLED:
            await happen(self._work, row, Event.RESUMED)
        await self._work.flush()
        self._work.ask(LOOK, {})
        self._record("subscription.cancelled" if cancels else "subscription.resumed", {"reason": reason})
        return subscription_out(row, tenant, self._work)

    async def _choose_free(self, version: PlanVersion) -> SubscriptionOut:
        """The free plan: at once without a subscription, else when the period that was paid is over."""
        await scheduled.check_fits(self._work, version)
        standing = await self._standing(buys=True)
        row, tenant = await hold(self._work)
        if row.provider_id is not None:
            payments = collecting(self._work.database)
            async with self._outside():
                await payments.set_cancelling(str(standing.subscription), True)
            row, tenant = await hold(self._work)
            self._overtake(row)
            row.cancels, row.scheduled_for = True, row.period_end
            row.scheduled_plan, row.scheduled_version, row.scheduled_interval = version.plan, version.version, None
            if row.state == State.ACTIVE:
                await happen(self._work, row, Event.CANCEL_ASKED)
            await self._work.flush()
            self._record("subscription.change-asked", {"plan": version.plan, "interval": None, "now": False})
            return subscription_out(row, tenant, self._work)
        if row.state not in {State.TRIALING, State.READ_ONLY, State.ACTIVE}:
            raise Conflict("La empresa no puede tomar ese plan en su estado actual.", code="plan-not-open")
        tenant = await change_plan(self._work, version.plan, "Plan gratis.", version.version)
        row.plan, row.version, row.interval = version.plan, version.version, None
        if row.state != State.ACTIVE:
            await happen(self._work, row, Event.FREE_CHOSEN)
        await self._work.flush()
        return subscription_out(row, tenant, self._work)

    async def _paid_plan(self, code: str) -> PlanVersion:
        version = await sold_today(self._work, code)
        if scheduled.is_free(version):
            raise RuleBroken("Ese plan no se paga.", code="plan-is-free")
        return version

    @staticmethod
    def _overtake(row: Subscription) -> None:
        """A look that asked the provider before this change starts again: what it heard is old."""
        row.looks += 1

    async def _standing(self, *, buys: bool = False) -> _Standing:
        """Raises 409 `company-stopped` for who buys: what a company pays that the operator stopped gives it nothing."""
        row, tenant = await hold(self._work)
        if buys and row.state in {State.BLOCKED, State.CLOSED}:
            raise _STOPPED
        value = None
        if row.plan is not None and row.version is not None and row.interval is not None:
            value = monthly_value(await find_version(self._work, row.plan, row.version), row.interval)
        return _Standing(
            tenant_id=self._work.tenant_id,
            name=tenant.name,
            email=tenant.email,
            customer=row.customer_id,
            checkout=row.checkout_id,
            subscription=row.provider_id,
            scheduled=row.scheduled_plan is not None,
            period_end=row.period_end,
            value=value,
            plan=(row.plan, row.interval) if row.plan and row.interval else None,
        )

    @staticmethod
    def _refuse_second(standing: _Standing) -> None:
        if standing.subscription is not None:
            raise Conflict(
                "La empresa ya tiene una suscripción: cambie de plan, o pague su factura pendiente.",
                code="already-subscribed",
            )

    @staticmethod
    def _is_dearer(standing: _Standing, version: PlanVersion, data: ChoosePlan) -> bool:
        """Whether a change is made now. Raises 409 `no-subscription`, 422 `same-plan`."""
        if standing.subscription is None or standing.value is None:
            raise _NO_SUBSCRIPTION
        if standing.plan == (data.plan, data.interval):
            raise RuleBroken("La empresa ya tiene ese plan.", code="same-plan")
        return bool(monthly_value(version, data.interval) > standing.value)

    @staticmethod
    async def _live(payments: Payments, standing: _Standing) -> SubscriptionFacts:
        account = await payments.read_account(str(standing.customer))
        for one in account.subscriptions:
            if one.id == standing.subscription and one.is_live:
                return one
        raise _NO_SUBSCRIPTION

    async def _expire(self, payments: Payments, checkout: str, customer: str) -> None:
        """Close the last page. Raises 409 when it was paid meanwhile: two pages must not become two subscriptions."""
        try:
            await payments.expire_checkout(checkout)
        except PaymentsRefused as refused:
            account = await payments.read_account(customer)
            if any(one.is_live for one in account.subscriptions):
                raise Conflict(
                    "El pago ya se recibió; la suscripción se activa en unos segundos.", code="already-subscribed"
                ) from refused

    @asynccontextmanager
    async def _outside(self) -> AsyncIterator[None]:
        try:
            async with outside(self._request):
                yield
        except (PaymentsRefused, PaymentsUnavailable) as error:
            raise refusal(error) from error

    def _key(self, act: str) -> str:
        """What makes a repetition of this request the same act at the provider."""
        given = self._request.headers.get("idempotency-key") or str(uuid7())
        return f"{act}-{self._work.tenant_id}-{self._work.actor.user_id}-{given}"[:255]

    def _record(self, action: str, after: dict[str, Any]) -> None:
        self._work.record(action, self._work.tenant_id, after=after)


def subscription_out(row: Subscription, tenant: Tenant, work: Work) -> SubscriptionOut:
    waits = None
    if row.scheduled_plan is not None and row.scheduled_version is not None and row.scheduled_for is not None:
        waits = ScheduledOut(
            plan=row.scheduled_plan,
            version=row.scheduled_version,
            interval=row.scheduled_interval,
            at=row.scheduled_for,
        )
    grace = None if row.failing_since is None else row.failing_since + rules_of(work.database.settings).grace
    return SubscriptionOut(
        plan=tenant.plan,
        version=tenant.plan_version,
        status=row.state,
        since=row.state_since,
        interval=row.interval,
        current_period_start=row.period_start,
        current_period_end=row.period_end,
        trial_ends_at=tenant.trial_ends_at,
        cancels_at_period_end=row.cancels,
        scheduled_plan=waits,
        unpaid_invoice=row.failing_invoice,
        grace_ends_at=grace,
    )
