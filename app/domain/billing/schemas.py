"""Bodies of a company's billing."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE

IntervalName = Literal["month", "year"]
PlanCode = Annotated[str, Meta(min_length=1, max_length=40, examples=["basic"])]
Why = Literal["too-expensive", "missing-feature", "other-product", "closing-business", "hard-to-use", "other"]


class PlanOut(Output):
    """A plan on offer, in its version of today."""

    code: str
    name: str
    version: int
    monthly_price: Decimal
    """Pesos before taxes."""
    yearly_price: Decimal
    modules: list[str]
    limits: dict[str, Any]
    requests_per_minute: int | None
    backup_policy: dict[str, Any]


class PlanList(Output):
    items: list[PlanOut]
    next_cursor: str | None


class ScheduledOut(Output):
    """A change that waits for the end of the period."""

    plan: str
    version: int
    interval: str | None
    """None: the free plan."""
    at: datetime


class SubscriptionOut(Output):
    """Where a company's subscription stands."""

    plan: str
    version: int | None
    """None: the plan as it is sold today, not bought yet."""
    status: str
    """trialing active past_due read_only suspended cancelled blocked closed"""
    since: datetime
    interval: str | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    trial_ends_at: datetime | None
    cancels_at_period_end: bool
    scheduled_plan: ScheduledOut | None
    unpaid_invoice: str | None
    grace_ends_at: datetime | None


class ChoosePlan(Input):
    plan: PlanCode
    interval: IntervalName


class StartCheckout(Input):
    """What to subscribe to."""

    plan: PlanCode
    interval: IntervalName
    coupon: Annotated[str, Meta(min_length=1, max_length=60, pattern=LINE)] | None = None


class CancelSubscription(Input):
    reason: Why
    comment: Annotated[str, Meta(max_length=500, pattern=LINE)] = ""


class PageOut(Output):
    """A page of the payment provider."""

    url: str


class ChangePreview(Output):
    """What a change of plan would mean."""

    plan: str
    interval: str
    effective: Literal["now", "period-end"]
    amount: Decimal
    """Charged now, taxes included; negative is a credit for the next invoice."""
    tax: Decimal
    currency: str
    at: datetime
    """To which instant it is counted; the end of the period for a deferred change."""


class InvoiceOut(Output):
    id: str
    number: str | None
    status: str
    kind: str
    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    paid: Decimal
    refunded: Decimal
    is_disputed: bool
    made_at: datetime
    paid_at: datetime | None
    pay_url: str | None
    pdf_url: str | None


class InvoicePage(Page):
    items: list[InvoiceOut]
