"""What stands behind a number: its tickets, returns and voids, or their lines, page by page, adding up to it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.facts import RAW_DOCUMENTS, RAW_LINES, RAW_TENDERS
from app.domain.reports.sources import condition
from app.domain.reports.tables import Column, Row, Table, series, sums
from app.lib.errors import FieldError, RuleBroken
from app.lib.money import ZERO, as_price, as_quantity, unit_cost
from app.lib.pages import cut, decode_cursor

KIND_NAMES: Final = {"sale": "Venta", "return": "Devolución", "void": "Anulación"}

DOCUMENT_COLUMNS: Final = (
    Column("day", "Día", "day"),
    Column("at", "Registrada", "instant"),
    Column("kindName", "Clase"),
    Column("number", "Número"),
    Column("customer", "Cliente", is_person=True),
    Column("base", "Base", "money", is_summed=True),
    Column("tax", "Impuestos", "money", is_summed=True),
    Column("total", "Total", "money", is_summed=True),
    Column("cost", "Costo", "money", is_cost=True, is_summed=True),
    Column("discount", "Descuentos", "money", is_summed=True),
    Column("kind", "Clase", "id"),
    Column("documentId", "Id", "id"),
)
LINE_COLUMNS: Final = (
    Column("day", "Día", "day"),
    Column("at", "Registrada", "instant"),
    Column("kindName", "Clase"),
    Column("number", "Número"),
    Column("sku", "Código"),
    Column("product", "Producto"),
    Column("quantity", "Unidades", "quantity"),
    Column("unitPrice", "Precio", "price"),
    Column("taxClass", "Impuesto"),
    Column("taxRate", "Tarifa", "percent"),
    Column("base", "Base", "money", is_summed=True),
    Column("tax", "Impuestos", "money", is_summed=True),
    Column("total", "Total", "money", is_summed=True),
    Column("cost", "Costo", "money", is_cost=True, is_summed=True),
    Column("customer", "Cliente", is_person=True),
    Column("documentId", "Id", "id"),
)


class Narrow(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of a report adds to its period and filters."""

    day: date | None = None
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] | None = None
    weekday: Annotated[int, msgspec.Meta(ge=1, le=7)] | None = None
    brand: str | None = None
    own_category_id: str | None = None
    """Id of a category without its branches, or `none`."""
    method: str | None = None
    tax_class: str | None = None
    tax_rate: str | None = None
    kind: str | None = None

    @property
    def by_goods(self) -> bool:
        return any(one is not None for one in (self.brand, self.own_category_id, self.tax_class, self.tax_rate))


_NARROWS: Final = {
    "day": "f.day = :n_day",
    "hour": "f.hour = :n_hour",
    "weekday": "extract(isodow FROM f.day) = :n_weekday",
    "brand": "p.brand = :n_brand",
    "own_category_id": "coalesce(CAST(p.category_id AS text), 'none') = :n_own_category_id",
    "method": "f.method = :n_method",
    "tax_class": "f.tax_class = :n_tax_class",
    "tax_rate": "f.tax_rate = CAST(CAST(:n_tax_rate AS text) AS numeric)",
    "kind": "f.kind = :n_kind",
}


def _narrowed(narrow: Narrow) -> tuple[str, dict[str, Any]]:
    names = [name for name in _NARROWS if getattr(narrow, name) is not None]
    return " AND ".join(["true", *(_NARROWS[name] for name in names)]), {
        f"n_{name}": getattr(narrow, name) for name in names
    }


_PRODUCT: Final = "JOIN product p ON p.tenant_id = :tenant_id AND p.id = f.product_id"
_PAGED: Final = "AND (g.at, g.document_id) < (CAST(:c_at AS timestamptz), CAST(:c_id AS uuid))"


async def documents(work: Work, asked: Asked, narrow: Narrow, limit: int, cursor: str | None) -> Table:
    """Documents with what each adds to the number, the newest first. Raises 422 for a tender together with goods."""
    wanted, values = _narrowed(narrow)
    parts: tuple[str, ...] = ("base", "tax", "total", "cost", "discount")
    by_goods = narrow.by_goods or asked.product_id is not None or asked.category_id is not None
    if narrow.method is not None:
        if by_goods:
            raise RuleBroken(
                "Los medios de pago son de toda la venta: no se separan por producto, categoría, marca ni impuesto.",
                code="filter-not-possible",
                errors=(FieldError("/method", "filter-not-possible", "No aplica junto a un filtro de productos."),),
            )
        rows, join, parts = RAW_TENDERS, "", ("total",)
    elif by_goods:
        rows, join = RAW_LINES, _PRODUCT
    else:
        rows, join = RAW_DOCUMENTS, ""
    amounts = ", ".join(f"sum(f.{name}) AS {name}" for name in parts)
    key = "f.day, f.at, f.kind, f.number, f.customer_id, f.document_id"
    if cursor is not None:
        values["c_at"], values["c_id"] = decode_cursor(cursor, tuple[datetime, UUID])
    if rows is RAW_DOCUMENTS:
        # One fact a document: nothing to add up, and the newest can be read first by their index.
        g = f"SELECT {key}, {', '.join(f'f.{name}' for name in parts)} FROM ({rows}) f WHERE {condition(asked)} AND {wanted}"
    else:
        g = f"SELECT {key}, {amounts} FROM ({rows}) f {join} WHERE {condition(asked)} AND {wanted} GROUP BY {key}"
    page_sql = f"SELECT g.* FROM ({g}) g WHERE true {_PAGED if cursor else ''} ORDER BY g.at DESC, g.document_id DESC LIMIT :limit"
    statement = text(
        f"SELECT g.*, n.name AS customer FROM ({page_sql}) g "
        "JOIN customer n ON n.tenant_id = :tenant_id AND n.id = g.customer_id ORDER BY g.at DESC, g.document_id DESC"
    )
    bound = asked.values() | values | {"tenant_id": work.tenant_id, "limit": limit + 1}
    found = (await work.session.execute(statement, bound)).all()
    page, following = cut(found, limit, lambda row: (row.at, row.document_id))
    made = [document_row(row) for row in page]
    return Table(
        name="sales-documents",
        title="Documentos del período",
        columns=DOCUMENT_COLUMNS,
        rows=made,
        totals=sums(DOCUMENT_COLUMNS, made),
        next_cursor=following,
        series=[series("Total por día", _by_day(made), "name", "value")] if made else [],
        notes=["Los totales son los de esta página."],
    )


def _by_day(rows: list[Row]) -> list[Row]:
    days: dict[date, Decimal] = {}
    for row in reversed(rows):
        days[row["day"]] = days.get(row["day"], ZERO) + row["total"]
    return [{"name": day, "value": value} for day, value in sorted(days.items())]


def document_row(row: Any) -> Row:
    """A document as reports show it."""
    amounts = {name: getattr(row, name, None) for name in ("base", "tax", "total", "cost", "discount")}
    path = "sales" if row.kind == "sale" else "returns"
    return {
        "day": row.day,
        "at": row.at,
        "kind": row.kind,
        "kindName": KIND_NAMES[row.kind],
        "number": row.number,
        "customer": row.customer,
        "documentId": row.document_id,
        **amounts,
        "link": f"/v1/{path}/{row.document_id}",
    }


LINES: Final = (
    "SELECT f.day, f.at, f.kind, f.number, f.document_id, f.product_id, f.quantity, f.tax_class, f.tax_rate, f.base, f.tax, "
    "f.total, f.cost, p.sku, p.name AS product, n.name AS customer "
    f"FROM ({RAW_LINES}) f {_PRODUCT} JOIN customer n ON n.tenant_id = :tenant_id AND n.id = f.customer_id "
    "WHERE {wanted}"
)
"""Every line of the period, in no order: what a background export reads."""


def line_row(row: Any) -> Row:
    """A line as reports show it."""
    return {
        "day": row.day,
        "at": row.at,
        "kindName": KIND_NAMES[row.kind],
        "number": row.number,
        "sku": row.sku,
        "product": row.product,
        "quantity": as_quantity(row.quantity),
        "unitPrice": as_price(unit_cost(row.total, row.quantity)),
        "taxClass": row.tax_class,
        "taxRate": row.tax_rate,
        "base": row.base,
        "tax": row.tax,
        "total": row.total,
        "cost": row.cost,
        "customer": row.customer,
        "documentId": row.document_id,
        "link": f"/v1/{'sales' if row.kind == 'sale' else 'returns'}/{row.document_id}",
    }
