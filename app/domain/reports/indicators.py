"""Indicators: what asks for something to be done, with its reason, its figure and what to look at."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.reports import indicator_rules as rules
from app.domain.reports import indicator_sales as selling
from app.domain.reports.asked import asked_by
from app.domain.reports.findings import Finding
from app.domain.reports.look import Look
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken, unknown_reference
from app.lib.schemas import Input, Output

WINDOW: Final = 30
"""Days that indicators look back, today included."""


class IndicatorItemOut(Output):
    """One product, person or day behind an indicator."""

    id: UUID | None
    name: str | None
    value: str
    link: str


class IndicatorOut(Output):
    """Something to act on. `items` has up to twenty, the weightiest first."""

    code: str
    title: str
    severity: str
    """info, warning or critical."""
    value: str
    why: str
    action: str
    link: str
    count: int
    items: list[IndicatorItemOut]


class HiddenOut(Output):
    """What does not show, and until when; no day: for good."""

    code: str
    product_id: UUID | None
    until: date | None


class IndicatorsOut(Output):
    """Everything that fires now. `quiet` names what was looked at and found in order."""

    company: str
    items: list[IndicatorOut]
    quiet: list[str]
    hidden: list[HiddenOut]


class HideIndicator(Input):
    """Dismiss (without `until`) or snooze an indicator, or one product of it."""

    code: str
    product_id: UUID | None = None
    until: date | None = None


class ShowIndicator(Input):
    """Let an indicator show again."""

    code: str
    product_id: UUID | None = None


Rule = Callable[[Look], Awaitable[Finding | None]]
RULES: Final[dict[str, Rule]] = {
    "sold-at-a-loss": rules.sold_at_a_loss,
    "no-rotation": rules.no_rotation,
    "low-margin": rules.low_margin,
    "margin-below-average": rules.margin_below_average,
    "reorder": rules.reorder,
    "sales-anomaly": selling.sales_anomaly,
    "sales-by-employee": selling.sales_by_employee,
    "demand-forecast": selling.demand_forecast,
    "customers-at-risk": selling.customers_at_risk,
    "stockout-cost": rules.stockout_cost,
    "dead-stock": rules.dead_stock,
    "price-drift": rules.price_drift,
}
_NEED_COSTS: Final = frozenset({"sold-at-a-loss", "low-margin", "margin-below-average", "dead-stock"})
_NEED_CUSTOMERS: Final = frozenset({"customers-at-risk"})
_SHOWN: Final = 20
_HIDDEN: Final = text(
    "SELECT h.code, h.subject, h.until FROM hidden_indicator h WHERE h.tenant_id = :tenant_id "
    "AND (h.until IS NULL OR h.until >= :today) ORDER BY 1, 2"
)
_HIDE: Final = text(
    "INSERT INTO hidden_indicator (tenant_id, code, subject, until, user_id, hidden_at) "
    "VALUES (:tenant_id, :code, :subject, :until, :user_id, :now) ON CONFLICT (tenant_id, code, subject) "
    "DO UPDATE SET until = excluded.until, user_id = excluded.user_id, hidden_at = excluded.hidden_at"
)
_SHOW: Final = text("DELETE FROM hidden_indicator WHERE tenant_id = :tenant_id AND code = :code AND subject = :subject")


class Indicators:
    """Of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def read(self, company: str) -> IndicatorsOut:
        """Ask every rule; what is hidden is left out and listed apart."""
        today = clock.business_day(clock.now(), self._work.actor.time_zone)
        asked = asked_by(self._work, today - timedelta(days=WINDOW - 1), today)
        kept = (await self._work.session.execute(_HIDDEN, {"tenant_id": self._work.tenant_id, "today": today})).all()
        hidden = {(row.code, row.subject) for row in kept}
        look = Look(self._work, asked)
        found: list[IndicatorOut] = []
        quiet: list[str] = []
        for code, rule in RULES.items():
            if (code, "") in hidden or self._is_secret(code):
                continue
            finding = await rule(look)
            if finding is not None:
                finding = finding.without({subject for of, subject in hidden if of == code})
            if finding is None:
                quiet.append(code)
            else:
                found.append(_out(code, finding))
        return IndicatorsOut(
            company=company,
            items=found,
            quiet=quiet,
            hidden=[
                HiddenOut(code=row.code, product_id=UUID(row.subject) if row.subject else None, until=row.until)
                for row in kept
            ],
        )

    def _is_secret(self, code: str) -> bool:
        may = self._work.actor.may
        return (code in _NEED_COSTS and not may("costs:read")) or (
            code in _NEED_CUSTOMERS and not may("customers:read")
        )

    async def hide(self, data: HideIndicator) -> HiddenOut:
        """Dismiss or snooze. Raises 422 for an unknown code or product, and for a day that has gone by."""
        today = clock.business_day(clock.now(), self._work.actor.time_zone)
        if data.until is not None and data.until < today:
            raise RuleBroken(
                "El día hasta el que se oculta ya pasó.",
                code="date-in-the-past",
                errors=(FieldError("/until", "date-in-the-past", "Debe ser hoy o después."),),
            )
        subject = await self._subject(data.code, data.product_id)
        values = {"tenant_id": self._work.tenant_id, "code": data.code, "subject": subject, "until": data.until}
        await self._work.session.execute(_HIDE, values | {"user_id": self._work.actor.user_id, "now": clock.now()})
        self._record("indicator.hidden", data.code, data.product_id, data.until)
        return HiddenOut(code=data.code, product_id=data.product_id, until=data.until)

    async def show(self, data: ShowIndicator) -> HiddenOut:
        """Let it show again; harmless when it does already."""
        subject = await self._subject(data.code, data.product_id)
        values = {"tenant_id": self._work.tenant_id, "code": data.code, "subject": subject}
        await self._work.session.execute(_SHOW, values)
        self._record("indicator.shown", data.code, data.product_id, None)
        return HiddenOut(code=data.code, product_id=data.product_id, until=None)

    def _record(self, action: str, code: str, product_id: UUID | None, until: date | None) -> None:
        after = {"code": code, "productId": product_id, "until": until}
        self._work.record(action, product_id or self._work.tenant_id, after=after)

    async def _subject(self, code: str, product_id: UUID | None) -> str:
        if code not in RULES:
            raise RuleBroken(
                "No hay tal indicador.",
                code="unknown-indicator",
                errors=(FieldError("/code", "unknown-indicator", f"Es uno de: {', '.join(RULES)}."),),
            )
        if product_id is None:
            return ""
        known = text("SELECT 1 FROM product p WHERE p.tenant_id = :tenant_id AND p.id = :id")
        if not await self._work.session.scalar(known, {"tenant_id": self._work.tenant_id, "id": product_id}):
            raise unknown_reference("/productId")
        return str(product_id)


def _out(code: str, finding: Finding) -> IndicatorOut:
    items: Sequence[Any] = finding.items[:_SHOWN]
    return IndicatorOut(
        code=code,
        title=finding.title,
        severity=finding.severity,
        value=finding.value(),
        why=finding.why,
        action=finding.action,
        link=finding.link,
        count=len(finding.items),
        items=[IndicatorItemOut(id=one.id, name=one.name, value=one.text, link=one.link) for one in items],
    )
