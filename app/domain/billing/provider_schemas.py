"""Bodies of the operator's billing routes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, field

from app.domain.billing.schemas import SubscriptionOut
from app.lib.money import ZeroOrMorePesos
from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE, NAME


class BackupPolicy(Input):
    """How often a company's data is saved, and how many of those are kept."""

    every_hours: Annotated[int, Meta(ge=1, le=168)] = 12
    daily: Annotated[int, Meta(ge=1, le=366)] = 7
    weekly: Annotated[int, Meta(ge=0, le=520)] = 5
    monthly: Annotated[int, Meta(ge=0, le=120)] = 12


class PublishVersion(Input):
    """A plan as it is sold from now on; who bought an earlier version keeps it."""

    name: Annotated[str, Meta(min_length=1, max_length=60, pattern=NAME)]
    modules: Annotated[list[str], Meta(max_length=50)]
    limits: dict[str, Annotated[int, Meta(ge=0, le=2**53)]]
    monthly_price: ZeroOrMorePesos
    yearly_price: ZeroOrMorePesos
    requests_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    backup_policy: BackupPolicy = field(default_factory=BackupPolicy)


class SubscriptionItem(Output):
    tenant_id: UUID
    state: str
    since: datetime
    plan: str | None
    version: int | None
    interval: str | None
    mrr: Decimal
    period_end: datetime | None
    failing_since: datetime | None


class SubscriptionList(Page):
    items: list[SubscriptionItem]


class StepOut(Output):
    seq: int
    from_state: str
    event: str
    to_state: str
    reason: str
    at: datetime


class DunningStep(Output):
    """What will happen to an unpaid company, and when."""

    what: str
    at: datetime
    is_past: bool


class SubscriptionDetail(Output):
    """One company's subscription with its life so far and what is ahead."""

    tenant_id: UUID
    subscription: SubscriptionOut
    timeline: list[StepOut]
    dunning: list[DunningStep]


class ExtendTrial(Input):
    until: Annotated[datetime, Meta(tz=True)]
    reason: Annotated[str, Meta(min_length=1, max_length=300, pattern=LINE)]


class EventOut(Output):
    id: str
    kind: str
    tenant_id: UUID | None
    outcome: str
    """queued done dead unknown-customer unknown-kind"""
    received_at: datetime
    done_at: datetime | None
    error: str | None


class EventPage(Page):
    items: list[EventOut]


class ReportOut(Output):
    id: UUID
    at: datetime
    companies: int
    subscriptions: int
    differences: list[dict[str, Any]]


class ReportPage(Page):
    items: list[ReportOut]


class MonthOut(Output):
    """A month of recurring revenue: `start` and the movements add up to `end`, to the cent."""

    month: date
    start: Decimal
    new: Decimal
    reactivation: Decimal
    expansion: Decimal
    contraction: Decimal
    churn: Decimal
    end: Decimal
    customers: int
    """Companies that pay at the month's end."""
    arpu: Decimal
    churned: int
    churn_rate: Decimal
    """Of the customers at its start, a fraction."""


class MetricsOut(Output):
    months: list[MonthOut]
    trials: int
    """Companies that ever began with a trial."""
    converted: int
    """Of those, how many ever paid."""
    conversion: Decimal
