"""Stock rows of new products and what a product's life asks of them: the catalogue's door to stock."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work

_OPEN: Final = text(
    "INSERT INTO stock (tenant_id, product_id, warehouse_id) "
    "SELECT w.tenant_id, p.id, w.id FROM warehouse w, unnest(CAST(:product_ids AS uuid[])) AS p (id) "
    "WHERE w.tenant_id = :tenant_id ORDER BY p.id, w.id ON CONFLICT DO NOTHING"
)
_LOCK: Final = text(
    "SELECT quantity, moves FROM stock WHERE tenant_id = :tenant_id AND product_id = :product_id "
    "ORDER BY product_id, warehouse_id FOR UPDATE"
)

_LOCK_MANY: Final = text(
    "SELECT product_id, moves FROM stock WHERE tenant_id = :tenant_id "
    "AND product_id = ANY(CAST(:product_ids AS uuid[])) ORDER BY product_id, warehouse_id FOR UPDATE"
)
_TRANSIT: Final = text(
    "SELECT coalesce(sum(quantity), 0) FROM stock_transit "
    "WHERE tenant_id = :tenant_id AND product_id = :product_id AND quantity > 0"
)
_OPEN_SHELVES: Final = text(
    "INSERT INTO stock (tenant_id, product_id, warehouse_id) SELECT p.tenant_id, p.id, :warehouse_id FROM product p "
    "WHERE p.tenant_id = :tenant_id ORDER BY p.id ON CONFLICT DO NOTHING"
)
_HOLDS: Final = text(
    "SELECT EXISTS (SELECT FROM stock WHERE tenant_id = :tenant_id AND warehouse_id = :warehouse_id AND quantity > 0) "
    "OR EXISTS (SELECT FROM stock_transit r JOIN stock_transfer t ON t.tenant_id = r.tenant_id AND t.id = r.transfer_id "
    "WHERE r.tenant_id = :tenant_id AND r.quantity > 0 AND :warehouse_id IN (t.from_warehouse_id, t.to_warehouse_id))"
)
_COUNTED: Final = text(
    "SELECT EXISTS (SELECT FROM stock_count "
    "WHERE tenant_id = :tenant_id AND warehouse_id = :warehouse_id AND status = 'open')"
)


class Holding(msgspec.Struct, frozen=True):
    """What all warehouses together hold of a product, with what is on its way between them."""

    quantity: Decimal
    moves: int


async def open_stock(work: Work, product_ids: Sequence[UUID]) -> None:
    """Give products their row in every warehouse of the company, also those that do not track stock: a sale locks by it."""
    await work.session.execute(_OPEN, {"tenant_id": work.tenant_id, "product_ids": list(product_ids)})


async def open_shelves(work: Work, warehouse_id: UUID) -> None:
    """Give a new warehouse its row of every product. The caller holds back whoever creates products meanwhile."""
    await work.session.execute(_OPEN_SHELVES, {"tenant_id": work.tenant_id, "warehouse_id": warehouse_id})


async def holds_stock(work: Work, warehouse_id: UUID) -> bool:
    """Whether anything lies in a warehouse, or is on its way to it or from it and may come back."""
    key = {"tenant_id": work.tenant_id, "warehouse_id": warehouse_id}
    return bool(await work.session.scalar(_HOLDS, key))


async def is_being_counted(work: Work, warehouse_id: UUID) -> bool:
    """Whether a count of a warehouse is open."""
    key = {"tenant_id": work.tenant_id, "warehouse_id": warehouse_id}
    return bool(await work.session.scalar(_COUNTED, key))


async def lock_holding(work: Work, product_id: UUID) -> Holding:
    """Lock a product's stock rows until the end of the transaction and add them up."""
    key = {"tenant_id": work.tenant_id, "product_id": product_id}
    rows = (await work.session.execute(_LOCK, key)).all()
    # Read once every shelf is held: goods enter and leave their way only under the lock of one.
    under_way: Decimal = (await work.session.execute(_TRANSIT, key)).scalar_one()
    return Holding(sum((row.quantity for row in rows), start=under_way), sum(row.moves for row in rows))


async def lock_moves(work: Work, product_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Lock the stock rows of these products, in the order every writer keeps, and count the movements of each."""
    key = {"tenant_id": work.tenant_id, "product_ids": sorted(set(product_ids))}
    moves: dict[UUID, int] = {}
    for row in await work.session.execute(_LOCK_MANY, key):
        moves[row.product_id] = moves.get(row.product_id, 0) + row.moves
    return moves
