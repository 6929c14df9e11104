"""Shelves that hold less than the product's minimum, and products that lie nowhere, all of a company at once: for whoever tells of them."""

from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from app.db.session import Work
from app.domain.catalog.models import Product
from app.domain.inventory.models import Stock


class LowShelf(msgspec.Struct, frozen=True, kw_only=True):
    """One product in one warehouse; quantities in base units."""

    product_id: UUID
    warehouse_id: UUID
    sku: str
    name: str
    quantity: Decimal
    min_stock: Decimal


async def low_shelves(work: Work) -> dict[tuple[UUID, UUID], LowShelf]:
    """By product and warehouse; products that are retired or that nobody counts are never low."""
    rows = await work.session.execute(
        select(
            Stock.product_id, Stock.warehouse_id, Product.sku, Product.name, Stock.quantity, Product.min_stock
        ).where(
            Stock.tenant_id == work.tenant_id,
            Product.tenant_id == work.tenant_id,
            Product.id == Stock.product_id,
            Product.retired_at.is_(None),
            Product.tracks_stock,
            Stock.quantity < Product.min_stock,
        )
    )
    return {(row.product_id, row.warehouse_id): LowShelf(**row._mapping) for row in rows}


class EmptyProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product that lies nowhere any more."""

    product_id: UUID
    sku: str
    name: str


async def empty_products(work: Work) -> list[EmptyProduct]:
    """Products on sale that were in stock once and are at zero in every warehouse, by name."""
    gone = (
        select(Stock.product_id)
        .where(Stock.tenant_id == work.tenant_id)
        .group_by(Stock.product_id)
        .having(func.sum(Stock.quantity) == 0, func.sum(Stock.moves) > 0)
        .subquery()
    )
    rows = await work.session.execute(
        select(Product.id.label("product_id"), Product.sku, Product.name)
        .join(gone, gone.c.product_id == Product.id)
        .where(Product.tenant_id == work.tenant_id, Product.retired_at.is_(None), Product.tracks_stock)
        .order_by(Product.name_norm, Product.id)
    )
    return [EmptyProduct(**row._mapping) for row in rows]
