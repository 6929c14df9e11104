"""Goods: what there is and was, how it turns, what matters, what lies dead, what ran out."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.inventory.reads import StockReads
from app.domain.inventory.sheet import KIND_NAMES
from app.domain.reports.asked import MAX_ROWS, Asked
from app.domain.reports.facts import PRODUCTS, UNFOLDED
from app.domain.reports.sources import condition, source_for
from app.domain.reports.tables import Column, Row, Table, ratio, series, sums
from app.lib import clock
from app.lib.money import ZERO, as_price, as_quantity, cents, divide, unit_cost

NO_UNITS: Final = Decimal(0)
DEAD_AFTER: Final = 60
"""Days without a sale after which stock counts as dead, unless asked otherwise."""
_A, _B = Decimal("0.80"), Decimal("0.95")
"""Shares of the sales that classes A and B end at."""

_GOODS: Final = (
    Column("sku", "Código"),
    Column("name", "Producto"),
    Column("category", "Categoría"),
    Column("quantity", "Existencia", "quantity"),
    Column("value", "Valor", "money", is_cost=True, is_summed=True),
)
_INVENTORY: Final = (
    *_GOODS,
    Column("unitCost", "Costo promedio", "price", is_cost=True),
    Column("minStock", "Mínimo", "quantity"),
    Column("productId", "Id", "id"),
)
_ROTATION: Final = (
    *_GOODS,
    Column("openingValue", "Valor inicial", "money", is_cost=True, is_summed=True),
    Column("averageValue", "Valor promedio", "money", is_cost=True, is_summed=True),
    Column("sold", "Unidades vendidas", "quantity"),
    Column("cost", "Costo de lo vendido", "money", is_cost=True, is_summed=True),
    Column("turns", "Rotación", "price"),
    Column("daysOfStock", "Días de inventario", "price"),
    Column("productId", "Id", "id"),
)
_ABC: Final = (
    Column("sku", "Código"),
    Column("name", "Producto"),
    Column("class", "Clase"),
    Column("base", "Ventas sin impuestos", "money", is_summed=True),
    Column("share", "Participación", "percent"),
    Column("cumulative", "Acumulado", "percent"),
    Column("sold", "Unidades", "quantity"),
    Column("productId", "Id", "id"),
)
_DEAD: Final = (
    *_GOODS,
    Column("lastSoldOn", "Última venta", "day"),
    Column("idleDays", "Días sin venderse", "count"),
    Column("productId", "Id", "id"),
)
_KARDEX: Final = (
    Column("at", "Fecha", "instant"),
    Column("kindName", "Movimiento"),
    Column("warehouse", "Bodega"),
    Column("quantity", "Cantidad", "quantity"),
    Column("unitCost", "Costo unitario", "price", is_cost=True),
    Column("value", "Valor", "money", is_cost=True, is_summed=True),
    Column("balanceQuantity", "Saldo en unidades", "quantity"),
    Column("balanceValue", "Saldo en pesos", "money", is_cost=True),
    Column("documentId", "Documento", "id"),
)
_SOLD: Final = (
    f"WITH {UNFOLDED} SELECT f.product_id, sum(f.quantity) AS quantity, sum(f.base) AS base, sum(f.cost) AS cost, "
    "sum(f.total) AS total FROM ({rows}) f WHERE {wanted} GROUP BY 1"
)
_LAST_SOLD: Final = (
    f"WITH {UNFOLDED}, late AS MATERIALIZED (SELECT f.product_id, max(f.day) AS day FROM ({PRODUCTS.unfolded()}) f "
    "WHERE f.total > 0 AND f.day <= :last AND {wanted} GROUP BY 1) "
    "SELECT g.id AS product_id, greatest(k.day, late.day) AS day FROM unnest(CAST(:ids AS uuid[])) AS g (id) "
    "LEFT JOIN LATERAL (SELECT f.day FROM report_product f WHERE f.tenant_id = :tenant_id AND f.product_id = g.id "
    "AND f.total > 0 AND f.day <= :last AND {wanted} ORDER BY f.day DESC LIMIT 1) k ON true "
    "LEFT JOIN late ON late.product_id = g.id WHERE k.day IS NOT NULL OR late.day IS NOT NULL"
)


async def sold_by_product(work: Work, asked: Asked) -> Mapping[UUID, Any]:
    """Units, base, cost and total of each product sold in the period, net of returns."""
    statement = text(_SOLD.format(rows=source_for(asked, ["product_id"]).rows, wanted=condition(asked)))
    rows = (await work.session.execute(statement, asked.values() | {"tenant_id": work.tenant_id})).all()
    return {row.product_id: row for row in rows}


def goods_row(row: Any) -> Row:
    """What every report of goods says of a product."""
    return {
        "productId": row.id,
        "sku": row.sku,
        "name": row.name,
        "category": row.category or "Sin categoría",
        "quantity": as_quantity(row.quantity),
        "value": row.value,
        "link": f"/v1/reports/products/{row.id}/kardex",
    }


async def shelves(work: Work, asked: Asked, at: date | None) -> Sequence[Any]:
    """Goods now or at the end of a day, in the asked branch and category."""
    rows = await StockReads(work).by_product(at, asked.branch_id)
    if asked.product_id is not None:
        rows = [row for row in rows if row.id == asked.product_id]
    if asked.category_id is not None:
        inside = await _tree(work, asked.category_id)
        rows = [row for row in rows if row.category_id in inside]
    return rows


async def _tree(work: Work, category_id: UUID) -> set[UUID]:
    statement = text(
        "WITH RECURSIVE tree AS (SELECT k.id FROM category k WHERE k.tenant_id = :tenant_id AND k.id = :id "
        "UNION ALL SELECT k.id FROM category k JOIN tree ON k.parent_id = tree.id WHERE k.tenant_id = :tenant_id) "
        "SELECT id FROM tree"
    )
    return set((await work.session.scalars(statement, {"tenant_id": work.tenant_id, "id": category_id})).all())


def past(asked: Asked, day: date) -> date | None:
    """The day, or None when it is today: what lies there now needs no adding up."""
    return None if day >= clock.business_day(clock.now(), asked.zone) else day


async def inventory(work: Work, asked: Asked) -> Table:
    """What lay on the shelves at the end of the last day, and what it was worth."""
    rows = await shelves(work, asked, past(asked, asked.last))
    made = [
        goods_row(row)
        | {
            "unitCost": as_price(unit_cost(row.value, row.quantity)),
            "minStock": None if row.min_stock is None else as_quantity(row.min_stock),
        }
        for row in rows
        if row.quantity or row.value
    ]
    groups: dict[str, Decimal] = {}
    for row in made:
        groups[row["category"]] = groups.get(row["category"], ZERO) + row["value"]
    drawn = [{"name": name, "value": value} for name, value in sorted(groups.items(), key=lambda one: -one[1])]
    return _table("inventory", "Inventario valorizado", _INVENTORY, made, drawn=drawn if asked.sees_costs else [])


async def rotation(work: Work, asked: Asked) -> Table:
    """How often the stock of the period was sold: cost of what was sold over the average of first and last value."""
    opening = {row.id: row.value for row in await shelves(work, asked, past(asked, asked.first - timedelta(days=1)))}
    sold = await sold_by_product(work, asked)
    made = []
    for row in await shelves(work, asked, past(asked, asked.last)):
        mine = sold.get(row.id)
        cost, units = (mine.cost, mine.quantity) if mine else (ZERO, NO_UNITS)
        before = opening.get(row.id, ZERO)
        average = cents((before + row.value) / 2)
        if not (average or cost):
            continue
        turns = _fraction(cost, average)
        made.append(
            goods_row(row)
            | {
                "openingValue": before,
                "averageValue": average,
                "sold": as_quantity(units),
                "cost": cost,
                "turns": turns,
                "daysOfStock": _fraction(average * asked.days, cost),
            }
        )
    made.sort(key=lambda one: (one["turns"] is None, -(one["turns"] or 0)))
    return _table("rotation", "Rotación de inventario", _ROTATION, made, value="turns")


def _fraction(part: Decimal, whole: Decimal) -> Decimal | None:
    return divide(part, whole).quantize(Decimal("0.01")) if whole > 0 else None


async def abc(work: Work, asked: Asked) -> Table:
    """Products by their share of the sales without taxes: A up to 80 %, B up to 95 %, C the rest."""
    sold = await sold_by_product(work, asked)
    names = await names_of(work, list(sold))
    rows = sorted((row for row in sold.values() if row.base > 0), key=lambda row: (-row.base, row.product_id))
    whole = sum((row.base for row in rows), start=ZERO)
    running, made = ZERO, []
    for row in rows:
        # The product that crosses a border still belongs above it.
        reached = running / whole
        running += row.base
        sku, name = names[row.product_id]
        made.append(
            {
                "productId": row.product_id,
                "sku": sku,
                "name": name,
                "class": "A" if reached < _A else "B" if reached < _B else "C",
                "base": row.base,
                "share": ratio(row.base, whole),
                "cumulative": ratio(running, whole),
                "sold": as_quantity(row.quantity),
                "link": f"/v1/reports/sales/documents?{asked.query(productId=row.product_id)}",
            }
        )
    return _table("abc", "Clasificación ABC", _ABC, made, value="base")


async def names_of(work: Work, products: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Code and name of products."""
    statement = text("SELECT p.id, p.sku, p.name FROM product p WHERE p.tenant_id = :tenant_id AND p.id = ANY(:ids)")
    rows = (await work.session.execute(statement, {"tenant_id": work.tenant_id, "ids": products})).all()
    return {row.id: (row.sku, row.name) for row in rows}


async def dead(work: Work, asked: Asked, days: int = DEAD_AFTER) -> Table:
    """Stock that nobody bought for so many days up to the last one."""
    made = await dead_rows(work, asked, days)
    table = _table("dead-stock", "Inventario sin movimiento", _DEAD, made, value="value" if asked.sees_costs else None)
    table.notes = [f"Con existencia y sin ventas en los últimos {days} días."]
    return table


async def dead_rows(work: Work, asked: Asked, days: int, lying: Sequence[Any] | None = None) -> list[Row]:
    """The same as rows, of the goods `lying` there if they were read already; a product younger than that is not dead yet."""
    since = asked.last - timedelta(days=days - 1)
    if lying is None:
        lying = await shelves(work, asked, past(asked, asked.last))
    lying = [row for row in lying if row.quantity > 0]
    values = asked.values() | {"tenant_id": work.tenant_id, "ids": [row.id for row in lying]}
    found = (await work.session.execute(text(_LAST_SOLD.format(wanted=condition(asked))), values)).all()
    last = {row.product_id: row.day for row in found}
    made = []
    for row in lying:
        known = clock.business_day(row.created_at, asked.zone)
        seen = max(last.get(row.id, known), known)
        if seen < since:
            made.append(goods_row(row) | {"lastSoldOn": last.get(row.id), "idleDays": (asked.last - seen).days})
    return made


async def kardex(work: Work, asked: Asked, product_id: UUID) -> Table:
    """Every movement of a product in the period, as its kardex has them. Raises `NotFound`."""
    lines = await StockReads(work).kardex_rows(
        product_id, warehouse_id=None, first_day=asked.first, last_day=asked.last, branch_id=asked.branch_id
    )
    made: list[Row] = [
        {
            "at": line.at,
            "kindName": KIND_NAMES[line.kind],
            "warehouse": warehouse,
            "quantity": line.quantity,
            "unitCost": line.unit_cost,
            "value": line.value,
            "balanceQuantity": line.balance_quantity,
            "balanceValue": line.balance_value,
            "documentId": line.document_id,
            "link": f"/v1/products/{product_id}/kardex",
        }
        for line, warehouse in lines
    ]
    drawn = [{"name": f"{row['at']:%d/%m}", "value": row["balanceQuantity"]} for row in made]
    return _table("kardex", "Kárdex", _KARDEX, made, drawn=drawn, kind="line")


def _table(
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: list[Row],
    *,
    value: str | None = None,
    drawn: Sequence[Row] = (),
    kind: str = "bar",
) -> Table:
    chart = series(title, rows, "name", value, most=20) if value else series(title, drawn, "name", "value", kind, 60)
    return Table(
        name=name,
        title=title,
        columns=columns,
        rows=rows[:MAX_ROWS],
        has_more=len(rows) > MAX_ROWS,
        totals=sums(columns, rows),
        series=[chart] if chart.values else [],
    )
