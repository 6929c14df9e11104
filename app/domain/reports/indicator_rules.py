"""The rules of indicators about goods: each answers what it found, or None when there is nothing to do."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.domain.reports.findings import (
    Finding,
    Item,
    Severity,
    documents_link,
    in_percent,
    in_pesos,
    in_products,
    weightiest,
)
from app.domain.reports.forecast import WEEK
from app.domain.reports.look import IDLE_AFTER, Look
from app.domain.reports.stock import DEAD_AFTER
from app.domain.reports.stockouts import stockout_rows
from app.domain.reports.tables import Row
from app.lib.money import ZERO, cents
from app.lib.pesos import format_number, format_percent, format_pesos

LOW_MARGIN: Final = Decimal("0.10")
BELOW_AVERAGE: Final = Decimal("0.10")
"""How far under its category's margin a product must lie: ten points."""
DRIFT: Final = Decimal("0.10")
_COVER: Final = 2 * WEEK
"""Days that a reorder should last."""


async def sold_at_a_loss(look: Look) -> Finding | None:
    """Products whose sales brought less, without taxes, than they cost."""
    sold = await look.sold()
    losing = {key: row for key, row in sold.items() if row.quantity > 0 and row.base < row.cost}
    names = await look.names(list(losing))
    items = [
        Item(
            key, names[key][1], format_pesos(row.cost - row.base), documents_link(look.asked, key), row.cost - row.base
        )
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
        items=weightiest(items),
        total=in_pesos,
    )


async def no_rotation(look: Look) -> Finding | None:
    """Stock that nobody bought for a month, and not yet dead."""
    rows = [row for row in await look.idle() if row["idleDays"] < DEAD_AFTER]
    return _idle(
        rows,
        "Productos sin rotación",
        "warning",
        f"Tienen existencia y no se venden desde hace {IDLE_AFTER} días o más.",
        "Exhíbalos mejor, hágales una oferta o deje de comprarlos.",
        in_products,
    )


async def dead_stock(look: Look) -> Finding | None:
    """Pesos in stock that nobody bought for two months."""
    rows = [row for row in await look.idle() if row["idleDays"] >= DEAD_AFTER]
    return _idle(
        rows,
        "Inventario muerto",
        "warning",
        f"Plata quieta en productos que no se venden desde hace {DEAD_AFTER} días o más.",
        "Remátelos o devuélvalos al proveedor.",
        in_pesos,
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
        items=weightiest(items),
        total=total,
    )


async def low_margin(look: Look) -> Finding | None:
    """Products that leave less than a tenth of what they are sold for."""
    sold = await look.sold()
    thin = {
        key: row for key, row in sold.items() if row.base > 0 and ZERO <= row.base - row.cost < row.base * LOW_MARGIN
    }
    names = await look.names(list(thin))
    items = [
        Item(
            key, names[key][1], in_percent((row.base - row.cost) / row.base), documents_link(look.asked, key), row.base
        )
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
        items=weightiest(items),
        total=in_products,
    )


async def margin_below_average(look: Look) -> Finding | None:
    """Products well under the margin of their own category, which has others to compare with."""
    sold = {key: row for key, row in (await look.sold()).items() if row.base > 0}
    category = {row.id: row.category_id for row in await look.shelves()}
    groups: dict[Any, list[UUID]] = {}
    for key in sold:
        if category.get(key) is not None:
            groups.setdefault(category[key], []).append(key)
    names = await look.names(list(sold))
    items = []
    for members in groups.values():
        base = sum((sold[key].base for key in members), start=ZERO)
        average = (base - sum((sold[key].cost for key in members), start=ZERO)) / base
        for key in members if len(members) > 1 else ():
            row = sold[key]
            rate = (row.base - row.cost) / row.base
            if rate < average - BELOW_AVERAGE:
                shown = f"{in_percent(rate)} frente a {in_percent(average)}"
                items.append(
                    Item(key, names[key][1], shown, documents_link(look.asked, key), cents((average - rate) * row.base))
                )
    if not items:
        return None
    return Finding(
        title="Margen por debajo de su categoría",
        severity="info",
        why="Dejan al menos diez puntos menos que los demás de su categoría.",
        action="Compare su precio y su costo con los de productos parecidos.",
        link="/v1/reports/sales?by=product",
        items=weightiest(items),
        total=in_products,
    )


async def reorder(look: Look) -> Finding | None:
    """Products that will run out within a week at the expected demand, or lie under their minimum."""
    found = await look.forecasts()
    items = []
    for row in await look.shelves():
        if row.retired_at is not None:
            continue
        days = found[row.id].days if row.id in found else [0.0]
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
        items=weightiest(items),
        total=in_products,
    )


async def stockout_cost(look: Look) -> Finding | None:
    """Pesos of sales that empty shelves cost."""
    items = [
        Item(row["productId"], row["name"], format_pesos(row["lostSales"]), row["link"], row["lostSales"])
        for row in await stockout_rows(look.work, look.asked, await look.sold())
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
        items=weightiest(items),
        total=in_pesos,
    )


_PRICES: Final = text("SELECT p.id, p.price FROM product p WHERE p.tenant_id = :tenant_id AND p.id = ANY(:ids)")


async def price_drift(look: Look) -> Finding | None:
    """Products that are charged, on average, ten per cent off their listed price."""
    sold = {key: row for key, row in (await look.sold()).items() if row.quantity > 0}
    rows = await look.work.session.execute(_PRICES, {"tenant_id": look.work.tenant_id, "ids": list(sold)})
    prices = {row.id: row.price for row in rows}
    names = await look.names(list(sold))
    items = []
    for key, row in sold.items():
        listed, charged = prices[key], row.total / row.quantity
        if listed and abs(charged - listed) > listed * DRIFT:
            shown = f"{format_pesos(charged)} frente a {format_pesos(listed)}"
            items.append(
                Item(
                    key,
                    names[key][1],
                    shown,
                    documents_link(look.asked, key),
                    cents(abs(charged - listed) * row.quantity),
                )
            )
    if not items:
        return None
    return Finding(
        title="Precios que se desvían de la lista",
        severity="info",
        why="Lo cobrado en promedio difiere más de 10 % del precio de lista de hoy.",
        action="Revise descuentos y precios digitados, o actualice la lista.",
        link="/v1/reports/exceptions",
        items=weightiest(items),
        total=in_products,
    )
