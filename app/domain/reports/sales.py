"""Sales by whatever they can be told apart by, compared with before; every row leads to its documents."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import MAX_ROWS, Asked, By
from app.domain.reports.facts import MONEY, UNFOLDED
from app.domain.reports.sources import Source, condition, source_for, tenders_for
from app.domain.reports.tables import Column, ComparisonOut, Row, Table, change, ratio, series, sums
from app.lib.money import ZERO, as_quantity
from app.lib.tenders import METHOD_NAMES

WEEKDAYS: Final = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")


class _Group(msgspec.Struct, frozen=True):
    """How rows are told apart: the source's column, the group's expression, what names it."""

    title: str
    column: str
    key: str
    join: str = ""
    """Tables that the expression of the group needs."""
    name: str = "CAST(NULL AS text)"
    names: str = ""
    """Tables that name a group `g.key`."""
    code: str = "CAST(NULL AS text)"
    filter: str | None = None
    """Parameter of a link to the group's documents."""
    in_order: bool = False
    """By key, not by amount."""
    is_person: bool = False


_PRODUCT: Final = "JOIN product p ON p.tenant_id = :tenant_id AND p.id = f.product_id"
GROUPS: Final[dict[str, _Group]] = {
    "day": _Group("Día", "day", "f.day", in_order=True, filter="day"),
    "hour": _Group("Hora", "hour", "f.hour", in_order=True, filter="hour"),
    "weekday": _Group(
        "Día de la semana", "day", "CAST(extract(isodow FROM f.day) AS bigint)", in_order=True, filter="weekday"
    ),
    "product": _Group(
        "Producto",
        "product_id",
        "f.product_id",
        name="n.name",
        code="n.sku",
        names="LEFT JOIN product n ON n.tenant_id = :tenant_id AND n.id = g.key",
        filter="productId",
    ),
    "category": _Group(
        "Categoría",
        "product_id",
        "p.category_id",
        join=_PRODUCT,
        name="coalesce(n.name, 'Sin categoría')",
        names="LEFT JOIN category n ON n.tenant_id = :tenant_id AND n.id = g.key",
        filter="ownCategoryId",
    ),
    "brand": _Group(
        "Marca", "product_id", "p.brand", join=_PRODUCT, name="coalesce(nullif(g.key, ''), 'Sin marca')", filter="brand"
    ),
    "seller": _Group(
        "Vendedor",
        "seller_id",
        "f.seller_id",
        name="n.display_name",
        names="LEFT JOIN membership n ON n.tenant_id = :tenant_id AND n.user_id = g.key",
        filter="sellerId",
    ),
    "customer": _Group(
        "Cliente",
        "customer_id",
        "coalesce(k.merged_into, k.id)",
        join="JOIN customer k ON k.tenant_id = :tenant_id AND k.id = f.customer_id",
        name="n.name",
        code="n.identification",
        names="LEFT JOIN customer n ON n.tenant_id = :tenant_id AND n.id = g.key",
        filter="customerId",
        is_person=True,
    ),
    "branch": _Group(
        "Sucursal",
        "branch_id",
        "f.branch_id",
        name="n.name",
        names="LEFT JOIN branch n ON n.tenant_id = :tenant_id AND n.id = g.key",
        filter="branchId",
    ),
    "register": _Group(
        "Caja",
        "register_id",
        "f.register_id",
        name="n.name",
        names="LEFT JOIN cash_register n ON n.tenant_id = :tenant_id AND n.id = g.key",
        filter="registerId",
    ),
    "tender": _Group("Medio de pago", "method", "f.method", filter="method"),
}
_SUMMED: Final = (
    Column("quantity", "Unidades", "quantity"),
    Column("base", "Base", "money", is_summed=True),
    Column("tax", "Impuestos", "money", is_summed=True),
    Column("total", "Total", "money", is_summed=True),
    Column("cost", "Costo", "money", is_cost=True, is_summed=True),
    Column("margin", "Margen bruto", "money", is_cost=True, is_summed=True),
    Column("marginRate", "Margen %", "percent", is_cost=True),
    Column("discount", "Descuentos", "money", is_summed=True),
    Column("returned", "Devuelto", "money", is_summed=True),
    Column("tickets", "Tiquetes", "count"),
)


def columns_of(by: str) -> tuple[Column, ...]:
    """What a row of this grouping says."""
    group = GROUPS[by]
    return (
        Column("name", group.title, is_person=group.is_person),
        Column("code", "Código", is_person=group.is_person),
        Column("key", "Id", "id"),
        *_SUMMED,
    )


def statement(asked: Asked, by: By) -> tuple[str, Source]:
    """One statement, so that rows and tickets are of one instant; its last row, without a group, counts tickets."""
    group = GROUPS[by]
    source = tenders_for(asked) if by == "tender" else source_for(asked, [group.column])
    whole = source_for(asked, [], whole_tickets=True)
    found = [
        f"sum(f.{name}) AS {name}" if name in source.measures else f"CAST(NULL AS numeric) AS {name}" for name in MONEY
    ]
    counted = f"{source.tickets} AS tickets" if source.tickets else "CAST(NULL AS bigint) AS tickets"
    quantity = "sum(f.quantity)" if source.quantity else "CAST(NULL AS numeric)"
    others = ", ".join(f"sum(f.{name}) AS {name}" for name in MONEY)
    wanted = condition(asked)
    order = "2" if group.in_order else "total DESC NULLS LAST, 2"
    sql = (
        f"WITH {UNFOLDED}, g AS (SELECT {group.key} AS key, {quantity} AS quantity, {', '.join(found)}, {counted} "
        f"FROM ({source.rows}) f {group.join} WHERE {wanted} GROUP BY 1), "
        f"w AS (SELECT {others}, {whole.tickets} AS tickets FROM ({whole.rows}) f WHERE {wanted}) "
        f"SELECT false AS is_total, g.key, {group.name} AS name, {group.code} AS code, g.quantity, "
        f"{', '.join(f'g.{name}' for name in MONEY)}, g.tickets FROM g {group.names} "
        f"UNION ALL SELECT true, NULL, NULL, NULL, NULL, {', '.join(f'w.{name}' for name in MONEY)}, w.tickets FROM w "
        f"ORDER BY 1, {order}"
    )
    return sql, source


async def sales(work: Work, asked: Asked, by: By) -> Table:
    """The report, with the other period that was asked for."""
    table = await _table(work, asked, by)
    if (earlier := asked.earlier()) is not None:
        before = await _table(work, earlier, by)
        table.comparison = compared(table, before, earlier, asked)
        if by != "day":
            past = {row["key"]: row["total"] for row in before.rows}
            for row in table.rows:
                row["previousTotal"] = past.get(row["key"], ZERO)
                row["change"] = change(row["total"], row["previousTotal"])
    return table


def compared(table: Table, before: Table, earlier: Asked, asked: Asked) -> ComparisonOut:
    """Totals of the earlier period beside these."""
    secret = {"cost", "margin", "marginRate"} if not asked.sees_costs else set()
    return ComparisonOut(
        from_=earlier.first,
        to=earlier.last,
        totals={key: None if key in secret else value for key, value in before.totals.items()},
        change=change(table.totals["total"], before.totals["total"]),
    )


async def _table(work: Work, asked: Asked, by: By) -> Table:
    sql, source = statement(asked, by)
    found = (await work.session.execute(text(sql), asked.values() | {"tenant_id": work.tenant_id})).all()
    rows = [sale_row(row, by, asked) for row in found if not row.is_total]
    whole = next(row for row in found if row.is_total)
    columns = columns_of(by)
    totals = (
        sums(columns, rows) if "base" in source.measures else {name: getattr(whole, name) or ZERO for name in MONEY}
    )
    # What the rows add up to, even where tickets are of several of them.
    totals["total"] = sum((row["total"] for row in rows), start=ZERO)
    totals["margin"] = totals["base"] - totals["cost"]
    totals["marginRate"] = ratio(totals["margin"], totals["base"])
    totals["tickets"] = int(whole.tickets or 0)
    return Table(
        name="sales",
        title=f"Ventas por {GROUPS[by].title.lower()}",
        columns=columns,
        rows=rows[:MAX_ROWS],
        totals=totals,
        has_more=len(rows) > MAX_ROWS,
        series=[series("Total", rows, "name", "total", "line" if by == "day" else "bar", None if by == "day" else 24)],
    )


def sale_row(row: Any, by: str, asked: Asked) -> Row:
    """A row as reports show it: its name, its sums, and the link to its documents."""
    key = row.key
    group = GROUPS[by]
    name = row.name
    if by == "day":
        name, link = key.isoformat(), asked.over(key, key).query()
    elif group.filter is None or (key is None and by != "category"):
        link = asked.query()
    else:
        link = asked.query(**{group.filter: "none" if key is None else key})
    if by == "hour":
        name = f"{int(row.key):02d}:00"
    elif by == "weekday":
        name = WEEKDAYS[int(row.key) - 1]
    elif by == "tender":
        name = METHOD_NAMES.get(row.key, row.key)
    margin = None if row.base is None else row.base - row.cost
    return {
        "key": key,
        "name": name,
        "code": row.code,
        "quantity": None if row.quantity is None else as_quantity(row.quantity),
        **{measure: getattr(row, measure) for measure in MONEY},
        "margin": margin,
        "marginRate": ratio(margin, row.base),
        "tickets": None if row.tickets is None else int(row.tickets),
        by: key,
        "link": f"/v1/reports/sales/documents?{link}",
    }


def net(rows: Sequence[Row]) -> Decimal:
    """Pesos of rows."""
    return sum((row["total"] for row in rows), start=ZERO)
