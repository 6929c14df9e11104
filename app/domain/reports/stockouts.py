"""What empty shelves cost: the sales that a product would have made while there was none of it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.inventory.daily import GAPS
from app.domain.reports.asked import MAX_ROWS, Asked
from app.domain.reports.stock import names_of, sold_by_product
from app.domain.reports.tables import Column, Row, Table, series, sums
from app.lib import clock
from app.lib.money import as_quantity, cents, divide, times

_COLUMNS: Final = (
    Column("sku", "Código"),
    Column("name", "Producto"),
    Column("daysOut", "Días agotado", "price"),
    Column("dailySales", "Venta diaria cuando hay", "quantity"),
    Column("lostUnits", "Unidades perdidas", "quantity"),
    Column("lostSales", "Ventas perdidas", "money", is_summed=True),
    Column("lostMargin", "Margen perdido", "money", is_cost=True, is_summed=True),
    Column("productId", "Id", "id"),
)
_DAY: Final = Decimal(86_400)
_EMPTY: Final = text(
    "SELECT m.product_id, sum(extract(epoch FROM least(coalesce(m.ended_at, CAST(:shuts AS timestamptz)), "
    "CAST(:shuts AS timestamptz)) - greatest(m.began_at, CAST(:opens AS timestamptz)))) AS seconds, "
    "(SELECT count(*) FROM stock s WHERE s.tenant_id = :tenant_id AND s.product_id = m.product_id AND s.moves > 0 "
    "AND (CAST(:here AS uuid[]) IS NULL OR s.warehouse_id IN (SELECT w.id FROM warehouse w "
    "WHERE w.tenant_id = :tenant_id AND w.branch_id = ANY(:here)))) AS shelves "
    f"FROM ({GAPS}) m JOIN product p ON p.tenant_id = :tenant_id AND p.id = m.product_id AND p.tracks_stock AND p.retired_at IS NULL "
    "WHERE m.began_at < CAST(:shuts AS timestamptz) "
    "AND coalesce(m.ended_at, CAST(:shuts AS timestamptz)) > CAST(:opens AS timestamptz) "
    "AND (CAST(:here AS uuid[]) IS NULL OR m.warehouse_id IN (SELECT w.id FROM warehouse w "
    "WHERE w.tenant_id = :tenant_id AND w.branch_id = ANY(:here))) GROUP BY 1"
)


async def stockouts(work: Work, asked: Asked) -> Table:
    """Days without stock times what a day with stock sells, at the price and margin of the period."""
    made = await stockout_rows(work, asked)
    return Table(
        name="stockouts",
        title="Costo de los agotados",
        columns=_COLUMNS,
        rows=made[:MAX_ROWS],
        has_more=len(made) > MAX_ROWS,
        totals=sums(_COLUMNS, made),
        series=[series("Ventas perdidas", made, "name", "lostSales", most=20)] if made else [],
    )


async def stockout_rows(work: Work, asked: Asked, sold: Mapping[UUID, Any] | None = None) -> list[Row]:
    """The same as rows, the dearest first; `sold` if that was read already."""
    opens = clock.day_begun(asked.first, asked.zone)
    shuts = min(clock.day_begun(asked.last + timedelta(days=1), asked.zone), clock.now())
    if shuts <= opens:
        return []
    here = [asked.branch_id] if asked.branch_id else (None if asked.branches is None else list(asked.branches))
    values = {"tenant_id": work.tenant_id, "opens": opens, "shuts": shuts, "here": here}
    found = (await work.session.execute(_EMPTY, values)).all()
    if sold is None:
        sold = await sold_by_product(work, asked)
    names = await names_of(work, [row.product_id for row in found])
    whole = Decimal((shuts - opens).total_seconds()) / _DAY
    made: list[Row] = []
    for row in found:
        mine = sold.get(row.product_id)
        # A product on several shelves is out where it is out: its days are shared among them.
        out = min(whole, Decimal(row.seconds) / _DAY / max(1, row.shelves))
        if mine is None or mine.quantity <= 0 or out >= whole:
            continue
        daily = divide(mine.quantity, whole - out)
        lost = times(daily, out).quantize(Decimal("0.001"))
        if not lost:
            continue
        sku, name = names[row.product_id]
        made.append(
            {
                "productId": row.product_id,
                "sku": sku,
                "name": name,
                "daysOut": out.quantize(Decimal("0.01")),
                "dailySales": as_quantity(daily.quantize(Decimal("0.001"))),
                "lostUnits": as_quantity(lost),
                "lostSales": cents(divide(times(mine.total, lost), mine.quantity)),
                "lostMargin": cents(divide(times(mine.base - mine.cost, lost), mine.quantity)),
                "link": f"/v1/reports/products/{row.product_id}/kardex?from={asked.first}&to={asked.last}",
            }
        )
    made.sort(key=lambda one: (-one["lostSales"], str(one["productId"])))
    return made
