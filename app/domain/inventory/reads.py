"""What is asked of stock: what lies where, the kardex, the valuation, the list of adjustments."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Numeric,
    Row,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    func,
    literal,
    null,
    select,
    text,
)
from sqlalchemy.orm import aliased

from app.db.session import Work
from app.domain.catalog.models import Category, Product
from app.domain.inventory.daily import SHELVES_AT
from app.domain.inventory.models import Stock, StockAdjustment, StockMovement, StockTransit
from app.domain.inventory.schemas import (
    AdjustmentPage,
    AdjustmentSummary,
    KardexLine,
    KardexPage,
    StockOut,
    StockPage,
    ValuationGroup,
    ValuationOut,
)
from app.domain.tenants.models import Warehouse
from app.domain.tenants.scope import in_warehouses
from app.lib import clock
from app.lib.errors import NotFound, RuleBroken
from app.lib.money import ZERO, as_price, as_quantity, unit_cost
from app.lib.pages import after, cut

MAX_SHEET: Final = 20_000
"""Movements in one sheet; a longer history is asked for by dates."""
_NO_GROUP: Final = {"category": "Sin categoría", "warehouse": "En camino entre bodegas"}
_SHELVES_AT: Final = text(SHELVES_AT).columns(
    product_id=Uuid, warehouse_id=Uuid, quantity=Numeric, value=Numeric, moved_quantity=Numeric, moved_value=Numeric
)


class StockReads:
    """Reads of one company; amounts of money are whole here, the HTTP face hides them from who may not see costs."""

    def __init__(self, work: Work) -> None:
        self._session = work.session
        self._tenant_id = work.tenant_id
        self._actor = work.actor
        self._zone = work.actor.time_zone

    async def stock(
        self,
        *,
        product_id: UUID | None,
        warehouse_id: UUID | None,
        below_minimum: bool,
        limit: int,
        cursor: str | None,
    ) -> StockPage:
        """Stock rows by product and warehouse, of products that keep stock; retired ones only while units are left."""
        wanted: list[SQLColumnExpression[bool]] = [
            Stock.tenant_id == self._tenant_id,
            Product.tracks_stock,
            *in_warehouses(self._actor, Stock.warehouse_id),
        ]
        if product_id is not None:
            wanted.append(Stock.product_id == product_id)
        else:
            wanted.append(Product.retired_at.is_(None) | (Stock.quantity > 0))
        if warehouse_id is not None:
            wanted.append(Stock.warehouse_id == warehouse_id)
        if below_minimum:
            wanted.append(Stock.quantity < Product.min_stock)
        statement: Select[*tuple[Any, ...]] = (
            select(
                Stock.product_id,
                Product.sku,
                Product.name,
                Stock.warehouse_id,
                Stock.quantity,
                Product.min_stock,
                Stock.value,
            )
            .join(Product, _same(Stock.tenant_id, Product.tenant_id, Stock.product_id, Product.id))
            .where(*wanted)
            .limit(limit + 1)
        )
        statement = after(
            statement, (Stock.product_id, Stock.warehouse_id), cursor, tuple[UUID, UUID], descending=False
        )
        rows = (await self._session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.product_id, row.warehouse_id))
        return StockPage(
            items=[
                StockOut(
                    product_id=row.product_id,
                    sku=row.sku,
                    name=row.name,
                    warehouse_id=row.warehouse_id,
                    quantity=as_quantity(row.quantity),
                    min_stock=None if row.min_stock is None else as_quantity(row.min_stock),
                    average_cost=as_price(unit_cost(row.value, row.quantity)),
                    value=row.value,
                )
                for row in page
            ],
            next_cursor=next_cursor,
        )

    async def kardex(
        self,
        product_id: UUID,
        *,
        warehouse_id: UUID | None,
        first_day: date | None,
        last_day: date | None,
        limit: int,
        cursor: str | None,
    ) -> KardexPage:
        """A product's movements in their order, warehouse by warehouse. Raises `NotFound` for an unknown product."""
        await self._check_product(product_id)
        statement = after(
            self._movements(product_id, warehouse_id, first_day, last_day).limit(limit + 1),
            (StockMovement.warehouse_id, StockMovement.position),
            cursor,
            tuple[UUID, int],
            descending=False,
        )
        rows = (await self._session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.warehouse_id, row.position))
        return KardexPage(items=[_kardex_line(row) for row in page], next_cursor=next_cursor)

    async def kardex_rows(
        self,
        product_id: UUID,
        *,
        warehouse_id: UUID | None,
        first_day: date | None,
        last_day: date | None,
        branch_id: UUID | None = None,
    ) -> list[tuple[KardexLine, str]]:
        """All of a period at once, each line with its warehouse's name, for a sheet. Raises 422 for a longer history."""
        await self._check_product(product_id)
        statement = (
            self._movements(product_id, warehouse_id, first_day, last_day)
            .order_by(StockMovement.warehouse_id, StockMovement.position)
            .limit(MAX_SHEET + 1)
        )
        if branch_id is not None:
            statement = statement.where(Warehouse.branch_id == branch_id)
        rows = (await self._session.execute(statement)).all()
        if len(rows) > MAX_SHEET:
            raise RuleBroken(f"El período tiene más de {MAX_SHEET} movimientos; pida menos días.", code="too-many-rows")
        return [(_kardex_line(row), row.warehouse) for row in rows]

    async def valuation(self, at: date | None, group_by: Literal["category", "warehouse"]) -> ValuationOut:
        """What the stock was worth at the end of a day, from its movements; without a day, what it is worth now.

        Goods on their way between warehouses are the company's as well: in their category, and in no warehouse.
        """
        shelves = self._shelves_at(at).subquery()
        group, name = (Category.id, Category.name) if group_by == "category" else (Warehouse.id, Warehouse.name)
        statement = select(
            group.label("id"),
            name.label("name"),
            func.count(shelves.c.product_id.distinct()).filter(shelves.c.quantity > 0).label("products"),
            func.sum(shelves.c.value).label("value"),
        ).select_from(shelves)
        if group_by == "category":
            statement = statement.join(
                Product, and_(Product.tenant_id == self._tenant_id, Product.id == shelves.c.product_id)
            ).outerjoin(Category, _same(Category.tenant_id, Product.tenant_id, Category.id, Product.category_id))
        else:
            statement = statement.outerjoin(
                Warehouse, and_(Warehouse.tenant_id == self._tenant_id, Warehouse.id == shelves.c.warehouse_id)
            )
        rows = (await self._session.execute(statement.group_by(group, name).order_by(name, group))).all()
        items = [
            ValuationGroup(id=row.id, name=row.name or _NO_GROUP[group_by], products=row.products, value=row.value)
            for row in rows
        ]
        return ValuationOut(
            at=at or clock.business_day(clock.now(), self._zone),
            group_by=group_by,
            items=items,
            total=sum((item.value for item in items), start=ZERO),
        )

    async def by_product(self, at: date | None, branch_id: UUID | None = None) -> Sequence[Row[*tuple[Any, ...]]]:
        """Quantity and value of each product, now or at the end of a day: of the same shelves as `valuation`."""
        shelves = self._shelves_at(at).subquery()
        wanted: list[ColumnElement[bool]] = [Product.tracks_stock.is_(True)]
        if branch_id is not None:
            here = select(Warehouse.id).where(Warehouse.tenant_id == self._tenant_id, Warehouse.branch_id == branch_id)
            wanted.append(shelves.c.warehouse_id.in_(here))
        quantity, value = func.sum(shelves.c.quantity), func.sum(shelves.c.value)
        statement: Select[*tuple[Any, ...]] = (
            select(
                Product.id,
                Product.sku,
                Product.name,
                Product.category_id,
                Category.name.label("category"),
                Product.min_stock,
                Product.created_at,
                Product.retired_at,
                quantity.label("quantity"),
                value.label("value"),
            )
            .join(shelves, and_(Product.tenant_id == self._tenant_id, Product.id == shelves.c.product_id))
            .outerjoin(Category, _same(Category.tenant_id, Product.tenant_id, Category.id, Product.category_id))
            .where(*wanted)
            .group_by(Product.tenant_id, Product.id, Category.name)
            .order_by(value.desc(), Product.id)
        )
        return (await self._session.execute(statement)).all()

    async def adjustments(self, *, limit: int, cursor: str | None) -> AdjustmentPage:
        """Adjustments, revaluations and reversals, newest first."""
        undo = aliased(StockAdjustment)
        statement: Select[*tuple[Any, ...]] = (
            select(StockAdjustment, undo.id)
            .outerjoin(undo, _same(undo.tenant_id, StockAdjustment.tenant_id, undo.reverses, StockAdjustment.id))
            .where(
                StockAdjustment.tenant_id == self._tenant_id,
                *in_warehouses(self._actor, StockAdjustment.warehouse_id),
            )
            .limit(limit + 1)
        )
        statement = after(
            statement,
            (StockAdjustment.created_at, StockAdjustment.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows = (await self._session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].created_at, row[0].id))
        return AdjustmentPage(
            items=[
                AdjustmentSummary(
                    id=row.id,
                    warehouse_id=row.warehouse_id,
                    reason=row.reason,
                    note=row.note,
                    at=row.created_at,
                    user_id=row.user_id,
                    reverses=row.reverses,
                    reversed_by=reversed_by,
                    line_count=row.line_count,
                    value=row.value,
                )
                for row, reversed_by in page
            ],
            next_cursor=next_cursor,
        )

    async def _check_product(self, product_id: UUID) -> None:
        known = select(literal(1)).where(Product.tenant_id == self._tenant_id, Product.id == product_id)
        if (await self._session.execute(known)).first() is None:
            raise NotFound("No existe ese producto.")

    def _movements(
        self, product_id: UUID, warehouse_id: UUID | None, first_day: date | None, last_day: date | None
    ) -> Select[*tuple[Any, ...]]:
        wanted: list[SQLColumnExpression[bool]] = [
            StockMovement.tenant_id == self._tenant_id,
            StockMovement.product_id == product_id,
            *in_warehouses(self._actor, StockMovement.warehouse_id),
        ]
        if warehouse_id is not None:
            wanted.append(StockMovement.warehouse_id == warehouse_id)
        if first_day is not None:
            wanted.append(StockMovement.created_at >= self._begins(first_day))
        if last_day is not None:
            wanted.append(StockMovement.created_at < self._ends(last_day))
        return (
            select(
                StockMovement.position,
                StockMovement.created_at,
                StockMovement.kind,
                StockMovement.document_id,
                StockMovement.warehouse_id,
                Warehouse.name.label("warehouse"),
                StockMovement.quantity,
                StockMovement.value,
                StockMovement.balance_quantity,
                StockMovement.balance_value,
            )
            .join(
                Warehouse, _same(Warehouse.tenant_id, StockMovement.tenant_id, Warehouse.id, StockMovement.warehouse_id)
            )
            .where(*wanted)
        )

    def _shelves_at(self, at: date | None) -> Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]:
        """Quantity and value by product and warehouse: the kept rows, or the balances at a day's end.

        What was under way has no warehouse; it is left out for whoever is limited to some branches.
        """
        nowhere = null().cast(Uuid).label("warehouse_id")
        sees_all = self._actor.branches is None
        if at is None:
            now: Select[*tuple[Any, ...]] = select(
                Stock.product_id, Stock.warehouse_id, Stock.quantity, Stock.value
            ).where(
                Stock.tenant_id == self._tenant_id,
                Stock.moves > 0,
                *in_warehouses(self._actor, Stock.warehouse_id),
            )
            going = select(StockTransit.product_id, nowhere, StockTransit.quantity, StockTransit.value).where(
                StockTransit.tenant_id == self._tenant_id, StockTransit.quantity > 0
            )
            return now.union_all(going) if sees_all else now
        values = {"tenant_id": self._tenant_id, "at": at, "ends": self._ends(at)}
        branches = None if self._actor.branches is None else list(self._actor.branches)
        then = _SHELVES_AT.bindparams(**values, branches=branches).cte("shelf")
        on_shelves: Select[*tuple[Any, ...]] = select(
            then.c.product_id, then.c.warehouse_id, then.c.quantity, then.c.value
        )
        moved, moved_value = func.sum(then.c.moved_quantity), func.sum(then.c.moved_value)
        under_way = (
            select(then.c.product_id, nowhere, -moved, -moved_value).group_by(then.c.product_id).having(moved != 0)
        )
        return on_shelves.union_all(under_way) if sees_all else on_shelves

    def _begins(self, day: date) -> datetime:
        """First instant of a business day."""
        return clock.day_begun(day, self._zone)

    def _ends(self, day: date) -> datetime:
        """First instant after a business day."""
        return clock.day_ended(day, self._zone)


def _same(*columns: Any) -> ColumnElement[bool]:
    """A join by company and id: pairs of columns are equal."""
    return and_(*(columns[n] == columns[n + 1] for n in range(0, len(columns), 2)))


def _kardex_line(row: Row[*tuple[Any, ...]]) -> KardexLine:
    of_units = (
        unit_cost(row.value, row.quantity) if row.quantity else unit_cost(row.balance_value, row.balance_quantity)
    )
    return KardexLine(
        position=row.position,
        at=row.created_at,
        kind=row.kind,
        document_id=row.document_id,
        warehouse_id=row.warehouse_id,
        quantity=as_quantity(row.quantity),
        unit_cost=as_price(of_units),
        value=row.value,
        balance_quantity=as_quantity(row.balance_quantity),
        balance_value=row.balance_value,
    )
