"""What a count covers: the products of a warehouse, and the picture of what the books expect of them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.inventory.service import tracked_shelf
from app.domain.inventory.shelves import Shelf
from app.lib.errors import unknown_reference

_SCOPE: Final = (
    "FROM stock s JOIN product p ON p.tenant_id = s.tenant_id AND p.id = s.product_id "
    "WHERE s.tenant_id = :tenant_id AND s.warehouse_id = :warehouse_id AND p.tracks_stock "
    "AND (:named OR p.retired_at IS NULL OR s.quantity > 0) "
    "AND (CAST(:product_ids AS uuid[]) IS NULL OR s.product_id = ANY(CAST(:product_ids AS uuid[]))) "
    "AND (CAST(:category_id AS uuid) IS NULL OR p.category_id IN ("
    "WITH RECURSIVE inside AS (SELECT CAST(:category_id AS uuid) AS id UNION "
    "SELECT c.id FROM category c JOIN inside i ON c.parent_id = i.id WHERE c.tenant_id = :tenant_id) "
    "SELECT id FROM inside)) "
)
_OTHER: Final = text(
    "SELECT i.count_id FROM stock_count_item i WHERE i.tenant_id = :tenant_id AND i.warehouse_id = :warehouse_id "
    "AND i.is_open AND i.product_id IN (SELECT s.product_id " + _SCOPE + ") LIMIT 1"
)
_PICTURE: Final = (
    "INSERT INTO stock_count_item (tenant_id, count_id, product_id, warehouse_id, is_open, expected_quantity, "
    "expected_value, round, entries) SELECT s.tenant_id, :count_id, s.product_id, s.warehouse_id, true, s.quantity, "
    "s.value, 1, 0 " + _SCOPE + "ORDER BY s.product_id"
)
_TAKE: Final = text(_PICTURE)
_TAKE_LATE: Final = text(_PICTURE + " ON CONFLICT DO NOTHING")
_CATEGORY: Final = text(
    "SELECT 1 FROM category WHERE tenant_id = :tenant_id AND id = :category_id AND retired_at IS NULL"
)
_NAMED: Final = text(
    "SELECT p.id AS product_id, p.sku, p.name, p.tracks_stock, p.last_cost, s.quantity, s.value, s.moves FROM product p "
    "JOIN stock s ON s.tenant_id = p.tenant_id AND s.product_id = p.id AND s.warehouse_id = :warehouse_id "
    "WHERE p.tenant_id = :tenant_id AND p.id = ANY(CAST(:product_ids AS uuid[]))"
)


class CountScope:
    """A warehouse, and what of it."""

    def __init__(
        self, work: Work, warehouse_id: UUID, category_id: UUID | None, product_ids: Sequence[UUID] | None
    ) -> None:
        self._work = work
        self._category_id = category_id
        self._product_ids = product_ids
        self._key: dict[str, Any] = {
            "tenant_id": work.tenant_id,
            "warehouse_id": warehouse_id,
            "category_id": category_id,
            "product_ids": None if product_ids is None else list(product_ids),
            # Whoever names a product counts it, retired or not.
            "named": product_ids is not None,
        }

    @property
    def kind(self) -> str:
        if self._product_ids is not None:
            return "products"
        return "all" if self._category_id is None else "category"

    async def check(self) -> None:
        """Raise 422 for a category or product that is unknown, or a product that keeps no stock."""
        if self._category_id is not None:
            key = {"tenant_id": self._work.tenant_id, "category_id": self._category_id}
            if (await self._work.session.execute(_CATEGORY, key)).first() is None:
                raise unknown_reference("/categoryId")
        if self._product_ids is None:
            return
        rows = (await self._work.session.execute(_NAMED, self._key)).mappings().all()
        shelves = {row["product_id"]: Shelf(**row) for row in rows}
        for n, product_id in enumerate(self._product_ids):
            tracked_shelf(shelves, product_id, f"/productIds/{n}")

    async def open_count(self) -> UUID | None:
        """An open count that has one of these products."""
        found: UUID | None = (await self._work.session.execute(_OTHER, self._key)).scalar()
        return found

    async def take_picture(self, count_id: UUID, *, late: bool = False) -> int:
        """Write what the books say now; answers of how many products. `late` leaves out what is counted elsewhere."""
        taken = await self._work.session.execute(_TAKE_LATE if late else _TAKE, self._key | {"count_id": count_id})
        return int(taken.rowcount)  # type: ignore[attr-defined]
