"""Bodies of what the operator watches over all companies."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app.domain.provider.company_schemas import CompanyStatus
from app.lib.schemas import Output, Page


class UsageItem(Output):
    """A company near or above a limit of its plan."""

    tenant_id: UUID
    name: str
    status: CompanyStatus
    plan: str
    resource: str
    used: int
    limit: int
    share: Decimal
    """Used of the limit, per cent."""


class UsagePage(Page):
    items: list[UsageItem]


class DianQueueItem(Output):
    """A company's electronic documents that are not done."""

    tenant_id: UUID
    name: str
    pending: int
    signed: int
    sent: int
    unknown: int
    rejected: int
    """That nobody has corrected yet."""
    oldest_at: datetime | None
    """Since when the oldest of those on their way has not moved."""
    failing_since: datetime | None
    """Since when DIAN has not answered this company."""
    last_error: str


class DianQueueTotals(Output):
    companies: int
    pending: int
    signed: int
    sent: int
    unknown: int
    rejected: int
    silent: int
    """Companies that DIAN does not answer now."""


class DianQueuePage(Page):
    items: list[DianQueueItem]
    totals: DianQueueTotals
