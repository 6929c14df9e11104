"""Demand forecast: a level of recent weeks times the share of each weekday, with the error it would have made."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.facts import PRODUCT_SPAN, PRODUCTS, UNFOLDED
from app.domain.reports.sources import condition
from app.domain.reports.stock import names_of, shelves
from app.domain.reports.tables import Column, Row, SeriesOut, Table
from app.lib.money import as_quantity

WEEK: Final = 7
HISTORY: Final = 26 * WEEK
"""Days looked at."""
RECENT: Final = 8 * WEEK
"""Days whose level counts."""
HELD_BACK: Final = 4 * WEEK
"""Days of the back-test: forecast from what came before them, compared with what they were."""
AHEAD: Final = 2 * WEEK
_MOST: Final = 200
_COLUMNS: Final = (
    Column("sku", "Código"),
    Column("name", "Producto"),
    Column("nextWeek", "Próximos 7 días", "quantity"),
    Column("nextTwoWeeks", "Próximos 14 días", "quantity"),
    Column("onHand", "Existencia", "quantity"),
    Column("error", "Error (WAPE)", "percent"),
    Column("naiveError", "Error de repetir la semana", "percent"),
    Column("productId", "Id", "id"),
)
_DAILY: Final = (
    f"WITH {UNFOLDED}, top AS MATERIALIZED (SELECT f.product_id FROM ({PRODUCT_SPAN}) f WHERE {{wanted}} GROUP BY 1 "
    "HAVING sum(f.quantity) > 0 ORDER BY sum(f.total) DESC, 1 LIMIT :most), "
    "daily AS (SELECT f.product_id, f.day, sum(f.quantity) AS quantity FROM "
    f"({PRODUCTS.live()}) f WHERE f.product_id IN (SELECT product_id FROM top) AND {{wanted}} GROUP BY 1, 2) "
    "SELECT product_id, array_agg(CAST(:last AS date) - day) AS ago, array_agg(CAST(quantity AS double precision)) AS units "
    "FROM daily GROUP BY 1"
)


class Forecast(msgspec.Struct, frozen=True):
    """Of one product, in base units."""

    days: list[float]
    """Tomorrow first."""
    error: float | None
    """Of the held back weeks: sum of the daily misses over what was sold; None: too little history."""
    naive_error: float | None
    """The same for repeating the last week, which a forecast must beat to be worth anything."""


def predicted(history: Sequence[float], ahead: int, first_weekday: int) -> list[float]:
    """Days to come after `history`, whose first day is the weekday `first_weekday` (0 Monday); never negative."""
    recent = history[-RECENT:]
    level = max(0.0, sum(recent) / len(recent)) if recent else 0.0
    means = [0.0] * WEEK
    for n in range(min(WEEK, len(history))):
        same = history[n::WEEK]
        means[(first_weekday + n) % WEEK] = max(0.0, sum(same) / len(same))
    average = sum(means) / WEEK
    place = first_weekday + len(history)
    return [level * (means[(place + n) % WEEK] / average if average else 1.0) for n in range(ahead)]


def forecast(history: Sequence[float], first_weekday: int) -> Forecast:
    """What comes, and how wrong the same method would have been about the last four weeks."""
    error = naive = None
    known, held = history[:-HELD_BACK], history[-HELD_BACK:]
    sold = sum(abs(value) for value in held)
    if len(known) >= HELD_BACK and any(known) and sold:
        guess = predicted(known, HELD_BACK, first_weekday)
        repeat = [known[len(known) - WEEK + n % WEEK] for n in range(HELD_BACK)]
        error = sum(abs(a - b) for a, b in zip(guess, held, strict=True)) / sold
        naive = sum(abs(a - b) for a, b in zip(repeat, held, strict=True)) / sold
    return Forecast(predicted(history, AHEAD, first_weekday), error, naive)


async def histories(work: Work, asked: Asked) -> Mapping[UUID, list[float]]:
    """Units of each day of the last weeks before `asked.last`, that day included, of the products that sell most.

    A history begins with the first sale: before it the product was not there.
    """
    span = asked.over(asked.last - timedelta(days=HISTORY - 1), asked.last)
    statement = text(_DAILY.format(wanted=condition(span)))
    rows = (await work.session.execute(statement, span.values() | {"tenant_id": work.tenant_id, "most": _MOST})).all()
    found: dict[UUID, list[float]] = {}
    for row in rows:
        oldest = max(row.ago)
        history = found[row.product_id] = [0.0] * (oldest + 1)
        for ago, units in zip(row.ago, row.units, strict=True):
            history[oldest - ago] = units
    return found


def forecast_of(history: Sequence[float], last: date) -> Forecast:
    """`forecast` of a history that ends on a day."""
    return forecast(history, (last - timedelta(days=len(history) - 1)).weekday())


async def forecasts(work: Work, asked: Asked) -> Table:
    """Units that the products sold most will sell in one and two weeks, with the measured error of the method."""
    past = await histories(work, asked)
    names = await names_of(work, list(past))
    on_hand = {row.id: row.quantity for row in await shelves(work, asked, None)}
    made: list[Row] = []
    whole = [Decimal(0)] * AHEAD
    for product_id, history in past.items():
        found = forecast_of(history, asked.last)
        sku, name = names[product_id]
        for n, units in enumerate(found.days):
            whole[n] += _units(units)
        made.append(
            {
                "productId": product_id,
                "sku": sku,
                "name": name,
                "nextWeek": _units(sum(found.days[:WEEK])),
                "nextTwoWeeks": _units(sum(found.days)),
                "onHand": None if product_id not in on_hand else as_quantity(on_hand[product_id]),
                "error": _rate(found.error),
                "naiveError": _rate(found.naive_error),
                "link": f"/v1/reports/sales/documents?{asked.query(productId=product_id)}",
            }
        )
    made.sort(key=lambda row: (-row["nextTwoWeeks"], row["sku"]))
    tested = [(row["error"], row["naiveError"]) for row in made if row["error"] is not None]
    notes = [_tested(tested)]
    labels = [str(asked.last + timedelta(days=n + 1)) for n in range(AHEAD)]
    return Table(
        name="forecast",
        title="Demanda esperada",
        columns=_COLUMNS,
        rows=made,
        totals={},
        series=[SeriesOut(name="Unidades esperadas", kind="line", labels=labels, values=whole)] if made else [],
        notes=notes,
    )


def _tested(errors: Sequence[Any]) -> str:
    if not errors:
        return "Aún no hay historia suficiente para medir el error (hacen falta ocho semanas)."
    middle = sorted(error for error, _ in errors)[len(errors) // 2]
    naive = sorted(error for _, error in errors)[len(errors) // 2]
    return (
        f"Error medido sobre las últimas {HELD_BACK // WEEK} semanas, mediana de {len(errors)} productos: "
        f"{middle * 100:.1f} % (repetir la última semana: {naive * 100:.1f} %)."
    )


def _units(value: float) -> Decimal:
    return as_quantity(Decimal(f"{value:.3f}"))


def _rate(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.4f}")
