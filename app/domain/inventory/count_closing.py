"""How a count ends: its differences are posted onto the shelves of now, or it is given up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, bindparam, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.inventory.costing import take, value_in
from app.domain.inventory.count_reads import CountReads
from app.domain.inventory.count_schemas import CloseCount, CountOut
from app.domain.inventory.counts import CountService
from app.domain.inventory.service import Header, write_adjustment
from app.domain.inventory.shelves import Move, Shelf, lock_shelves
from app.lib import clock
from app.lib.errors import RuleBroken

_ITEMS: Final = text(
    "SELECT product_id, counted, book_quantity FROM stock_count_item WHERE tenant_id = :tenant_id AND count_id = :id "
    "AND (counted IS NULL OR counted <> book_quantity) ORDER BY product_id"
)
_COUNT_AS_NONE: Final = text(
    "UPDATE stock_count_item i SET counted = 0, counted_at = :at, counted_by = :user_id, book_quantity = n.quantity, "
    "book_position = n.position, first_position = n.position FROM unnest(CAST(:product_ids AS uuid[]), "
    "CAST(:quantities AS numeric[]), CAST(:positions AS bigint[])) AS n (product_id, quantity, position) "
    "WHERE i.tenant_id = :tenant_id AND i.count_id = :id AND i.product_id = n.product_id"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_UNCOUNT: Final = text(
    "UPDATE stock_count_item SET round = round + 1, counted = NULL, counted_at = NULL, counted_by = NULL, book_quantity = NULL, "
    "book_position = NULL, first_position = NULL WHERE tenant_id = :tenant_id AND count_id = :id "
    "AND product_id = ANY(CAST(:product_ids AS uuid[]))"
)
_END: Final = text(
    "WITH item AS (UPDATE stock_count_item SET is_open = false WHERE tenant_id = :tenant_id AND count_id = :id) "
    "UPDATE stock_count SET status = :status, closed_at = :at, closed_by = :user_id, "
    "adjustment_id = CAST(:adjustment_id AS uuid) WHERE tenant_id = :tenant_id AND id = :id"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_NAMED: Final = 20
"""Products that a refusal names."""


class RecountNeeded(RuleBroken):
    """More left a shelf after it was counted than the count had found on it."""

    code = "recount-needed"


class CountClosing:
    """Ends counts, each alone under its lock: nothing is entered meanwhile or afterwards."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._counts = CountService(work)
        self._reads = CountReads(work)

    async def close(self, count_id: UUID, data: CloseCount) -> CountOut:
        """Post what was counted less what the books said at that moment, as one adjustment of kind `count`.

        Raises 404, 409 `count-ended`, 422 `recount-needed` when that would leave less than nothing on a shelf.
        """
        work, at = self._work, clock.now()
        head = await self._counts.lock(count_id, alone=True)
        before = await self._reads.find(count_id)
        rows = (await work.session.execute(_ITEMS, self._key(count_id))).all()
        counted = {row.product_id: row.counted - row.book_quantity for row in rows if row.counted is not None}
        uncounted = [row.product_id for row in rows if row.counted is None and data.uncounted == "zero"]
        shelves = await lock_shelves(work, head["warehouse_id"], [*counted, *uncounted])
        await self._forget_untracked(count_id, [id_ for id_ in counted if not shelves[id_].tracks_stock])
        await self._count_as_none(count_id, [shelves[id_] for id_ in uncounted if shelves[id_].tracks_stock], at)
        wanted = counted | {id_: -shelves[id_].quantity for id_ in uncounted}
        moves = _moves(shelves, {id_: wanted[id_] for id_ in sorted(wanted)})
        adjustment_id = None
        if moves:
            note = f"Conteo {count_id}. {data.note}".strip()
            header = Header(uuid7(), False, head["warehouse_id"], "count", note, None)
            touched = {move.product_id: shelves[move.product_id] for move in moves}
            adjustment_id = (await write_adjustment(work, header, touched, moves, at)).id
        return await self._end(before, "closed", at, adjustment_id)

    async def cancel(self, count_id: UUID) -> CountOut:
        """Give a count up; what was entered stays on record. Raises 404, 409 `count-ended`."""
        await self._counts.lock(count_id, alone=True)
        return await self._end(await self._reads.find(count_id), "cancelled", clock.now(), None)

    async def _end(self, before: CountOut, status: str, at: datetime, adjustment_id: UUID | None) -> CountOut:
        work = self._work
        ended = {"status": status, "at": at, "user_id": work.actor.user_id, "adjustment_id": adjustment_id}
        await work.session.execute(_END, self._key(before.id) | ended)
        answer = await self._reads.find(before.id)
        work.record(f"stock.count-{status}", before.id, before=before, after=answer)
        return answer

    async def _count_as_none(self, count_id: UUID, shelves: Sequence[Shelf], at: datetime) -> None:
        if not shelves:
            return
        await self._work.session.execute(
            _COUNT_AS_NONE,
            self._key(count_id)
            | {
                "at": at,
                "user_id": self._work.actor.user_id,
                "product_ids": [shelf.product_id for shelf in shelves],
                "quantities": [shelf.quantity for shelf in shelves],
                "positions": [shelf.moves for shelf in shelves],
            },
        )

    async def _forget_untracked(self, count_id: UUID, product_ids: Sequence[UUID]) -> None:
        """What stopped keeping stock since it was counted has nothing to correct."""
        if product_ids:
            await self._work.session.execute(_UNCOUNT, self._key(count_id) | {"product_ids": list(product_ids)})

    def _key(self, count_id: UUID) -> dict[str, Any]:
        return {"tenant_id": self._work.tenant_id, "id": count_id}


def _moves(shelves: Mapping[UUID, Shelf], wanted: Mapping[UUID, Decimal]) -> list[Move]:
    """What brings each shelf to what was counted; surplus comes in at the average, else at the last known cost."""
    short = [shelves[id_] for id_, quantity in wanted.items() if -quantity > shelves[id_].quantity]
    if short := [shelf for shelf in short if shelf.tracks_stock]:
        names = ", ".join(shelf.name for shelf in short[:_NAMED])
        raise RecountNeeded(
            f"Salieron más unidades de las que el conteo encontró; cuente de nuevo: {names}.",
            productIds=[shelf.product_id for shelf in short],
        )
    moves: list[Move] = []
    for product_id, quantity in wanted.items():
        shelf = shelves[product_id]
        if not quantity or not shelf.tracks_stock:
            continue
        if quantity > 0:
            moves.append(shelf.move(quantity, value_in(shelf.quantity, shelf.value, shelf.last_cost, quantity)))
        else:
            moves.append(shelf.move(quantity, -take(shelf.quantity, shelf.value, -quantity)))
    return moves
