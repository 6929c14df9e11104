"""What is asked of transfers: one with all that became of it, and their list."""

from collections import defaultdict
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import RowMapping, Select, and_, or_, select, text

from app.db.session import Work
from app.domain.inventory.models import StockTransfer, StockTransferState
from app.domain.inventory.transfer_schemas import (
    ArrivalLineOut,
    ArrivalOut,
    TransferLineOut,
    TransferOut,
    TransferPage,
    TransferSummary,
)
from app.domain.tenants.scope import check_warehouse, in_warehouses
from app.lib.errors import NotFound
from app.lib.money import as_price, as_quantity, unit_cost
from app.lib.pages import after, cut

_LINES: Final = text(
    "SELECT l.product_id, p.sku, p.name, l.quantity, l.value, r.quantity AS in_transit, r.value AS transit_value, "
    "coalesce(a.received, 0) AS received, coalesce(a.lost, 0) AS lost, coalesce(a.returned, 0) AS returned "
    "FROM stock_transfer_line l JOIN product p ON p.tenant_id = l.tenant_id AND p.id = l.product_id "
    "JOIN stock_transit r ON r.tenant_id = l.tenant_id AND r.transfer_id = l.transfer_id AND r.product_id = l.product_id "
    "LEFT JOIN (SELECT n.product_id, sum(n.quantity) FILTER (WHERE h.kind = 'received') AS received, "
    "sum(n.quantity) FILTER (WHERE h.kind = 'cancelled') AS returned, sum(n.lost_quantity) AS lost "
    "FROM stock_arrival_line n JOIN stock_arrival h ON h.tenant_id = n.tenant_id AND h.id = n.arrival_id "
    "WHERE n.tenant_id = :tenant_id AND n.transfer_id = :id GROUP BY n.product_id) a ON a.product_id = l.product_id "
    "WHERE l.tenant_id = :tenant_id AND l.transfer_id = :id ORDER BY l.position"
)
_ARRIVALS: Final = text(
    "SELECT id, kind, created_at AS at, user_id, note, value, lost_value FROM stock_arrival "
    "WHERE tenant_id = :tenant_id AND transfer_id = :id ORDER BY created_at, id"
)
_ARRIVAL_LINES: Final = text(
    "SELECT n.arrival_id, n.product_id, n.quantity, n.value, n.lost_quantity, n.lost_value, n.reason, n.adjustment_id "
    "FROM stock_arrival_line n JOIN stock_transfer_line l "
    "ON l.tenant_id = n.tenant_id AND l.transfer_id = n.transfer_id AND l.product_id = n.product_id "
    "WHERE n.tenant_id = :tenant_id AND n.transfer_id = :id ORDER BY l.position"
)
_HASH: Final = text("SELECT body_hash FROM stock_transfer WHERE tenant_id = :tenant_id AND id = :id")


class TransferReads:
    """Reads of one company; amounts of money are whole here, the HTTP face hides them from who may not see costs."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._session = work.session
        self._tenant_id = work.tenant_id

    async def find(self, transfer_id: UUID) -> TransferOut:
        """One transfer with its lines and arrivals.

        Raises `NotFound`, also for another company's; 403 when neither end is in a branch of the caller's.
        """
        row = (await self._session.execute(self._select().where(StockTransfer.id == transfer_id))).one_or_none()
        if row is None:
            raise NotFound("No existe ese traslado.")
        await check_warehouse(self._work, row[0].from_warehouse_id, row[0].to_warehouse_id)
        key = {"tenant_id": self._tenant_id, "id": transfer_id}
        lines = (await self._session.execute(_LINES, key)).mappings().all()
        arrivals = (await self._session.execute(_ARRIVALS, key)).mappings().all()
        by_arrival: dict[UUID, list[ArrivalLineOut]] = defaultdict(list)
        if arrivals:
            for line in (await self._session.execute(_ARRIVAL_LINES, key)).mappings():
                by_arrival[line["arrival_id"]].append(_arrival_line(line))
        return TransferOut(
            **_summary(*row),
            lines=[_line(line) for line in lines],
            arrivals=[ArrivalOut(**arrival, lines=by_arrival[arrival["id"]]) for arrival in arrivals],
        )

    async def page(
        self, status: Literal["open", "closed", "all"], warehouse_id: UUID | None, *, limit: int, cursor: str | None
    ) -> TransferPage:
        """Transfers from or to the caller's branches, newest first; of one warehouse in either direction."""
        statement = self._select().limit(limit + 1)
        if mine := [
            *in_warehouses(self._work.actor, StockTransfer.from_warehouse_id),
            *in_warehouses(self._work.actor, StockTransfer.to_warehouse_id),
        ]:
            statement = statement.where(or_(*mine))
        if status != "all":
            is_open = StockTransferState.open_lines > 0
            statement = statement.where(is_open if status == "open" else ~is_open)
        if warehouse_id is not None:
            statement = statement.where(
                or_(StockTransfer.from_warehouse_id == warehouse_id, StockTransfer.to_warehouse_id == warehouse_id)
            )
        statement = after(
            statement, (StockTransfer.created_at, StockTransfer.id), cursor, tuple[datetime, UUID], descending=True
        )
        rows = (await self._session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].created_at, row[0].id))
        return TransferPage(items=[TransferSummary(**_summary(*row)) for row in page], next_cursor=next_cursor)

    async def hash_of(self, transfer_id: UUID) -> bytes | None:
        """What tells a retry from another body; None when there is no such transfer."""
        key = {"tenant_id": self._tenant_id, "id": transfer_id}
        found: bytes | None = (await self._session.execute(_HASH, key)).scalar_one_or_none()
        return found

    def _select(self) -> Select[*tuple[Any, ...]]:
        return (
            select(StockTransfer, StockTransferState.status, StockTransferState.value)
            .join(
                StockTransferState,
                and_(
                    StockTransferState.tenant_id == StockTransfer.tenant_id,
                    StockTransferState.transfer_id == StockTransfer.id,
                ),
            )
            .where(StockTransfer.tenant_id == self._tenant_id)
        )


def _summary(row: StockTransfer, status: str, transit_value: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "from_warehouse_id": row.from_warehouse_id,
        "to_warehouse_id": row.to_warehouse_id,
        "status": status,
        "note": row.note,
        "at": row.created_at,
        "user_id": row.user_id,
        "line_count": row.line_count,
        "value": row.value,
        "transit_value": transit_value,
    }


def _line(row: RowMapping) -> TransferLineOut:
    return TransferLineOut(
        product_id=row["product_id"],
        sku=row["sku"],
        name=row["name"],
        quantity=as_quantity(row["quantity"]),
        unit_cost=as_price(unit_cost(row["value"], row["quantity"])),
        value=row["value"],
        received=as_quantity(row["received"]),
        lost=as_quantity(row["lost"]),
        returned=as_quantity(row["returned"]),
        in_transit=as_quantity(row["in_transit"]),
        transit_value=row["transit_value"],
    )


def _arrival_line(row: RowMapping) -> ArrivalLineOut:
    return ArrivalLineOut(
        product_id=row["product_id"],
        quantity=as_quantity(row["quantity"]),
        value=row["value"],
        lost=as_quantity(row["lost_quantity"]),
        lost_value=row["lost_value"],
        reason=row["reason"],
        adjustment_id=row["adjustment_id"],
    )
