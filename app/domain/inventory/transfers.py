"""Rules of transfers: goods leave one warehouse, are on their way, and arrive, all with the pesos they left with.

Locks, for both directions at once without a deadlock: the transfer's state row, then shelves by product, of one warehouse only
in any transaction. What was never seen by anyone else (a new transfer) needs no lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, bindparam, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.inventory.costing import take
from app.domain.inventory.service import Header, InsufficientStock, tracked_shelf, write_adjustment
from app.domain.inventory.shelves import Move, Shelf, find_warehouse, lock_shelves, write_moves
from app.domain.inventory.transfer_reads import TransferReads
from app.domain.inventory.transfer_schemas import (
    CancelTransfer,
    PostTransfer,
    ReceiveLine,
    ReceiveTransfer,
    TransferOut,
)
from app.domain.tenants.scope import check_warehouse
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.money import ZERO, as_quantity, share
from app.lib.schemas import fingerprint

_NONE: Final = Decimal(0)
_INSERT: Final = text(
    "WITH head AS (INSERT INTO stock_transfer (tenant_id, id, from_warehouse_id, to_warehouse_id, note, user_id, "
    "line_count, value, created_at, body_hash) VALUES (:tenant_id, :id, :from_id, :to_id, :note, :user_id, :line_count, "
    ":value, :at, :body_hash)), "
    "line AS (SELECT * FROM unnest(CAST(:product_ids AS uuid[]), CAST(:quantities AS numeric[]), "
    "CAST(:amounts AS numeric[])) WITH ORDINALITY AS l (product_id, quantity, value, position)), "
    "written AS (INSERT INTO stock_transfer_line (tenant_id, transfer_id, product_id, from_warehouse_id, position, "
    "quantity, value) SELECT :tenant_id, :id, product_id, :from_id, position, quantity, value FROM line), "
    "under_way AS (INSERT INTO stock_transit (tenant_id, transfer_id, product_id, quantity, value) "
    "SELECT :tenant_id, :id, product_id, quantity, value FROM line) "
    "INSERT INTO stock_transfer_state (tenant_id, transfer_id, status, open_lines, value) "
    "VALUES (:tenant_id, :id, 'in-transit', :line_count, :value)"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_LOCK_STATE: Final = text(
    "SELECT s.status, s.open_lines, s.value, t.from_warehouse_id, t.to_warehouse_id FROM stock_transfer_state s "
    "JOIN stock_transfer t ON t.tenant_id = s.tenant_id AND t.id = s.transfer_id "
    "WHERE s.tenant_id = :tenant_id AND s.transfer_id = :id FOR UPDATE OF s"
)
_TRANSIT: Final = text(
    "SELECT r.product_id, r.quantity, r.value FROM stock_transit r JOIN stock_transfer_line l "
    "ON l.tenant_id = r.tenant_id AND l.transfer_id = r.transfer_id AND l.product_id = r.product_id "
    "WHERE r.tenant_id = :tenant_id AND r.transfer_id = :id ORDER BY l.position"
)
_ARRIVE: Final = text(
    "WITH head AS (INSERT INTO stock_arrival (tenant_id, id, transfer_id, kind, note, user_id, line_count, value, "
    "lost_value, created_at, body_hash) VALUES (:tenant_id, :id, :transfer_id, :kind, :note, :user_id, :line_count, "
    ":value, :lost_value, :at, :body_hash)), "
    "line AS (SELECT * FROM unnest(CAST(:product_ids AS uuid[]), CAST(:quantities AS numeric[]), "
    "CAST(:amounts AS numeric[]), CAST(:lost AS numeric[]), CAST(:lost_amounts AS numeric[]), CAST(:reasons AS text[]), "
    "CAST(:adjustments AS uuid[])) AS l (product_id, quantity, value, lost_quantity, lost_value, reason, adjustment_id)), "
    "written AS (INSERT INTO stock_arrival_line (tenant_id, arrival_id, product_id, transfer_id, quantity, value, "
    "lost_quantity, lost_value, reason, adjustment_id) SELECT :tenant_id, :id, product_id, :transfer_id, quantity, value, "
    "lost_quantity, lost_value, reason, adjustment_id FROM line), "
    "less AS (UPDATE stock_transit r SET quantity = r.quantity - l.quantity - l.lost_quantity, "
    "value = r.value - l.value - l.lost_value FROM line l WHERE r.tenant_id = :tenant_id "
    "AND r.transfer_id = :transfer_id AND r.product_id = l.product_id) "
    "UPDATE stock_transfer_state SET status = :status, open_lines = :open_lines, value = :left "
    "WHERE tenant_id = :tenant_id AND transfer_id = :transfer_id"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_ARRIVAL: Final = text("SELECT transfer_id, body_hash FROM stock_arrival WHERE tenant_id = :tenant_id AND id = :id")


class TransferClosed(Conflict):
    """Nothing of it is on its way any more."""

    code = "transfer-closed"


BROKEN_CONSTRAINTS["pk_stock_transfer"] = Conflict("Ya existe un traslado con ese identificador.", code="id-taken")
BROKEN_CONSTRAINTS["pk_stock_arrival"] = Conflict("Ya existe una recepción con ese identificador.", code="id-taken")


@dataclass
class Arriving:
    """What ends its way of one product."""

    product_id: UUID
    quantity: Decimal
    value: Decimal
    lost: Decimal = _NONE
    lost_value: Decimal = ZERO
    reason: str | None = None
    adjustment_id: UUID | None = None


@dataclass(frozen=True)
class _Arrival:
    """What a reception or a cancellation says besides its lines."""

    id: UUID
    transfer_id: UUID
    kind: str
    warehouse_id: UUID
    """Onto whose shelves the units come."""
    note: str
    body_hash: bytes | None


class TransferService:
    """Transfers and arrivals are append-only; what is on its way is kept in rows of its own, changed under lock."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._reads = TransferReads(work)

    async def send(self, data: PostTransfer) -> tuple[TransferOut, bool]:
        """Take goods off the source's shelves at their moving average; answers the transfer and whether it is new.

        Whoever is limited to some branches sends from their warehouses, to any. Raises 403 for another's, 422 for a product
        that is unknown, repeated, keeps no stock or has too little; nothing is changed then.
        """
        work, body_hash = self._work, fingerprint(data)
        if data.id is not None and (earlier := await self._earlier(data.id, body_hash)):
            return earlier, False
        source, target = await self._places(data)
        product_ids = [line.product_id for line in data.lines]
        _refuse_repeats(product_ids)
        shelves = await lock_shelves(work, source, product_ids)
        if data.id is not None and (twin := await self._earlier(data.id, body_hash)):
            # A copy of this request held the locks until now.
            return twin, False
        moves: list[Move] = []
        for n, line in enumerate(data.lines):
            shelf = tracked_shelf(shelves, line.product_id, f"/lines/{n}/productId")
            quantity = Decimal(line.quantity)
            if quantity > shelf.quantity:
                raise InsufficientStock(shelf.product_id, shelf.name, shelf.quantity, f"/lines/{n}/quantity")
            moves.append(shelf.move(-quantity, -take(shelf.quantity, shelf.value, quantity)))
        transfer_id, at = data.id or uuid7(), clock.now()
        await write_moves(
            work, source, list(shelves.values()), moves, kind="transfer-out", document_id=transfer_id, at=at
        )
        await work.session.execute(
            _INSERT,
            {
                "tenant_id": work.tenant_id,
                "id": transfer_id,
                "from_id": source,
                "to_id": target,
                "note": data.note,
                "user_id": work.actor.user_id,
                "line_count": len(moves),
                "value": -sum((move.value for move in moves), start=ZERO),
                "at": at,
                "body_hash": body_hash,
                "product_ids": product_ids,
                "quantities": [-move.quantity for move in moves],
                "amounts": [-move.value for move in moves],
            },
        )
        answer = await self._reads.find(transfer_id)
        work.record("stock.transferred", transfer_id, after=answer)
        return answer, True

    async def receive(self, transfer_id: UUID, data: ReceiveTransfer) -> TransferOut:
        """Put what arrived onto the destination's shelves with the pesos it left with, and write off what was lost.

        Everything that left transit comes onto the shelf; what was lost leaves it at once through an adjustment that
        carries exactly its pesos, so that the kardex and every report of losses have it, and reversing it brings it back.
        Raises 403 in a branch that is not the caller's, 404, 409 when nothing is on its way, 422 for more than is on its way.
        """
        body_hash = fingerprint([str(transfer_id), data])
        state, transit = await self._lock(transfer_id, "to_warehouse_id")
        if data.id is not None and await self._arrived(data.id, body_hash):
            return await self._reads.find(transfer_id)
        _refuse_closed(state)
        arriving = _everything(transit) if data.lines is None else _asked(data.lines, transit)
        arrival = _Arrival(data.id or uuid7(), transfer_id, "received", state["to_warehouse_id"], data.note, body_hash)
        return await self._arrive(arrival, arriving, transit)

    async def cancel(self, transfer_id: UUID, data: CancelTransfer) -> TransferOut:
        """Bring what is on its way back onto the source's shelves with its pesos. Raises 403, 404, 409 when nothing is."""
        state, transit = await self._lock(transfer_id, "from_warehouse_id")
        _refuse_closed(state)
        arrival = _Arrival(uuid7(), transfer_id, "cancelled", state["from_warehouse_id"], data.note, None)
        return await self._arrive(arrival, _everything(transit), transit)

    async def _arrive(
        self, arrival: _Arrival, arriving: Sequence[Arriving], transit: Mapping[UUID, tuple[Decimal, Decimal]]
    ) -> TransferOut:
        work, at = self._work, clock.now()
        before = await self._reads.find(arrival.transfer_id)
        product_ids = [line.product_id for line in arriving]
        shelves = await lock_shelves(work, arrival.warehouse_id, product_ids)
        moves = [
            shelves[line.product_id].move(line.quantity + line.lost, line.value + line.lost_value) for line in arriving
        ]
        await write_moves(
            work,
            arrival.warehouse_id,
            list(shelves.values()),
            moves,
            kind="transfer-in",
            document_id=arrival.transfer_id,
            at=at,
        )
        await self._write_off(arrival, arriving, shelves, at)
        gone = {line.product_id: line.quantity + line.lost for line in arriving}
        open_lines = sum(quantity > gone.get(product_id, _NONE) for product_id, (quantity, _) in transit.items())
        value = sum((line.value for line in arriving), start=ZERO)
        lost_value = sum((line.lost_value for line in arriving), start=ZERO)
        await work.session.execute(
            _ARRIVE,
            {
                "tenant_id": work.tenant_id,
                "id": arrival.id,
                "transfer_id": arrival.transfer_id,
                "kind": arrival.kind,
                "note": arrival.note,
                "user_id": work.actor.user_id,
                "line_count": len(arriving),
                "value": value,
                "lost_value": lost_value,
                "at": at,
                "body_hash": arrival.body_hash,
                "status": "partly-received" if open_lines else arrival.kind,
                "open_lines": open_lines,
                "left": sum((pesos for _, pesos in transit.values()), start=ZERO) - value - lost_value,
                "product_ids": product_ids,
                "quantities": [line.quantity for line in arriving],
                "amounts": [line.value for line in arriving],
                "lost": [line.lost for line in arriving],
                "lost_amounts": [line.lost_value for line in arriving],
                "reasons": [line.reason for line in arriving],
                "adjustments": [line.adjustment_id for line in arriving],
            },
        )
        answer = await self._reads.find(arrival.transfer_id)
        action = "stock.transfer-received" if arrival.kind == "received" else "stock.transfer-cancelled"
        work.record(action, arrival.transfer_id, before=before, after=answer)
        return answer

    async def _write_off(
        self, arrival: _Arrival, arriving: Sequence[Arriving], shelves: Mapping[UUID, Shelf], at: datetime
    ) -> None:
        """One adjustment a reason, of units that came onto the shelf only on paper."""
        for reason in sorted({line.reason for line in arriving if line.reason is not None}):
            lost = [line for line in arriving if line.reason == reason]
            moves = [shelves[line.product_id].move(-line.lost, -line.lost_value) for line in lost]
            note = f"Perdido en el traslado {arrival.transfer_id}. {arrival.note}".strip()
            header = Header(uuid7(), False, arrival.warehouse_id, reason, note, None)
            for line in lost:
                line.adjustment_id = header.id
            touched = {line.product_id: shelves[line.product_id] for line in lost}
            await write_adjustment(self._work, header, touched, moves, at)

    async def _places(self, data: PostTransfer) -> tuple[UUID, UUID]:
        """Both warehouses, held against being retired."""
        source = await find_warehouse(self._work, data.from_warehouse_id, "/fromWarehouseId")
        target = await find_warehouse(self._work, data.to_warehouse_id, "/toWarehouseId", anywhere=True)
        if source == target:
            detail = "El destino es la misma bodega."
            raise RuleBroken(
                detail, code="same-warehouse", errors=(FieldError("/toWarehouseId", "same-warehouse", detail),)
            )
        return source, target

    async def _lock(self, transfer_id: UUID, end: str) -> tuple[Mapping[str, Any], dict[UUID, tuple[Decimal, Decimal]]]:
        """The transfer's state under lock, and what is on its way by product, in the order it was sent.

        Raises 403 when the caller does not work at the end where its goods are to come onto the shelves.
        """
        key = {"tenant_id": self._work.tenant_id, "id": transfer_id}
        state = (await self._work.session.execute(_LOCK_STATE, key)).mappings().one_or_none()
        if state is None:
            raise NotFound("No existe ese traslado.")
        await check_warehouse(self._work, state[end])
        rows = await self._work.session.execute(_TRANSIT, key)
        return dict(state), {row.product_id: (row.quantity, row.value) for row in rows}

    async def _earlier(self, transfer_id: UUID, body_hash: bytes) -> TransferOut | None:
        """What a client-chosen id already stands for: a retry's answer, or 409 for a different body."""
        stored = await self._reads.hash_of(transfer_id)
        if stored is None:
            return None
        if stored != body_hash:
            raise Conflict("Ya existe un traslado con ese identificador.", code="id-taken")
        return await self._reads.find(transfer_id)

    async def _arrived(self, arrival_id: UUID, body_hash: bytes) -> bool:
        """Whether this reception was booked before. Raises 409 when its id stands for another."""
        key = {"tenant_id": self._work.tenant_id, "id": arrival_id}
        row = (await self._work.session.execute(_ARRIVAL, key)).one_or_none()
        if row is not None and row.body_hash != body_hash:
            raise Conflict("Ya existe una recepción con ese identificador.", code="id-taken")
        return row is not None


def _refuse_closed(state: Mapping[str, Any]) -> None:
    if not state["open_lines"]:
        said = "ya fue cancelado" if state["status"] == "cancelled" else "ya fue recibido"
        raise TransferClosed(f"El traslado {said}: no queda nada en camino.", transferStatus=state["status"])


def _refuse_repeats(product_ids: Sequence[UUID]) -> None:
    seen: set[UUID] = set()
    for n, product_id in enumerate(product_ids):
        if product_id in seen:
            detail = "El producto ya está en otra línea; sume las cantidades."
            raise RuleBroken(
                detail,
                code="repeated-product",
                errors=(FieldError(f"/lines/{n}/productId", "repeated-product", detail),),
            )
        seen.add(product_id)


def _everything(transit: Mapping[UUID, tuple[Decimal, Decimal]]) -> list[Arriving]:
    return [Arriving(product_id, *there) for product_id, there in transit.items() if there[0]]


def _asked(lines: Sequence[ReceiveLine], transit: Mapping[UUID, tuple[Decimal, Decimal]]) -> list[Arriving]:
    _refuse_repeats([line.product_id for line in lines])
    return [_line(line, n, transit) for n, line in enumerate(lines)]


def _line(line: ReceiveLine, n: int, transit: Mapping[UUID, tuple[Decimal, Decimal]]) -> Arriving:
    there = transit.get(line.product_id)
    if there is None:
        raise unknown_reference(f"/lines/{n}/productId", "No está en este traslado.")
    quantity, lost = Decimal(line.quantity), Decimal(line.lost or 0)
    whole = quantity + lost
    if whole > there[0]:
        left = as_quantity(there[0])
        raise RuleBroken(
            f"Es más de lo que viene en camino: {left}.",
            code="above-transit",
            errors=(FieldError(f"/lines/{n}/quantity", "above-transit", f"En camino hay {left}."),),
            productId=line.product_id,
            inTransit=left,
        )
    pesos = take(*there, whole)
    lost_value = share(pesos, lost, whole)
    return Arriving(line.product_id, quantity, pesos - lost_value, lost, lost_value, line.reason)
