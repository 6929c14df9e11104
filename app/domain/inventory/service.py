"""Rules of changing stock by hand: adjust, revalue, undo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, RowMapping, bindparam, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.catalog.service.costs import state_costs
from app.domain.inventory.costing import take, take_back, value_in, value_of
from app.domain.inventory.schemas import (
    AdjustLine,
    AdjustmentLineOut,
    AdjustmentOut,
    PostAdjustment,
    PostRevaluation,
    RevalueLine,
    ReverseAdjustment,
)
from app.domain.inventory.shelves import Move, Shelf, find_warehouse, lock_shelves, write_moves
from app.domain.tenants.scope import check_warehouse
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.money import ZERO, as_price, as_quantity, unit_cost
from app.lib.schemas import fingerprint

_INSERT: Final = text(
    "INSERT INTO stock_adjustment (tenant_id, id, warehouse_id, reason, note, user_id, reverses, line_count, value, "
    "created_at, body_hash) VALUES (:tenant_id, :id, :warehouse_id, :reason, :note, :user_id, :reverses, :line_count, "
    ":value, :at, :body_hash)"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_FIND: Final = text(
    "SELECT a.id, a.warehouse_id, a.reason, a.note, a.created_at AS at, a.user_id, a.reverses, r.id AS reversed_by, "
    "a.line_count, a.value, a.body_hash FROM stock_adjustment a "
    "LEFT JOIN stock_adjustment r ON r.tenant_id = a.tenant_id AND r.reverses = a.id "
    "WHERE a.tenant_id = :tenant_id AND a.id = :id"
)
_MOVES: Final = text(
    "SELECT m.id, m.product_id, p.sku, p.name, m.position, m.quantity, m.value, m.balance_quantity, m.balance_value "
    "FROM stock_movement m JOIN product p ON p.tenant_id = m.tenant_id AND p.id = m.product_id "
    "WHERE m.tenant_id = :tenant_id AND m.document_id = :id "
    "AND m.kind NOT IN ('sale', 'return', 'void', 'shortfall') AND m.kind NOT IN ('transfer-out', 'transfer-in') ORDER BY m.id"
)


_Row = Mapping[str, Any] | RowMapping


class InsufficientStock(RuleBroken):
    """More would leave a shelf than lies on it."""

    code = "insufficient-stock"

    def __init__(self, product_id: UUID, name: str, available: Decimal, pointer: str) -> None:
        left = as_quantity(available)
        super().__init__(
            f"No hay existencias suficientes de {name}: quedan {left}.",
            errors=(FieldError(pointer, "insufficient-stock", f"Quedan {left}."),),
            productId=product_id,
            available=left,
        )


class NotTracked(RuleBroken):
    """The product keeps no stock: a service, a fee."""

    code = "stock-not-tracked"


class AlreadyReversed(Conflict):
    """Each adjustment is undone once."""

    code = "already-reversed"


BROKEN_CONSTRAINTS["uq_stock_adjustment_tenant_id_reverses"] = AlreadyReversed("El ajuste ya fue reversado.")
BROKEN_CONSTRAINTS["pk_stock_adjustment"] = Conflict("Ya existe un ajuste con ese identificador.", code="id-taken")


@dataclass(frozen=True)
class Header:
    """What an adjustment says besides its lines."""

    id: UUID
    chosen: bool
    """By the client, who may send it twice."""
    warehouse_id: UUID
    reason: str
    note: str
    body_hash: bytes | None
    reverses: UUID | None = None
    action: str = "stock.adjusted"


class AdjustmentService:
    """Adjustments are append-only: each writes its movements and shelves in one statement, under lock."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def find(self, adjustment_id: UUID) -> AdjustmentOut:
        """One adjustment with its lines and costs. Raises `NotFound`, also for another company's."""
        row = await self._row(adjustment_id)
        if row is None:
            raise NotFound("No existe ese ajuste.")
        await check_warehouse(self._work, row["warehouse_id"])
        return _adjustment_out(row, (await self._moves(adjustment_id)))

    async def adjust(self, data: PostAdjustment, at: datetime | None = None) -> tuple[AdjustmentOut, bool]:
        """Apply signed lines in their order; answers the adjustment and whether it is new.

        The cost stated for what comes in is the product's last cost from then on.
        Lines of one product see what the ones before them left. `at` dates it otherwise than now.
        Raises 422 for a product that is unknown, keeps no stock or has too little; nothing is changed then.
        """
        body_hash = fingerprint(data)
        if earlier := await self._earlier(data.id, body_hash):
            return earlier, False
        stated = {
            line.product_id: Decimal(line.unit_cost)
            for line in data.lines
            if line.unit_cost is not None and line.quantity > 0
        }
        await state_costs(self._work, stated)
        header = Header(
            data.id or uuid7(),
            data.id is not None,
            await find_warehouse(self._work, data.warehouse_id),
            data.reason,
            data.note,
            body_hash,
        )

        def moves(shelves: Mapping[UUID, Shelf]) -> list[Move]:
            return [
                _adjust(tracked_shelf(shelves, line.product_id, f"/lines/{n}/productId"), line, f"/lines/{n}/quantity")
                for n, line in enumerate(data.lines)
            ]

        return await self._write(header, [line.product_id for line in data.lines], moves, at)

    async def revalue(self, data: PostRevaluation) -> tuple[AdjustmentOut, bool]:
        """Change what units are worth without moving any. Raises 422 for a value without units to carry it."""
        body_hash = fingerprint(data)
        if earlier := await self._earlier(data.id, body_hash):
            return earlier, False
        header = Header(
            data.id or uuid7(),
            data.id is not None,
            await find_warehouse(self._work, data.warehouse_id),
            "revaluation",
            data.note,
            body_hash,
            action="stock.revalued",
        )

        def moves(shelves: Mapping[UUID, Shelf]) -> list[Move]:
            return [
                _revalue(tracked_shelf(shelves, line.product_id, f"/lines/{n}/productId"), line, n)
                for n, line in enumerate(data.lines)
            ]

        return await self._write(header, [line.product_id for line in data.lines], moves)

    async def reverse(self, adjustment_id: UUID, data: ReverseAdjustment) -> tuple[AdjustmentOut, bool]:
        """Write the opposite of an adjustment, last line first.

        What came in leaves with the pesos it brought; what left comes back with the pesos it took.
        Raises 409 when it was undone before, 422 for a revaluation or a reversal, or when units are gone already.
        """
        body_hash = fingerprint([str(adjustment_id), data])
        if earlier := await self._earlier(data.id, body_hash):
            return earlier, False
        row = await self._row(adjustment_id)
        if row is None:
            raise NotFound("No existe ese ajuste.")
        await find_warehouse(self._work, row["warehouse_id"])
        if row["reason"] in {"revaluation", "reversal"}:
            raise RuleBroken("Una revaluación o una reversión se corrige con otra operación.", code="not-reversible")
        if row["reversed_by"] is not None:
            raise AlreadyReversed("El ajuste ya fue reversado.", adjustmentId=row["reversed_by"])
        done = await self._moves(adjustment_id)
        header = Header(
            data.id or uuid7(),
            data.id is not None,
            row["warehouse_id"],
            "reversal",
            data.note,
            body_hash,
            reverses=adjustment_id,
            action="stock.adjustment-reversed",
        )

        def moves(shelves: Mapping[UUID, Shelf]) -> list[Move]:
            return [_undo(shelves[move["product_id"]], move) for move in reversed(done)]

        return await self._write(header, [move["product_id"] for move in done], moves)

    async def _write(
        self,
        header: Header,
        product_ids: Sequence[UUID],
        plan: Callable[[Mapping[UUID, Shelf]], list[Move]],
        at: datetime | None = None,
    ) -> tuple[AdjustmentOut, bool]:
        """Lock, plan, write."""
        work = self._work
        shelves = await lock_shelves(work, header.warehouse_id, product_ids)
        if header.chosen and (twin := await self._earlier(header.id, header.body_hash)):
            # A copy of this request held the locks until now.
            return twin, False
        return await write_adjustment(work, header, shelves, plan(shelves), at or clock.now()), True

    async def _row(self, adjustment_id: UUID) -> RowMapping | None:
        found = await self._work.session.execute(_FIND, {"tenant_id": self._work.tenant_id, "id": adjustment_id})
        return found.mappings().one_or_none()

    async def _moves(self, adjustment_id: UUID) -> Sequence[RowMapping]:
        found = await self._work.session.execute(_MOVES, {"tenant_id": self._work.tenant_id, "id": adjustment_id})
        return found.mappings().all()

    async def _earlier(self, wanted: UUID | None, body_hash: bytes | None) -> AdjustmentOut | None:
        """What a client-chosen id already stands for: a retry's answer, or 409 for a different body."""
        row = await self._row(wanted) if wanted is not None else None
        if row is None or wanted is None:
            return None
        if row["body_hash"] != body_hash:
            raise Conflict("Ya existe un ajuste con ese identificador.", code="id-taken")
        return _adjustment_out(row, await self._moves(wanted))


async def write_adjustment(
    work: Work, header: Header, shelves: Mapping[UUID, Shelf], moves: Sequence[Move], at: datetime
) -> AdjustmentOut:
    """Write an adjustment whose moves were applied to these locked shelves: header, ledger, shelves, audit link."""
    row: dict[str, Any] = {
        "id": header.id,
        "warehouse_id": header.warehouse_id,
        "reason": header.reason,
        "note": header.note,
        "at": at,
        "user_id": work.actor.user_id,
        "reverses": header.reverses,
        "line_count": len(moves),
        "value": sum((move.value for move in moves), start=ZERO),
    }
    await work.session.execute(_INSERT, row | {"tenant_id": work.tenant_id, "body_hash": header.body_hash})
    await write_moves(
        work, header.warehouse_id, list(shelves.values()), moves, kind=header.reason, document_id=header.id, at=at
    )
    names = {shelf.product_id: {"sku": shelf.sku, "name": shelf.name} for shelf in shelves.values()}
    answer = _adjustment_out(row | {"reversed_by": None}, [vars(move) | names[move.product_id] for move in moves])
    work.record(header.action, header.id, after=answer)
    return answer


def tracked_shelf(shelves: Mapping[UUID, Shelf], product_id: UUID, pointer: str) -> Shelf:
    """The shelf of a body's product. Raises 422, at its place, for one that is unknown or keeps no stock."""
    shelf = shelves.get(product_id)
    if shelf is None:
        raise unknown_reference(pointer)
    if not shelf.tracks_stock:
        detail = f"{shelf.name} no lleva existencias."
        raise NotTracked(detail, errors=(FieldError(pointer, NotTracked.code, detail),), productId=product_id)
    return shelf


def _adjust(shelf: Shelf, line: AdjustLine, pointer: str) -> Move:
    quantity = Decimal(line.quantity)
    if quantity > 0:
        if line.unit_cost is None:
            return shelf.move(quantity, value_in(shelf.quantity, shelf.value, shelf.last_cost, quantity))
        return shelf.move(quantity, value_of(quantity, line.unit_cost))
    if shelf.quantity + quantity < 0:
        raise InsufficientStock(shelf.product_id, shelf.name, shelf.quantity, pointer)
    return shelf.move(quantity, -take(shelf.quantity, shelf.value, -quantity))


def _revalue(shelf: Shelf, line: RevalueLine, number: int) -> Move:
    stated = line.value if line.unit_cost is None else value_of(shelf.quantity, line.unit_cost)
    assert stated is not None
    value = Decimal(stated)
    if not shelf.quantity:
        detail = f"{shelf.name} no tiene unidades que valorar."
        raise RuleBroken(
            detail,
            code="nothing-to-revalue",
            errors=(FieldError(f"/lines/{number}/productId", "nothing-to-revalue", detail),),
            productId=shelf.product_id,
        )
    return shelf.move(Decimal(0), value - shelf.value)


def _undo(shelf: Shelf, move: _Row) -> Move:
    quantity, value = -move["quantity"], -move["value"]
    if quantity > 0:
        return shelf.move(quantity, value)
    if shelf.quantity + quantity < 0:
        raise InsufficientStock(shelf.product_id, shelf.name, shelf.quantity, "")
    return shelf.move(quantity, -take_back(shelf.quantity, shelf.value, -quantity, -value))


def _adjustment_out(row: _Row, lines: Sequence[_Row]) -> AdjustmentOut:
    return AdjustmentOut(
        id=row["id"],
        warehouse_id=row["warehouse_id"],
        reason=row["reason"],
        note=row["note"],
        at=row["at"],
        user_id=row["user_id"],
        reverses=row["reverses"],
        reversed_by=row["reversed_by"],
        line_count=row["line_count"],
        value=row["value"],
        lines=[
            AdjustmentLineOut(
                id=line["id"],
                product_id=line["product_id"],
                sku=line["sku"],
                name=line["name"],
                quantity=as_quantity(line["quantity"]),
                unit_cost=as_price(
                    unit_cost(line["value"], line["quantity"])
                    if line["quantity"]
                    else unit_cost(line["balance_value"], line["balance_quantity"])
                ),
                value=line["value"],
                balance_quantity=as_quantity(line["balance_quantity"]),
                balance_value=line["balance_value"],
            )
            for line in lines
        ],
    )
