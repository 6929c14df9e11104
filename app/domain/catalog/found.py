"""A product in a list, written as JSON by the database: the answer's bytes without an object for each row.

The fields are those of `FoundProduct`, formatted as `app.lib.money` and the encoder would; a test holds both together.
"""

from collections.abc import Iterable
from typing import Final

from app.domain.catalog.rows import IBUA, Row
from app.lib.schemas import JSON


def _price(column: str) -> str:
    return f"CAST(round({column}, greatest(2, min_scale({column}))) AS text)"


def _quantity(value: str) -> str:
    return f"CAST(round({value}, greatest(3, min_scale({value}))) AS text)"


def _instant(column: str) -> str:
    return f"replace(to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '.000000Z', 'Z')"


FOUND: Final = f"""
(SELECT CAST(row_to_json(f) AS text) FROM (SELECT p.id, p.sku, p.name, {_price("p.price")} AS price,
   p.tax_class AS "taxClass",
   ARRAY(SELECT b.code FROM product_barcode b
         WHERE b.tenant_id = p.tenant_id AND b.product_id = p.id AND b.unit_code = p.unit_code
         ORDER BY b.position) AS barcodes,
   p.unit_code AS "unitCode",
   coalesce((SELECT json_agg(json_build_object(
       'unitCode', k.unit_code, 'factor', {_quantity("k.factor")}, 'price', {_price("k.price")},
       'barcode', (SELECT b.code FROM product_barcode b
                   WHERE b.tenant_id = p.tenant_id AND b.product_id = p.id AND b.unit_code = k.unit_code
                   ORDER BY b.position LIMIT 1)) ORDER BY k.factor, k.unit_code)
     FROM product_pack k WHERE k.tenant_id = p.tenant_id AND k.product_id = p.id), '[]') AS packs,
   {_quantity("p.min_stock")} AS "minStock", p.tracks_stock AS "tracksStock", p.category_id AS "categoryId", p.brand,
   CASE WHEN (SELECT x.nominal_tribute FROM tax_class x WHERE x.code = p.tax_class) = '{IBUA}'
        THEN {_quantity("(p.nominal_factor * 100)")} END AS "contentMl",
   p.variant_of AS "variantOf", p.variant_values AS "variantValues",
   {_instant("p.retired_at")} AS "retiredAt", {_instant("p.created_at")} AS "createdAt",
   {_instant("p.updated_at")} AS "updatedAt") f) AS found,
{_price("p.last_cost")} AS cost,
(SELECT CAST(json_agg(json_build_object('warehouseId', s.warehouse_id, 'quantity', {_quantity("s.quantity")})
                      ORDER BY s.warehouse_id) AS text)
   FROM stock s WHERE s.tenant_id = p.tenant_id AND s.product_id = p.id) AS shelves
"""
"""`found`, `cost` and `shelves` of `product p`, whose company the statement names: costs and stock apart, because not
everybody may see them.
"""


def encoded_page(rows: Iterable[Row], permissions: frozenset[str], following: str | None) -> bytes:
    """The list's answer from rows of `FOUND`, as a person with these permissions may see it."""
    costs, stock = "costs:read" in permissions, "inventory:read" in permissions
    items = ",".join(
        f'{row["found"][:-1]},"cost":{_text_or_null(row["cost"] if costs else None)},'
        f'"stock":{(row["shelves"] or "[]") if stock else "null"}}}'
        for row in rows
    )
    return f'{{"items":[{items}],"nextCursor":{JSON.encode(following).decode()}}}'.encode()


def _text_or_null(digits: str | None) -> str:
    return "null" if digits is None else f'"{digits}"'
