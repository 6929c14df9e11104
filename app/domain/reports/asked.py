"""What a report is asked for: business days and filters, checked before anything is added up."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.tenants.scope import check_branch
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken, unknown_reference

MAX_DAYS: Final = 366
MAX_ROWS: Final = 5_000
"""Rows of an answer or of a file made at once; longer ones are exported in the background."""
_LATEST: Final = timedelta(hours=73)
"""How long after its business day a ticket may be posted: an offline till has 72 hours."""

Format = Literal["json", "csv", "xlsx", "pdf"]
Compare = Literal["none", "previous", "year"]
By = Literal[
    "day", "hour", "weekday", "product", "category", "brand", "seller", "tender", "customer", "branch", "register"
]

_KNOWN: Final[Mapping[str, str]] = {
    "branch_id": "SELECT 1 FROM branch x WHERE x.tenant_id = :tenant_id AND x.id = :id",
    "register_id": "SELECT 1 FROM cash_register x WHERE x.tenant_id = :tenant_id AND x.id = :id",
    "seller_id": "SELECT 1 FROM membership x WHERE x.tenant_id = :tenant_id AND x.user_id = :id",
    "category_id": "SELECT 1 FROM category x WHERE x.tenant_id = :tenant_id AND x.id = :id",
    "customer_id": "SELECT 1 FROM customer x WHERE x.tenant_id = :tenant_id AND x.id = :id",
    "product_id": "SELECT 1 FROM product x WHERE x.tenant_id = :tenant_id AND x.id = :id",
}
_POINTERS: Final = {
    "branch_id": "/branchId",
    "register_id": "/registerId",
    "seller_id": "/sellerId",
    "category_id": "/categoryId",
    "customer_id": "/customerId",
    "product_id": "/productId",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Period, filters and what a report needs besides."""

    first: date
    last: date
    """Inclusive."""
    zone: str
    branches: tuple[UUID, ...] | None = None
    """Where the caller may look; None: everywhere."""
    branch_id: UUID | None = None
    register_id: UUID | None = None
    seller_id: UUID | None = None
    category_id: UUID | None = None
    customer_id: UUID | None = None
    product_id: UUID | None = None
    compare: Compare = "none"
    format: Format = "json"
    sees_costs: bool = True
    sees_customers: bool = True

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def filters(self) -> dict[str, UUID]:
        """Filters that are set, by column."""
        return {name: value for name in _POINTERS if (value := getattr(self, name)) is not None}

    def values(self) -> dict[str, Any]:
        """What statements bind: the period as days, and as the instants between which its tickets were posted."""
        months_begin, months_end = self.months()
        found: dict[str, Any] = {
            "first": self.first,
            "last": self.last,
            "months_begin": months_begin,
            "months_end": months_end,
            "begins": clock.day_begun(self.first, self.zone) - timedelta(days=1),
            "ends": clock.day_begun(self.last + timedelta(days=1), self.zone) + _LATEST,
            "zone": self.zone,
            **self.filters(),
        }
        if self.branches is not None:
            found["branches"] = list(self.branches)
        return found

    def months(self) -> tuple[date, date]:
        """First day of the first whole month, and of the month after the last; the first day twice when there is none."""
        begin = self.first if self.first.day == 1 else _next_month(self.first)
        after = self.last + timedelta(days=1)
        end = after.replace(day=1)
        return (begin, end) if begin < end else (self.first, self.first)

    def over(self, first: date, last: date) -> "Asked":
        """The same of another period."""
        return msgspec.structs.replace(self, first=first, last=last)

    def earlier(self) -> "Asked | None":
        """The period to compare with: as many days before, or the same days of the year before."""
        if self.compare == "previous":
            return self.over(self.first - timedelta(days=self.days), self.first - timedelta(days=1))
        if self.compare == "year":
            return self.over(_year_before(self.first), _year_before(self.last))
        return None

    def query(self, **more: object) -> str:
        """The same period and filters as a query string, for a link to the documents behind a number."""
        parts: dict[str, object] = {"from": self.first, "to": self.last}
        parts |= {_POINTERS[name][1:]: value for name, value in self.filters().items()}
        parts |= {name: value for name, value in more.items() if value is not None}
        return urlencode(parts)


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        # 29 February has no day of its own in other years.
        return day.replace(year=day.year - 1, day=28)


def period(first: date | None, last: date | None, zone: str) -> tuple[date, date]:
    """The asked days; without them, this month so far. Raises 422 for days the wrong way round, or too many."""
    today = clock.business_day(clock.now(), zone)
    end = last or (today if first is None or first <= today else first)
    begin = first or end.replace(day=1)
    if begin > end:
        raise RuleBroken(
            "El primer día es posterior al último.",
            code="dates-reversed",
            errors=(FieldError("/from", "dates-reversed", "No puede ser posterior a `to`."),),
        )
    if not date(2000, 1, 1) <= begin <= end <= date(2100, 12, 31):
        raise RuleBroken(
            "Las fechas están fuera de los años 2000 a 2100.",
            code="date-out-of-range",
            errors=(FieldError("/from", "date-out-of-range", "Fuera de los años 2000 a 2100."),),
        )
    if (end - begin).days >= MAX_DAYS:
        raise RuleBroken(
            f"El período pasa de {MAX_DAYS} días; pida menos.",
            code="range-too-long",
            errors=(FieldError("/to", "range-too-long", f"A más de {MAX_DAYS} días de `from`."),),
        )
    return begin, end


async def check(work: Work, asked: Asked) -> Asked:
    """The request with what its caller may see. Raises 422 `unknown-reference` for a filter that names nothing here."""
    for name, value in asked.filters().items():
        known = await work.session.scalar(text(_KNOWN[name]), {"tenant_id": work.tenant_id, "id": value})
        if known is None:
            raise unknown_reference(_POINTERS[name])
    if asked.branch_id is not None:
        check_branch(work.actor, asked.branch_id)
    return asked


def asked_by(work: Work, first: date | None, last: date | None, **rest: Any) -> Asked:
    """A request of the caller of this transaction, not checked yet."""
    actor = work.actor
    begin, end = period(first, last, actor.time_zone)
    return Asked(
        first=begin,
        last=end,
        zone=actor.time_zone,
        branches=None if actor.branches is None else tuple(sorted(actor.branches)),
        sees_costs=actor.may("costs:read"),
        sees_customers=actor.may("customers:read"),
        **rest,
    )
