"""A report before it has a form: columns, rows, totals, what to draw. JSON, CSV, XLSX and PDF are made of the same."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import Asked
from app.lib.money import ZERO
from app.lib.pesos import format_nit
from app.lib.schemas import Output

Kind = Literal["text", "id", "day", "instant", "count", "money", "quantity", "price", "percent"]
Row = dict[str, Any]


class Column(msgspec.Struct, frozen=True):
    """One column; `key` as JSON names it."""

    key: str
    title: str
    kind: Kind = "text"
    is_cost: bool = False
    """Null for whoever may not see costs."""
    is_summed: bool = False
    is_person: bool = False
    """Null for whoever may not see customers."""


class ColumnOut(Output):
    """What a member of each item means."""

    key: str
    title: str
    kind: str
    """text, id, day, instant, count, money (pesos), quantity (units), price (pesos a unit), percent (a fraction)."""


class SeriesOut(Output):
    """Something to draw: as many values as labels."""

    name: str
    kind: str
    """bar or line."""
    labels: list[str]
    values: list[Decimal]


class ComparisonOut(Output):
    """The same totals of another period."""

    from_: date = msgspec.field(name="from")
    to: date
    totals: dict[str, Any]
    change: Decimal | None
    """Of the first summed amount, as a fraction; null when there was nothing before."""


class ReportOut(Output):
    """A report. `columns` say what the members of `items` are; amounts are strings, what may not be seen is null."""

    report: str
    title: str
    company: str
    nit: str
    from_: date = msgspec.field(name="from")
    to: date
    columns: list[ColumnOut]
    items: list[dict[str, Any]]
    totals: dict[str, Any]
    """Of all rows, also of those that `items` leaves out."""
    has_more: bool
    """Rows beyond 5,000 are left out; export them."""
    comparison: ComparisonOut | None
    series: list[SeriesOut]
    notes: list[str]
    next_cursor: str | None


class Table(msgspec.Struct, kw_only=True):
    """A report's content."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: list[Row]
    """By column key, and `link` to what is behind the row."""
    totals: Row
    series: list[SeriesOut] = []
    notes: list[str] = []
    comparison: ComparisonOut | None = None
    has_more: bool = False
    next_cursor: str | None = None


class Heading(msgspec.Struct, frozen=True):
    """Whose report."""

    company: str
    nit: str


_HEADING: Final = text("SELECT t.name, t.nit, t.dv FROM tenant t WHERE t.tenant_id = :tenant_id")


async def heading(work: Work) -> Heading:
    row = (await work.session.execute(_HEADING, {"tenant_id": work.tenant_id})).one()
    return Heading(row.name, format_nit(row.nit, row.dv))


def hidden(columns: Iterable[Column], asked: Asked) -> set[str]:
    """Keys of what the caller may not see."""
    return {
        column.key
        for column in columns
        if (column.is_cost and not asked.sees_costs) or (column.is_person and not asked.sees_customers)
    }


def sums(columns: Iterable[Column], rows: Sequence[Row]) -> Row:
    """Totals of the columns that add up."""
    return {
        column.key: sum((row[column.key] for row in rows if row[column.key] is not None), start=_nothing(column))
        for column in columns
        if column.is_summed
    }


def _nothing(column: Column) -> Decimal | int:
    return 0 if column.kind == "count" else ZERO


def change(now: Decimal, before: Decimal) -> Decimal | None:
    """Growth as a fraction to four decimals."""
    return ((now - before) / abs(before)).quantize(Decimal("0.0001")) if before else None


def ratio(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """A fraction to four decimals."""
    return None if part is None or not whole else (part / whole).quantize(Decimal("0.0001"))


def series(
    name: str, rows: Iterable[Row], label: str, value: str, kind: str = "bar", most: int | None = None
) -> SeriesOut:
    """Labels and values of rows, as they come."""
    pairs = [(str(row[label]), row[value]) for row in rows if row[value] is not None][:most]
    return SeriesOut(name=name, kind=kind, labels=[one for one, _ in pairs], values=[Decimal(two) for _, two in pairs])


def answer(table: Table, asked: Asked, head: Heading) -> ReportOut:
    """The report as JSON."""
    secret = hidden(table.columns, asked)
    return ReportOut(
        report=table.name,
        title=table.title,
        company=head.company,
        nit=head.nit,
        from_=asked.first,
        to=asked.last,
        columns=[ColumnOut(key=one.key, title=one.title, kind=one.kind) for one in table.columns],
        items=[_without(row, secret) for row in table.rows] if secret else table.rows,
        totals=_without(table.totals, secret),
        has_more=table.has_more,
        comparison=table.comparison,
        series=table.series,
        notes=table.notes,
        next_cursor=table.next_cursor,
    )


def _without(row: Row, secret: set[str]) -> Row:
    return {key: None if key in secret else value for key, value in row.items()}


def plain(value: Any) -> Any:
    """A value as a spreadsheet keeps it."""
    return str(value) if isinstance(value, UUID) else value
