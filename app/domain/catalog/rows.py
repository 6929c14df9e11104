"""A product with its codes and packs as one row, and that row as an answer."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.catalog.schemas import PackOut, ProductOut
from app.lib.actor import Actor
from app.lib.errors import NotFound
from app.lib.money import as_price, as_quantity

IBUA: Final = "34"
"""DIAN code of the tax on sugary drinks, pesos per 100 ml."""
_ML_PER_FACTOR: Final = 100

COLUMNS: Final = """
p.id, p.sku, p.name, p.price, p.tax_class, p.unit_code, p.min_stock, p.tracks_stock, p.category_id, p.brand,
p.last_cost, p.variant_of, CAST(p.variant_values AS text) AS variant_values, p.retired_at, p.created_at, p.updated_at,
p.name_norm, p.nominal_factor,
(SELECT x.nominal_tribute FROM tax_class x WHERE x.code = p.tax_class) AS nominal_tribute,
ARRAY(SELECT b.code FROM product_barcode b
      WHERE b.tenant_id = p.tenant_id AND b.product_id = p.id AND b.unit_code = p.unit_code
      ORDER BY b.position) AS barcodes,
(SELECT CAST(json_agg(json_build_object(
            'unitCode', k.unit_code, 'factor', CAST(k.factor AS text), 'price', CAST(k.price AS text),
            'barcode', (SELECT b.code FROM product_barcode b
                        WHERE b.tenant_id = p.tenant_id AND b.product_id = p.id AND b.unit_code = k.unit_code
                        ORDER BY b.position LIMIT 1)) ORDER BY k.factor, k.unit_code) AS text)
   FROM product_pack k WHERE k.tenant_id = p.tenant_id AND k.product_id = p.id) AS packs
"""
"""Everything an answer shows of `product p`, whose company the statement names."""

_FIND: Final = f"SELECT {COLUMNS} FROM product p WHERE p.tenant_id = :tenant_id AND p.id = :product_id"
_BY_ID: Final = text(_FIND)
_LOCKED: Final = text(f"{_FIND} FOR NO KEY UPDATE OF p")
_BY_IDS: Final = text(
    f"SELECT {COLUMNS} FROM product p WHERE p.tenant_id = :tenant_id AND p.id = ANY(CAST(:product_ids AS uuid[]))"
)

_PACKS: Final = msgspec.json.Decoder(list[PackOut])
_VALUES: Final = msgspec.json.Decoder(dict[str, str])


class Row(Protocol):
    """A row of either driver."""

    def __getitem__(self, key: str, /) -> Any: ...


def product_fields(row: Row, *, with_costs: bool) -> dict[str, Any]:
    """The fields of an answer from a row of `COLUMNS`."""
    packs = _PACKS.decode(row["packs"]) if row["packs"] else []
    return {
        "id": row["id"],
        "sku": row["sku"],
        "name": row["name"],
        "price": as_price(row["price"]),
        "tax_class": row["tax_class"],
        "barcodes": row["barcodes"],
        "unit_code": row["unit_code"],
        "packs": [
            msgspec.structs.replace(pack, factor=as_quantity(pack.factor), price=as_price(pack.price)) for pack in packs
        ],
        "cost": _or_none(as_price, row["last_cost"]) if with_costs else None,
        "min_stock": _or_none(as_quantity, row["min_stock"]),
        "tracks_stock": row["tracks_stock"],
        "category_id": row["category_id"],
        "brand": row["brand"],
        "content_ml": as_quantity(row["nominal_factor"] * _ML_PER_FACTOR) if row["nominal_tribute"] == IBUA else None,
        "variant_of": row["variant_of"],
        "variant_values": _VALUES.decode(row["variant_values"]) if row["variant_values"] else None,
        "retired_at": row["retired_at"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def product_out(row: Row, *, with_costs: bool) -> ProductOut:
    return ProductOut(**product_fields(row, with_costs=with_costs))


def as_seen_by(product: ProductOut, actor: Actor) -> ProductOut:
    """Without costs for whoever may not see them."""
    return product if actor.may("costs:read") else msgspec.structs.replace(product, cost=None)


async def find_product(work: Work, product_id: UUID, *, lock: bool = False) -> ProductOut:
    """The whole product, costs included. Raises `NotFound`, also for another company's."""
    key = {"tenant_id": work.tenant_id, "product_id": product_id}
    row = (await work.session.execute(_LOCKED if lock else _BY_ID, key)).mappings().one_or_none()
    if row is None:
        raise no_such_product(product_id)
    return product_out(row, with_costs=True)


async def find_products(work: Work, product_ids: Sequence[UUID]) -> dict[UUID, ProductOut]:
    """These products by id, costs included; the unknown are absent."""
    key = {"tenant_id": work.tenant_id, "product_ids": list(product_ids)}
    rows = (await work.session.execute(_BY_IDS, key)).mappings()
    return {row["id"]: product_out(row, with_costs=True) for row in rows}


def no_such_product(product_id: UUID) -> NotFound:
    return NotFound("No existe ese producto.", productId=str(product_id))


def _or_none(shape: Any, value: Decimal | None) -> Decimal | None:
    return None if value is None else shape(value)
