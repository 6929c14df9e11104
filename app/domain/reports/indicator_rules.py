"""The rules of indicators: each answers what it found, or None when there is nothing to do."""

import statistics
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.customers import buyers, score, segment
from app.domain.reports.facts import SALES, UNFOLDED
from app.domain.reports.forecast import WEEK, forecast, histories
from app.domain.reports.sources import condition
from app.domain.reports.stock import DEAD_AFTER, dead_rows, names_of, shelves, sold_by_product
from app.domain.reports.stockouts import stockout_rows
from app.domain.reports.tables import Row
from app.lib import clock
from app.lib.money import ZERO, cents
from app.lib.pesos import format_number, format_percent, format_pesos

IDLE_AFTER: Final = 30
"""Days without a sale before stock is told not to rotate; it is dead after twice as long."""
LOW_MARGIN: Final = Decimal("0.10")
BELOW_AVERAGE: Final = Decimal("0.10")
"""How far under its category's margin a product must lie: ten points."""
DRIFT: Final = Decimal("0.10")
DROP: Final = Decimal("-0.30")
DEMAND_CHANGE: Final = 0.20
SIGMAS: Final = 2.0
SAMPLES: Final = 4
"""Earlier weeks without which nothing is unusual."""
WEEKS: Final = 8
_COVER: Final = 2 * WEEK
"""Days that a reorder should last."""

Severity = Literal["info", "warning", "critical"]


class Item(msgspec.Struct, frozen=True):
    """One thing behind a finding, with its weight."""

    id: UUID | None
    name: str | None
    text: str
    link: str
    weight: Decimal = ZERO


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule found. `total` says the sum of the items' weights in words."""

    title: str
    severity: Severity
    why: str
    action: str
    link: str
    items: list[Item]
    total: Callable[[Sequence[Item]], str]

    def value(self) -> str:
        return self.total(self.items)

    def without(self, subjects: set[str]) -> "Finding | None":
        """The same without hidden products; nothing when none is left."""
        kept = [item for item in self.items if str(item.id) not in subjects]
        return msgspec.structs.replace(self, items=kept) if kept else None


def _pesos(items: Sequence[Item]) -> str:
    return format_pesos(sum((item.weight for item in items), start=ZERO))


def _products(items: Sequence[Item]) -> str:
    return f"{len(items)} producto{'' if len(items) == 1 else 's'}"


def _sorted(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (-item.weight, item.name or ""))


async def sold_at_a_loss(work: Work, asked: Asked) -> Finding | None:
    """Products whose sales brought less, without taxes, than they cost."""
    sold = await sold_by_product(work, asked)
    losing = {key: row for key, row in sold.items() if row.quantity > 0 and row.base < row.cost}
    names = await names_of(work, list(losing))
    items = [
        Item(key, names[key][1], format_pesos(row.cost - row.base), _documents(asked, key), row.cost - row.base)
        for key, row in losing.items()
    ]
    if not items:
        return None
    return Finding(
        title="Productos vendidos a pérdida",
        severity="critical",
        why="En los últimos 30 días se vendieron por debajo de lo que costaron.",
        action="Suba el precio o revise el costo registrado.",
        link="/v1/reports/sales?by=product",
        items=_sorted(items),
        total=_pesos,
    )


def _documents(asked: Asked, product_id: UUID) -> str:
    return f"/v1/reports/sales/documents?{asked.query(productId=product_id)}"


async def no_rotation(work: Work, asked: Asked) -> Finding | None:
    """Stock that nobody bought for a month, and not yet dead."""
    rows = [row for row in await dead_rows(work, asked, IDLE_AFTER) if row["idleDays"] < DEAD_AFTER]
    return _idle(
        rows,
        "Productos sin rotación",
        "warning",
        f"Tienen existencia y no se venden desde hace {IDLE_AFTER} días o más.",
        "Exhíbalos mejor, hágales una oferta o deje de comprarlos.",
        _products,
    )


async def dead_stock(work: Work, asked: Asked) -> Finding | None:
    """Pesos in stock that nobody bought for two months."""
    rows = await dead_rows(work, asked, DEAD_AFTER)
    return _idle(
        rows,
        "Inventario muerto",
        "warning",
        f"Plata quieta en productos que no se venden desde hace {DEAD_AFTER} días o más.",
        "Remátelos o devuélvalos al proveedor.",
        _pesos,
    )


def _idle(
    rows: list[Row], title: str, severity: Severity, why: str, action: str, total: Callable[[Sequence[Item]], str]
) -> Finding | None:
    items = [Item(row["productId"], row["name"], f"{row['idleDays']} días", row["link"], row["value"]) for row in rows]
    if not items:
        return None
    return Finding(
        title=title,
        severity=severity,
        why=why,
        action=action,
        link="/v1/reports/dead-stock",
        items=_sorted(items),
        total=total,
    )


async def low_margin(work: Work, asked: Asked) -> Finding | None:
    """Products that leave less than a tenth of what they are sold for."""
    sold = await sold_by_product(work, asked)
    thin = {
        key: row for key, row in sold.items() if row.base > 0 and ZERO <= row.base - row.cost < row.base * LOW_MARGIN
    }
    names = await names_of(work, list(thin))
    items = [
        Item(key, names[key][1], _rate((row.base - row.cost) / row.base), _documents(asked, key), row.base)
        for key, row in thin.items()
    ]
    if not items:
        return None
    return Finding(
        title="Productos con margen bajo",
        severity="warning",
        why=f"Dejan menos del {format_percent(LOW_MARGIN)} de lo que se vende, sin impuestos.",
        action="Revise el precio o negocie el costo.",
        link="/v1/reports/sales?by=product",
        items=_sorted(items),
        total=_products,
    )


async def margin_below_average(work: Work, asked: Asked) -> Finding | None:
    """Products well under the margin of their own category, which has others to compare with."""
    sold = {key: row for key, row in (await sold_by_product(work, asked)).items() if row.base > 0}
    category = {row.id: row.category_id for row in await shelves(work, asked, None)}
    groups: dict[Any, list[UUID]] = {}
    for key in sold:
        if category.get(key) is not None:
            groups.setdefault(category[key], []).append(key)
    names = await names_of(work, list(sold))
    items = []
    for members in groups.values():
        base = sum((sold[key].base for key in members), start=ZERO)
        average = (base - sum((sold[key].cost for key in members), start=ZERO)) / base
        for key in members if len(members) > 1 else ():
            row = sold[key]
            rate = (row.base - row.cost) / row.base
            if rate < average - BELOW_AVERAGE:
                shown = f"{_rate(rate)} frente a {_rate(average)}"
                items.append(
                    Item(key, names[key][1], shown, _documents(asked, key), cents((average - rate) * row.base))
                )
    if not items:
        return None
    return Finding(
        title="Margen por debajo de su categoría",
        severity="info",
        why="Dejan al menos diez puntos menos que los demás de su categoría.",
        action="Compare su precio y su costo con los de productos parecidos.",
        link="/v1/reports/sales?by=product",
        items=_sorted(items),
        total=_products,
    )


async def reorder(work: Work, asked: Asked) -> Finding | None:
    """Products that will run out within a week at the expected demand, or lie under their minimum."""
    past = await histories(work, asked)
    items = []
    for row in await shelves(work, asked, None):
        history = past.get(row.id)
        first_weekday = (asked.last - timedelta(days=len(history) - 1)).weekday() if history else 0
        days = forecast(history, first_weekday).days if history else [0.0]
        week, cover = Decimal(f"{sum(days[:WEEK]):.3f}"), Decimal(f"{sum(days[:_COVER]):.3f}")
        short = row.min_stock is not None and row.quantity < row.min_stock
        if not short and not (week and row.quantity < week):
            continue
        wanted = max(cover, row.min_stock or cover) - row.quantity
        shown = (
            f"pida {format_number(wanted.quantize(Decimal(1)).max(Decimal(1)))}; quedan {format_number(row.quantity)}"
        )
        items.append(Item(row.id, row.name, shown, f"/v1/reports/products/{row.id}/kardex", wanted))
    if not items:
        return None
    return Finding(
        title="Productos por pedir",
        severity="warning",
        why="No alcanzan para la demanda esperada de una semana, o están bajo su mínimo.",
        action="Pida lo sugerido: cubre dos semanas.",
        link="/v1/reports/forecast",
        items=_sorted(items),
        total=_products,
    )


_SO_FAR: Final = (
    f"WITH {UNFOLDED} SELECT f.day, sum(f.total) AS total FROM ({SALES.live()}) f WHERE f.hour < :hour AND {{wanted}} "
    "GROUP BY 1"
)


async def sales_anomaly(work: Work, asked: Asked) -> Finding | None:
    """Today, up to the last whole hour, against the same weekday and hours of the last eight weeks."""
    hour = clock.now().astimezone(clock.day_begun(asked.last, asked.zone).tzinfo).hour
    span = asked.over(asked.last - timedelta(days=WEEKS * WEEK), asked.last)
    values = span.values() | {"tenant_id": work.tenant_id, "hour": hour}
    rows = (await work.session.execute(text(_SO_FAR.format(wanted=condition(span))), values)).all()
    totals: dict[date, Decimal] = {row.day: row.total for row in rows}
    before = [totals[day] for n in range(1, WEEKS + 1) if (day := asked.last - timedelta(days=n * WEEK)) in totals]
    today = totals.get(asked.last, ZERO)
    if len(before) < SAMPLES:
        return None
    usual = Decimal(statistics.fmean(before))
    # A shop that always sells the same is not alarmed by a few pesos.
    spread = max(Decimal(statistics.stdev(before)), usual * DRIFT)
    if abs(today - usual) <= spread * Decimal(SIGMAS):
        return None
    lower = today < usual
    return Finding(
        title="Ventas de hoy fuera de lo usual",
        severity="critical" if lower else "info",
        why=f"Hasta las {hour}:00 van {format_pesos(today)}; lo usual de este día son {format_pesos(cents(usual))}.",
        action="Revise si una caja, un medio de pago o la puerta fallan."
        if lower
        else "Revise existencias y personal.",
        link=f"/v1/reports/sales?by=hour&from={asked.last}&to={asked.last}",
        items=[
            Item(
                None,
                None,
                format_pesos(today - cents(usual)),
                f"/v1/reports/sales?by=hour&from={asked.last}&to={asked.last}",
            )
        ],
        total=lambda items: items[0].text,
    )


_SELLERS: Final = (
    f"WITH {UNFOLDED} SELECT f.seller_id, n.display_name AS name, "
    "coalesce(sum(f.total) FILTER (WHERE f.day >= :since), 0.00) AS now, "
    f"coalesce(sum(f.total) FILTER (WHERE f.day < :since), 0.00) AS before FROM ({SALES.live()}) f "
    "LEFT JOIN membership n ON n.tenant_id = :tenant_id AND n.user_id = f.seller_id WHERE {wanted} GROUP BY 1, 2"
)


async def sales_by_employee(work: Work, asked: Asked) -> Finding | None:
    """Sellers who sold at least 30 % less than in the thirty days before."""
    span = asked.over(asked.first - timedelta(days=asked.days), asked.last)
    values = span.values() | {"tenant_id": work.tenant_id, "since": asked.first}
    rows = (await work.session.execute(text(_SELLERS.format(wanted=condition(span))), values)).all()
    items = [
        Item(
            row.seller_id,
            row.name,
            f"{_rate((row.now - row.before) / row.before)} ({format_pesos(row.now)})",
            f"/v1/reports/sales/documents?{asked.query(sellerId=row.seller_id)}",
            row.before - row.now,
        )
        for row in rows
        if row.before > 0 and (row.now - row.before) / row.before <= DROP
    ]
    if not items:
        return None
    return Finding(
        title="Vendedores que venden menos",
        severity="info",
        why="Vendieron al menos 30 % menos que en los treinta días anteriores.",
        action="Hable con ellos: turnos, zona, permisos o vacaciones lo explican casi siempre.",
        link="/v1/reports/sales?by=seller",
        items=_sorted(items),
        total=_pesos,
    )


async def demand_forecast(work: Work, asked: Asked) -> Finding | None:
    """Products whose next week should differ by a fifth from the last one, measured on at least eight weeks."""
    past = await histories(work, asked)
    names = await names_of(work, list(past))
    items = []
    for key, history in past.items():
        found = forecast(history, (asked.last - timedelta(days=len(history) - 1)).weekday())
        last, following = sum(history[-WEEK:]), sum(found.days[:WEEK])
        if found.error is None or last <= 0 or abs(following - last) < DEMAND_CHANGE * last:
            continue
        shown = f"{following:.0f} unidades, frente a {last:.0f} (error medido {found.error * 100:.0f} %)"
        items.append(Item(key, names[key][1], shown, _documents(asked, key), Decimal(f"{abs(following - last):.3f}")))
    if not items:
        return None
    return Finding(
        title="Cambia la demanda esperada",
        severity="info",
        why="La próxima semana debería diferir al menos 20 % de la última.",
        action="Ajuste sus pedidos.",
        link="/v1/reports/forecast",
        items=_sorted(items),
        total=_products,
    )


async def customers_at_risk(work: Work, asked: Asked) -> Finding | None:
    """Customers who bought often and stopped coming, in the last half year."""
    span = asked.over(asked.last - timedelta(days=179), asked.last)
    rows = await buyers(work, span)
    r, f = score([-row["recency"] for row in rows]), score([row["frequency"] for row in rows])
    items = [
        Item(row["customerId"], row["name"], f"hace {row['recency']} días", row["link"], row["total"])
        for row, one, two in zip(rows, r, f, strict=True)
        if row["recency"] >= IDLE_AFTER and segment(one, two) == "En riesgo"
    ]
    if not items:
        return None
    return Finding(
        title="Clientes en riesgo",
        severity="warning",
        why="Compraban seguido y no vuelven desde hace un mes o más.",
        action="Llámelos o hágales una oferta.",
        link="/v1/reports/customers/rfm",
        items=_sorted(items),
        total=lambda found: f"{len(found)} cliente{'' if len(found) == 1 else 's'}",
    )


async def stockout_cost(work: Work, asked: Asked) -> Finding | None:
    """Pesos of sales that empty shelves cost."""
    items = [
        Item(row["productId"], row["name"], format_pesos(row["lostSales"]), row["link"], row["lostSales"])
        for row in await stockout_rows(work, asked)
        if row["lostSales"] > 0
    ]
    if not items:
        return None
    return Finding(
        title="Ventas perdidas por agotados",
        severity="warning",
        why="Estuvieron agotados mientras había quien los comprara.",
        action="Suba su existencia mínima y pídalos antes.",
        link="/v1/reports/stockouts",
        items=_sorted(items),
        total=_pesos,
    )


_PRICES: Final = text("SELECT p.id, p.price FROM product p WHERE p.tenant_id = :tenant_id AND p.id = ANY(:ids)")


async def price_drift(work: Work, asked: Asked) -> Finding | None:
    """Products that are charged, on average, ten per cent off their listed price."""
    sold = {key: row for key, row in (await sold_by_product(work, asked)).items() if row.quantity > 0}
    rows = await work.session.execute(_PRICES, {"tenant_id": work.tenant_id, "ids": list(sold)})
    prices = {row.id: row.price for row in rows}
    names = await names_of(work, list(sold))
    items = []
    for key, row in sold.items():
        listed, charged = prices[key], row.total / row.quantity
        if listed and abs(charged - listed) > listed * DRIFT:
            shown = f"{format_pesos(charged)} frente a {format_pesos(listed)}"
            items.append(
                Item(key, names[key][1], shown, _documents(asked, key), cents(abs(charged - listed) * row.quantity))
            )
    if not items:
        return None
    return Finding(
        title="Precios que se desvían de la lista",
        severity="info",
        why="Lo cobrado en promedio difiere más de 10 % del precio de lista de hoy.",
        action="Revise descuentos y precios digitados, o actualice la lista.",
        link="/v1/reports/exceptions",
        items=_sorted(items),
        total=_products,
    )


def _rate(value: Decimal) -> str:
    return format_percent(value.quantize(Decimal("0.001")))
