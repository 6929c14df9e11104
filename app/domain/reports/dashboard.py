"""The first page: today and the month beside what came before, in figures of the same definitions, and in words."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import Asked, asked_by
from app.domain.reports.facts import PRODUCTS, SALES, TENDERS, UNFOLDED
from app.domain.reports.sources import condition
from app.domain.reports.stock import names_of
from app.domain.reports.tables import SeriesOut, change, ratio
from app.lib import clock
from app.lib.money import ZERO
from app.lib.pesos import format_percent, format_pesos
from app.lib.schemas import Output
from app.lib.tenders import METHOD_NAMES

_TOP: Final = 5


class FiguresOut(Output):
    """Net of returns; pesos. Null: what the caller may not see."""

    total: Decimal
    base: Decimal
    tax: Decimal
    cost: Decimal | None
    margin: Decimal | None
    margin_rate: Decimal | None
    discount: Decimal
    returned: Decimal
    tickets: int
    average_ticket: Decimal | None


class SpanOut(Output):
    """A span of days with its figures, and the one it is compared with."""

    from_: date
    to: date
    figures: FiguresOut
    previous: FiguresOut
    """Yesterday for today; as many days of the month before for the month."""
    change: Decimal | None


class TopOut(Output):
    """A product of the month."""

    product_id: Any
    sku: str
    name: str
    total: Decimal


class TenderOut(Output):
    """Today's money in one tender, the rounding included."""

    method: str
    name: str
    total: Decimal


class DashboardOut(Output):
    """Today and the month."""

    company: str
    at: Any
    today: SpanOut
    month: SpanOut
    open_sessions: int
    tenders: list[TenderOut]
    top_products: list[TopOut]
    series: list[SeriesOut]


_FIGURES: Final = (
    f"WITH {UNFOLDED}, spans AS (SELECT f.day, f.hour, sum(f.tickets) AS tickets, sum(f.total) AS total, "
    "sum(f.base) AS base, sum(f.tax) AS tax, sum(f.cost) AS cost, sum(f.discount) AS discount, sum(f.returned) AS returned "
    f"FROM ({SALES.live()}) f WHERE {{wanted}} GROUP BY 1, 2), "
    f"paid AS (SELECT f.method, sum(f.total) AS total FROM ({TENDERS.live()}) f "
    "WHERE f.day = :today AND {wanted} GROUP BY 1), "
    f"goods AS (SELECT f.product_id, sum(f.total) AS total FROM ({PRODUCTS.live()}) f "
    f"WHERE f.day >= :month AND {{wanted}} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_TOP}) "
    "SELECT 'span' AS part, day, hour, tickets, total, base, tax, cost, discount, returned, "
    "CAST(NULL AS text) AS method, CAST(NULL AS uuid) AS product_id FROM spans "
    "UNION ALL SELECT 'tender', NULL, NULL, NULL, total, NULL, NULL, NULL, NULL, NULL, method, NULL FROM paid "
    "UNION ALL SELECT 'product', NULL, NULL, NULL, total, NULL, NULL, NULL, NULL, NULL, NULL, product_id FROM goods"
)
"""One statement, so that all its figures are of one instant while tills sell."""
_OPEN: Final = text(
    "SELECT count(*) FROM cash_drawer d JOIN cash_session s ON s.tenant_id = :tenant_id AND s.id = d.session_id "
    "WHERE d.tenant_id = :tenant_id AND d.is_open AND (CAST(:branches AS uuid[]) IS NULL OR s.branch_id = ANY(:branches))"
)
_SUMMED: Final = ("total", "base", "tax", "cost", "discount", "returned")


class _Figures:
    """Adds rows up."""

    def __init__(self) -> None:
        self.sums: dict[str, Decimal] = dict.fromkeys(_SUMMED, ZERO)
        self.tickets = 0

    def add(self, row: Any) -> None:
        for name in _SUMMED:
            self.sums[name] += getattr(row, name)
        self.tickets += int(row.tickets)

    def out(self, asked: Asked) -> FiguresOut:
        sums, costs = self.sums, asked.sees_costs
        margin = sums["base"] - sums["cost"]
        return FiguresOut(
            total=sums["total"],
            base=sums["base"],
            tax=sums["tax"],
            cost=sums["cost"] if costs else None,
            margin=margin if costs else None,
            margin_rate=ratio(margin, sums["base"]) if costs else None,
            discount=sums["discount"],
            returned=sums["returned"],
            tickets=self.tickets,
            average_ticket=(sums["total"] / self.tickets).quantize(Decimal("0.01")) if self.tickets > 0 else None,
        )


def month_before(first: date, today: date) -> tuple[date, date]:
    """As many days of the month before, at most all of it."""
    begin = (first - timedelta(days=1)).replace(day=1)
    return begin, min(begin + (today - first), first - timedelta(days=1))


async def dashboard(work: Work, company: str) -> DashboardOut:
    """Today and the month so far."""
    now = clock.now()
    today = clock.business_day(now, work.actor.time_zone)
    first = today.replace(day=1)
    begin, end = month_before(first, today)
    yesterday = today - timedelta(days=1)
    span = asked_by(work, min(begin, yesterday), today)
    values = {"tenant_id": work.tenant_id}
    bound = span.values() | values | {"today": today, "month": first}
    rows = (await work.session.execute(text(_FIGURES.format(wanted=condition(span))), bound)).all()
    spans = {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "month": (first, today),
        "before": (begin, end),
    }
    found = {name: _Figures() for name in spans}
    hours = dict.fromkeys(range(24), ZERO)
    days: dict[date, Decimal] = {}
    for row in (row for row in rows if row.part == "span"):
        for name, (since, until) in spans.items():
            if since <= row.day <= until:
                found[name].add(row)
        if row.day == today:
            hours[row.hour] += row.total
        if row.day >= first:
            days[row.day] = days.get(row.day, ZERO) + row.total
    day, month = span.over(today, today), span.over(first, today)
    tenders = sorted((row for row in rows if row.part == "tender"), key=lambda row: (-row.total, row.method))
    return DashboardOut(
        company=company,
        at=now,
        today=_span(day, found["today"], found["yesterday"]),
        month=_span(month, found["month"], found["before"]),
        open_sessions=int(
            await work.session.scalar(
                _OPEN, values | {"branches": None if span.branches is None else list(span.branches)}
            )
            or 0
        ),
        tenders=[
            TenderOut(method=row.method, name=METHOD_NAMES.get(str(row.method), str(row.method)), total=row.total)
            for row in tenders
        ],
        top_products=await _top(work, [row for row in rows if row.part == "product"]),
        series=[
            SeriesOut(
                name="Ventas de hoy por hora",
                kind="bar",
                labels=[f"{hour:02d}:00" for hour in hours],
                values=list(hours.values()),
            ),
            SeriesOut(
                name="Ventas del mes por día",
                kind="line",
                labels=[str(first + timedelta(days=n)) for n in range(month.days)],
                values=[days.get(first + timedelta(days=n), ZERO) for n in range(month.days)],
            ),
        ],
    )


def _span(asked: Asked, now: _Figures, before: _Figures) -> SpanOut:
    return SpanOut(
        from_=asked.first,
        to=asked.last,
        figures=now.out(asked),
        previous=before.out(asked),
        change=change(now.sums["total"], before.sums["total"]),
    )


async def _top(work: Work, rows: Sequence[Any]) -> list[TopOut]:
    best = sorted(rows, key=lambda row: (-row.total, row.product_id))
    names = await names_of(work, [row.product_id for row in best])
    return [
        TopOut(product_id=row.product_id, sku=names[row.product_id][0], name=names[row.product_id][1], total=row.total)
        for row in best
    ]


class SummaryOut(Output):
    """The same figures in sentences. Written by rules here; nothing is sent anywhere."""

    company: str
    at: Any
    text: str
    sentences: list[str]


def summary(found: DashboardOut) -> SummaryOut:
    """Sentences of a dashboard: the same figures, the same words."""
    today, month = found.today, found.month
    sentences = [
        f"Hoy van {format_pesos(today.figures.total)} en {_tickets(today.figures.tickets)}{_against(today, 'ayer en todo el día')}.",
        f"El mes lleva {format_pesos(month.figures.total)} en {_tickets(month.figures.tickets)}"
        f"{_against(month, 'los mismos días del mes anterior')}.",
    ]
    if month.figures.margin is not None and month.figures.margin_rate is not None:
        rate = format_percent(month.figures.margin_rate.quantize(Decimal("0.001")))
        sentences.append(
            f"El margen bruto del mes es de {format_pesos(month.figures.margin)}, el {rate} de lo vendido sin impuestos."
        )
    if month.figures.returned:
        sentences.append(f"En el mes se devolvieron o anularon {format_pesos(month.figures.returned)}.")
    if found.top_products:
        best = found.top_products[0]
        sentences.append(f"Lo más vendido del mes es {best.name}, con {format_pesos(best.total)}.")
    if found.open_sessions:
        plural = "" if found.open_sessions == 1 else "s"
        sentences.append(f"Hay {found.open_sessions} caja{plural} abierta{plural}.")
    return SummaryOut(company=found.company, at=found.at, text=" ".join(sentences), sentences=sentences)


def _tickets(count: int) -> str:
    return f"{count} tiquete{'' if count == 1 else 's'}"


def _against(span: SpanOut, what: str) -> str:
    if span.change is None:
        return ""
    more = "más" if span.change >= 0 else "menos"
    return f", {format_percent(abs(span.change).quantize(Decimal('0.001')))} {more} que {what} ({format_pesos(span.previous.total)})"
