"""Conflicts: units that offline tills sold and the books did not have."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, and_, select, update

from app.db.session import Work
from app.domain.catalog.models import Product
from app.domain.inventory.models import StockConflict
from app.domain.inventory.schemas import ConflictOut, ConflictPage, SettleConflict
from app.domain.tenants.scope import in_warehouses
from app.lib import clock
from app.lib.errors import Conflict, NotFound
from app.lib.money import as_price, as_quantity
from app.lib.pages import after, cut


class AlreadySettled(Conflict):
    """The owner settled it before."""

    code = "already-settled"


class ConflictService:
    """Lists conflicts and settles each once. Settling says what was found; stock itself is changed by adjustments."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, status: Literal["open", "settled", "all"], *, limit: int, cursor: str | None) -> ConflictPage:
        """Conflicts in the order they appeared."""
        statement = self._select().limit(limit + 1)
        if status != "all":
            is_open = StockConflict.settled_at.is_(None)
            statement = statement.where(is_open if status == "open" else ~is_open)
        statement = after(
            statement, (StockConflict.created_at, StockConflict.id), cursor, tuple[datetime, UUID], descending=False
        )
        rows = (await self._work.session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].created_at, row[0].id))
        return ConflictPage(items=[_conflict_out(*row) for row in page], next_cursor=next_cursor)

    async def settle(self, conflict_id: UUID, data: SettleConflict) -> ConflictOut:
        """Note how it was settled. Raises 404 for an unknown conflict, 409 for one that was settled before."""
        work = self._work
        settled = await work.session.execute(
            update(StockConflict)
            .where(
                StockConflict.tenant_id == work.tenant_id,
                StockConflict.id == conflict_id,
                StockConflict.settled_at.is_(None),
                *in_warehouses(work.actor, StockConflict.warehouse_id),
            )
            .values(
                settled_at=clock.now(),
                settled_by=work.actor.user_id,
                settlement=data.settlement,
                settlement_note=data.note,
            )
            .returning(StockConflict.id)
            .execution_options(synchronize_session=False)
        )
        is_first = settled.one_or_none() is not None
        row = (await work.session.execute(self._select().where(StockConflict.id == conflict_id))).one_or_none()
        if row is None:
            raise NotFound("No existe ese faltante.")
        answer = _conflict_out(*row)
        if not is_first:
            raise AlreadySettled("Ese faltante ya fue resuelto.", settlement=answer.settlement)
        work.record(
            "stock.conflict-settled",
            conflict_id,
            before={"settledAt": None, "settledBy": None, "settlement": None, "note": ""},
            after=answer,
        )
        return answer

    def _select(self) -> Select[*tuple[Any, ...]]:
        return (
            select(StockConflict, Product.sku, Product.name)
            .join(Product, and_(Product.tenant_id == StockConflict.tenant_id, Product.id == StockConflict.product_id))
            .where(
                StockConflict.tenant_id == self._work.tenant_id,
                *in_warehouses(self._work.actor, StockConflict.warehouse_id),
            )
        )


def _conflict_out(row: StockConflict, sku: str, name: str) -> ConflictOut:
    return ConflictOut(
        id=row.id,
        product_id=row.product_id,
        sku=sku,
        name=name,
        warehouse_id=row.warehouse_id,
        sale_id=row.document_id,
        missing=as_quantity(row.missing),
        unit_cost=as_price(row.unit_cost),
        at=row.created_at,
        settled_at=row.settled_at,
        settled_by=row.settled_by,
        settlement=row.settlement,
        note=row.settlement_note,
    )
