"""What is asked of counts: one, their list, their products, who counted what, and what does not agree."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import RowMapping, Select, and_, select, text

from app.db.session import Work
from app.domain.catalog.models import Product
from app.domain.inventory.costing import take, value_in
from app.domain.inventory.count_schemas import (
    CountDifferenceOut,
    CountEntryOut,
    CountEntryPage,
    CountItemOut,
    CountItemPage,
    CountOut,
    CountPage,
    CountReview,
    CountSummary,
)
from app.domain.inventory.models import StockCount, StockCountEntry, StockCountItem
from app.domain.tenants.scope import check_warehouse, in_warehouses
from app.lib.errors import NotFound
from app.lib.money import ZERO, as_quantity
from app.lib.pages import after, cut, decode_cursor

_PROGRESS: Final = text(
    "SELECT count(*) AS products, count(counted) AS counted FROM stock_count_item "
    "WHERE tenant_id = :tenant_id AND count_id = :id"
)
_HASH: Final = text("SELECT body_hash FROM stock_count WHERE tenant_id = :tenant_id AND id = :id")
_DIFFERING: Final = text(
    "SELECT product_id FROM stock_count_item WHERE tenant_id = :tenant_id AND count_id = :id "
    "AND counted <> book_quantity ORDER BY product_id"
)
_DIFFERENCES: Final = text(
    "SELECT i.product_id, p.sku, p.name, i.expected_quantity, i.counted, i.book_quantity, i.book_position, "
    "i.first_position, i.round, i.counted_at, i.counted_by, s.quantity, s.value, p.last_cost FROM stock_count_item i "
    "JOIN product p ON p.tenant_id = i.tenant_id AND p.id = i.product_id "
    "JOIN stock s ON s.tenant_id = i.tenant_id AND s.product_id = i.product_id AND s.warehouse_id = i.warehouse_id "
    "WHERE i.tenant_id = :tenant_id AND i.count_id = :id AND i.counted <> i.book_quantity ORDER BY i.product_id"
)
_HAS_PRODUCT: Final = text("SELECT 1 FROM product WHERE tenant_id = :tenant_id AND id = :id")


class CountReads:
    """Reads of one company; amounts of money are whole here, the HTTP face hides them from who may not see costs."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._session = work.session
        self._tenant_id = work.tenant_id

    async def find(self, count_id: UUID) -> CountOut:
        """One count and how far it is. Raises `NotFound`, also for another company's; 403 in a branch not the caller's."""
        row = await self._row(count_id)
        progress = (await self._session.execute(_PROGRESS, self._key(count_id))).one()
        return CountOut(**_summary(row), products=progress.products, counted=progress.counted)

    async def page(
        self, status: Literal["open", "closed", "cancelled", "all"], *, limit: int, cursor: str | None
    ) -> CountPage:
        """Counts in the caller's branches, newest first."""
        statement: Select[*tuple[Any, ...]] = (
            select(StockCount)
            .where(StockCount.tenant_id == self._tenant_id, *in_warehouses(self._work.actor, StockCount.warehouse_id))
            .limit(limit + 1)
            .execution_options(populate_existing=True)
        )
        if status != "all":
            statement = statement.where(StockCount.status == status)
        statement = after(
            statement, (StockCount.created_at, StockCount.id), cursor, tuple[datetime, UUID], descending=True
        )
        rows = (await self._session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return CountPage(items=[CountSummary(**_summary(row)) for row in page], next_cursor=next_cursor)

    async def items(
        self, count_id: UUID, status: Literal["pending", "counted", "all"], *, limit: int, cursor: str | None
    ) -> CountItemPage:
        """Products of a count, blind. Raises `NotFound`."""
        await self._row(count_id)
        statement: Select[*tuple[Any, ...]] = (
            select(
                StockCountItem.product_id,
                Product.sku,
                Product.name,
                StockCountItem.round,
                StockCountItem.counted,
                StockCountItem.counted_at,
                StockCountItem.counted_by,
            )
            .join(Product, and_(Product.tenant_id == StockCountItem.tenant_id, Product.id == StockCountItem.product_id))
            .where(StockCountItem.tenant_id == self._tenant_id, StockCountItem.count_id == count_id)
            .limit(limit + 1)
        )
        if status != "all":
            is_pending = StockCountItem.counted.is_(None)
            statement = statement.where(is_pending if status == "pending" else ~is_pending)
        statement = after(statement, (StockCountItem.product_id,), cursor, tuple[UUID], descending=False)
        rows = (await self._session.execute(statement)).mappings().all()
        page, next_cursor = cut(rows, limit, lambda row: (row["product_id"],))
        return CountItemPage(items=[item_out(row) for row in page], next_cursor=next_cursor)

    async def entries(
        self, count_id: UUID, product_id: UUID | None, *, limit: int, cursor: str | None
    ) -> CountEntryPage:
        """Who counted what, by product and in order. Raises `NotFound`."""
        await self._row(count_id)
        statement: Select[*tuple[Any, ...]] = (
            select(StockCountEntry, Product.sku, Product.name)
            .join(
                Product, and_(Product.tenant_id == StockCountEntry.tenant_id, Product.id == StockCountEntry.product_id)
            )
            .where(StockCountEntry.tenant_id == self._tenant_id, StockCountEntry.count_id == count_id)
            .limit(limit + 1)
        )
        if product_id is not None:
            statement = statement.where(StockCountEntry.product_id == product_id)
        statement = after(
            statement,
            (StockCountEntry.product_id, StockCountEntry.position),
            cursor,
            tuple[UUID, int],
            descending=False,
        )
        rows = (await self._session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].product_id, row[0].position))
        return CountEntryPage(
            items=[
                CountEntryOut(
                    id=entry.id,
                    product_id=entry.product_id,
                    sku=sku,
                    name=name,
                    round=entry.round,
                    mode=entry.mode,
                    quantity=as_quantity(entry.quantity),
                    total=as_quantity(entry.total),
                    at=entry.created_at,
                    user_id=entry.user_id,
                    device=entry.device,
                )
                for entry, sku, name in page
            ],
            next_cursor=next_cursor,
        )

    async def review(self, count_id: UUID, *, limit: int, cursor: str | None) -> CountReview:
        """What does not agree, in units and pesos; the totals are of the whole count. Raises `NotFound`."""
        count = await self.find(count_id)
        rows = (await self._session.execute(_DIFFERENCES, self._key(count_id))).mappings().all()
        found = [_difference(row) for row in rows]
        last = decode_cursor(cursor, tuple[UUID])[0] if cursor is not None else None
        rest = [one for one in found if last is None or one.product_id > last]
        page, next_cursor = cut(rest[: limit + 1], limit, lambda one: (one.product_id,))
        pesos = [one.difference_value or ZERO for one in found]
        return CountReview(
            products=count.products,
            counted=count.counted,
            different=len(found),
            surplus_value=sum((value for value in pesos if value > 0), start=ZERO),
            shortage_value=-sum((value for value in pesos if value < 0), start=ZERO),
            items=list(page),
            next_cursor=next_cursor,
        )

    async def differing(self, count_id: UUID) -> list[UUID]:
        """Products counted otherwise than the books said."""
        return list((await self._session.execute(_DIFFERING, self._key(count_id))).scalars())

    async def has_product(self, product_id: UUID) -> bool:
        """Whether the company has such a product."""
        return (await self._session.execute(_HAS_PRODUCT, self._key(product_id))).first() is not None

    async def hash_of(self, count_id: UUID) -> bytes | None:
        """What tells a retry from another body; None when there is no such count."""
        found: bytes | None = (await self._session.execute(_HASH, self._key(count_id))).scalar_one_or_none()
        return found

    async def _row(self, count_id: UUID) -> StockCount:
        row = await self._session.scalar(
            select(StockCount)
            .where(StockCount.tenant_id == self._tenant_id, StockCount.id == count_id)
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound("No existe ese conteo.")
        await check_warehouse(self._work, row.warehouse_id)
        return row

    def _key(self, id_: UUID) -> dict[str, Any]:
        return {"tenant_id": self._tenant_id, "id": id_}


def item_out(row: Mapping[Any, Any] | RowMapping) -> CountItemOut:
    """A product of a count without what the books expect."""
    return CountItemOut(
        product_id=row["product_id"],
        sku=row["sku"],
        name=row["name"],
        round=row["round"],
        counted=None if row["counted"] is None else as_quantity(row["counted"]),
        counted_at=row["counted_at"],
        counted_by=row["counted_by"],
    )


def _difference(row: RowMapping) -> CountDifferenceOut:
    difference: Decimal = row["counted"] - row["book_quantity"]
    if difference > 0:
        pesos = value_in(row["quantity"], row["value"], row["last_cost"], difference)
    else:
        pesos = -take(row["quantity"], row["value"], min(-difference, row["quantity"]))
    return CountDifferenceOut(
        product_id=row["product_id"],
        sku=row["sku"],
        name=row["name"],
        expected_at_opening=as_quantity(row["expected_quantity"]),
        expected=as_quantity(row["book_quantity"]),
        counted=as_quantity(row["counted"]),
        difference=as_quantity(difference),
        difference_value=pesos,
        moved_since=as_quantity(row["quantity"] - row["book_quantity"]),
        moved_while_counting=row["first_position"] != row["book_position"],
        needs_recount=-difference > row["quantity"],
        round=row["round"],
        counted_at=row["counted_at"],
        counted_by=row["counted_by"],
    )


def _summary(row: StockCount) -> dict[str, Any]:
    return {
        "id": row.id,
        "warehouse_id": row.warehouse_id,
        "scope": row.scope,
        "category_id": row.category_id,
        "status": row.status,
        "note": row.note,
        "at": row.created_at,
        "user_id": row.user_id,
        "closed_at": row.closed_at,
        "closed_by": row.closed_by,
        "adjustment_id": row.adjustment_id,
    }
