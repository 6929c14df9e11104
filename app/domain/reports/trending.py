"""Products that sell most, and those that grow: net revenue of the period against the one before."""

from typing import Final, Literal

import msgspec

from app.db.session import Work
from app.domain.reports.asked import MAX_ROWS, Asked
from app.domain.reports.stock import names_of, sold_by_product
from app.domain.reports.tables import Column, Row, Table, change, series, sums
from app.lib.money import ZERO, as_quantity

Order = Literal["revenue", "growth", "quantity", "margin"]
_COLUMNS: Final = (
    Column("sku", "Código"),
    Column("name", "Producto"),
    Column("quantity", "Unidades", "quantity"),
    Column("base", "Ventas sin impuestos", "money", is_summed=True),
    Column("total", "Total", "money", is_summed=True),
    Column("margin", "Margen bruto", "money", is_cost=True, is_summed=True),
    Column("previousTotal", "Período anterior", "money", is_summed=True),
    Column("growth", "Crecimiento en pesos", "money", is_summed=True),
    Column("change", "Crecimiento", "percent"),
    Column("productId", "Id", "id"),
)


async def top(work: Work, asked: Asked, order: Order) -> Table:
    """Products of this period and the one before, net of returns, in the asked order."""
    earlier = msgspec.structs.replace(asked, compare="previous").earlier()
    assert earlier is not None
    now, before = await sold_by_product(work, asked), await sold_by_product(work, earlier)
    names = await names_of(work, [*now.keys(), *before.keys()])
    made: list[Row] = []
    for product_id in {*now, *before}:
        mine, old = now.get(product_id), before.get(product_id)
        total, past = (mine.total if mine else ZERO), (old.total if old else ZERO)
        sku, name = names[product_id]
        made.append(
            {
                "productId": product_id,
                "sku": sku,
                "name": name,
                "quantity": as_quantity(mine.quantity if mine else ZERO),
                "base": mine.base if mine else ZERO,
                "total": total,
                "margin": mine.base - mine.cost if mine else ZERO,
                "previousTotal": past,
                "growth": total - past,
                "change": change(total, past),
                "link": f"/v1/reports/sales/documents?{asked.query(productId=product_id)}",
            }
        )
    key = {"revenue": "total", "growth": "growth", "quantity": "quantity", "margin": "margin"}[order]
    made.sort(key=lambda row: (-row[key], row["sku"]))
    return Table(
        name="top-products",
        title="Productos más vendidos"
        if order == "revenue"
        else "Productos en alza"
        if order == "growth"
        else "Productos",
        columns=_COLUMNS,
        rows=made[:MAX_ROWS],
        totals=sums(_COLUMNS, made),
        has_more=len(made) > MAX_ROWS,
        series=[series("Pesos", made, "name", "growth" if order == "growth" else "total", most=20)] if made else [],
        notes=[f"Comparado con {earlier.first:%d/%m/%Y} a {earlier.last:%d/%m/%Y}."],
    )
