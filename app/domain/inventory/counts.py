"""Rules of stock counts: a warehouse is counted while it goes on selling.

A counted product keeps what the books said at the moment of its last entry. The difference between both is what was wrong
then, and whatever came or went later changed the shelf and the books alike: so the close posts `counted - books at that
moment` onto the shelf of now. Goods that moved between a product's first and last entry may have been seen twice or not
at all, which nobody can tell afterwards: the review marks them, for a recount.

Locks: the count (shared by who enters, alone for who ends it), its products in their order, then shelves in theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, bindparam, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.inventory.count_reads import CountReads, item_out
from app.domain.inventory.count_schemas import CountItemOut, CountLine, CountOut, EnterCount, OpenCount, RecountProducts
from app.domain.inventory.count_scope import CountScope
from app.domain.inventory.shelves import find_warehouse
from app.domain.tenants.scope import check_warehouse
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.money import as_quantity
from app.lib.schemas import fingerprint

_INSERT: Final = text(
    "INSERT INTO stock_count (tenant_id, id, warehouse_id, scope, category_id, note, user_id, status, created_at, "
    "body_hash) VALUES (:tenant_id, :id, :warehouse_id, :scope, CAST(:category_id AS uuid), :note, :user_id, 'open', :at, "
    ":body_hash) ON CONFLICT DO NOTHING RETURNING id"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_LOCK: Final = (
    "SELECT id, warehouse_id, category_id, scope, status FROM stock_count WHERE tenant_id = :tenant_id AND id = :id "
)
_LOCK_SHARED: Final = text(_LOCK + "FOR SHARE")
_LOCK_ALONE: Final = text(_LOCK + "FOR UPDATE")
_ITEMS: Final = text(
    "SELECT i.product_id, p.sku, p.name, i.round, i.entries, i.counted, i.counted_at, i.counted_by, i.book_quantity, "
    "i.book_position, i.first_position FROM stock_count_item i "
    "JOIN product p ON p.tenant_id = i.tenant_id AND p.id = i.product_id "
    "WHERE i.tenant_id = :tenant_id AND i.count_id = :id AND i.product_id = ANY(CAST(:product_ids AS uuid[])) "
    "ORDER BY i.product_id FOR UPDATE OF i"
)
_BOOKS: Final = text(
    "SELECT product_id, quantity, moves FROM stock WHERE tenant_id = :tenant_id AND warehouse_id = :warehouse_id "
    "AND product_id = ANY(CAST(:product_ids AS uuid[]))"
)
_ENTER: Final = text(
    "WITH entry AS (INSERT INTO stock_count_entry (tenant_id, id, count_id, product_id, position, round, mode, quantity, "
    "total, book_quantity, device, user_id, created_at) SELECT :tenant_id, e.id, :count_id, e.product_id, e.position, "
    "e.round, e.mode, e.quantity, e.total, e.book, :device, :user_id, :at FROM unnest(CAST(:ids AS uuid[]), "
    "CAST(:entered AS uuid[]), CAST(:positions AS bigint[]), CAST(:rounds AS bigint[]), CAST(:modes AS text[]), "
    "CAST(:quantities AS numeric[]), CAST(:totals AS numeric[]), CAST(:books AS numeric[])) "
    "AS e (id, product_id, position, round, mode, quantity, total, book)) "
    "UPDATE stock_count_item i SET entries = n.entries, counted = n.counted, counted_at = :at, counted_by = :user_id, "
    "book_quantity = n.book, book_position = n.position, first_position = coalesce(i.first_position, n.position) "
    "FROM unnest(CAST(:product_ids AS uuid[]), CAST(:entries AS bigint[]), CAST(:counted AS numeric[]), "
    "CAST(:book_quantities AS numeric[]), CAST(:book_positions AS bigint[])) "
    "AS n (product_id, entries, counted, book, position) "
    "WHERE i.tenant_id = :tenant_id AND i.count_id = :count_id AND i.product_id = n.product_id"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_RECOUNT: Final = text(
    "UPDATE stock_count_item SET round = round + 1, counted = NULL, counted_at = NULL, counted_by = NULL, "
    "book_quantity = NULL, book_position = NULL, first_position = NULL WHERE tenant_id = :tenant_id AND count_id = :id "
    "AND product_id = ANY(CAST(:product_ids AS uuid[]))"
)


class CountEnded(Conflict):
    """It was closed or cancelled."""

    code = "count-ended"


class CountOverlaps(Conflict):
    """A product is counted in one open count of its warehouse at a time."""

    code = "count-open"


_OVERLAP: Final = "Otro conteo abierto de esa bodega ya incluye alguno de esos productos."
BROKEN_CONSTRAINTS["uq_stock_count_item_open"] = CountOverlaps(_OVERLAP)


@dataclass
class _Counting:
    """A product's item, locked, as the lines of one request change it."""

    row: Mapping[str, Any]
    counted: Decimal
    entries: int


class CountService:
    """Opens counts and takes what people see; ending them is `count_closing`'s."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._reads = CountReads(work)

    async def open(self, data: OpenCount) -> tuple[CountOut, bool]:
        """Begin a count with a picture of what the books expect; answers it and whether it is new.

        Raises 409 `count-open` when another open count has one of the products, 422 when there is nothing to count.
        """
        work, body_hash = self._work, fingerprint(data)
        if earlier := await self._earlier(data.id, body_hash):
            return earlier, False
        warehouse_id = await find_warehouse(work, data.warehouse_id)
        scope = CountScope(work, warehouse_id, data.category_id, data.product_ids)
        await scope.check()
        count_id = data.id or uuid7()
        made = await work.session.execute(
            _INSERT,
            {
                "tenant_id": work.tenant_id,
                "id": count_id,
                "warehouse_id": warehouse_id,
                "scope": scope.kind,
                "category_id": data.category_id,
                "note": data.note,
                "user_id": work.actor.user_id,
                "at": clock.now(),
                "body_hash": body_hash,
            },
        )
        if made.one_or_none() is None:
            # A copy of this request was faster.
            if twin := await self._earlier(data.id, body_hash):
                return twin, False
            raise Conflict("Otra operación está en curso; intente de nuevo.", code="busy", headers={"Retry-After": "1"})
        if other := await scope.open_count():
            raise CountOverlaps(_OVERLAP, countId=other)
        if not await scope.take_picture(count_id):
            raise RuleBroken("No hay productos que contar.", code="nothing-to-count")
        answer = await self._reads.find(count_id)
        work.record("stock.count-opened", count_id, after=answer)
        return answer, True

    async def enter(self, count_id: UUID, data: EnterCount) -> list[CountItemOut]:
        """Add or set what was seen; answers what is counted by now of each product.

        Raises 404, 409 `count-ended`, 422 for a product that is unknown, not part of the count, or below zero.
        """
        work, at = self._work, clock.now()
        head = await self.lock(count_id, alone=False)
        product_ids = sorted({line.product_id for line in data.lines})
        items = await self._items(head, product_ids)
        for n, line in enumerate(data.lines):
            if line.product_id not in items:
                raise await self._not_in_count(line.product_id, n)
        key = {"tenant_id": work.tenant_id, "warehouse_id": head["warehouse_id"], "product_ids": product_ids}
        # Read once the items are held: whoever counted them before us saw older books.
        books = {row.product_id: row for row in await work.session.execute(_BOOKS, key)}
        counting = {id_: _Counting(row, row["counted"] or Decimal(0), row["entries"]) for id_, row in items.items()}
        entered = [_apply(counting[line.product_id], line, n) for n, line in enumerate(data.lines)]
        await work.session.execute(
            _ENTER,
            {
                "tenant_id": work.tenant_id,
                "count_id": count_id,
                "device": data.device,
                "user_id": work.actor.user_id,
                "at": at,
                "ids": [uuid7() for _ in entered],
                "entered": [line.product_id for line in data.lines],
                "positions": [position for position, _ in entered],
                "rounds": [items[line.product_id]["round"] for line in data.lines],
                "modes": [line.mode for line in data.lines],
                "quantities": [Decimal(line.quantity) for line in data.lines],
                "totals": [total for _, total in entered],
                "books": [books[line.product_id].quantity for line in data.lines],
                "product_ids": product_ids,
                "entries": [counting[id_].entries for id_ in product_ids],
                "counted": [counting[id_].counted for id_ in product_ids],
                "book_quantities": [books[id_].quantity for id_ in product_ids],
                "book_positions": [books[id_].moves for id_ in product_ids],
            },
        )
        work.record("stock.counted", count_id, after=data)
        now = {"counted_at": at, "counted_by": work.actor.user_id}
        return [item_out({**items[id_], "counted": counting[id_].counted, **now}) for id_ in product_ids]

    async def recount(self, count_id: UUID, data: RecountProducts) -> CountOut:
        """Forget what was counted of some products, or of all that differ, and count them again.

        What was entered stays on record. Raises 404, 409 `count-ended`, 422 for a product that is not part of it.
        """
        work = self._work
        head = await self.lock(count_id, alone=True)
        product_ids = data.product_ids
        if product_ids is None:
            product_ids = await self._reads.differing(count_id)
        else:
            known = await self._locked_items(head["id"], product_ids)
            for n, product_id in enumerate(product_ids):
                if product_id not in known:
                    raise unknown_reference(f"/productIds/{n}", "No está en este conteo.")
        key = {"tenant_id": work.tenant_id, "id": count_id, "product_ids": product_ids}
        await work.session.execute(_RECOUNT, key)
        work.record("stock.count-again", count_id, after={"productIds": [str(id_) for id_ in product_ids]})
        return await self._reads.find(count_id)

    async def lock(self, count_id: UUID, *, alone: bool) -> Mapping[str, Any]:
        """The count under lock. Raises 403 in a branch that is not the caller's, 404, and 409 when it was ended."""
        key = {"tenant_id": self._work.tenant_id, "id": count_id}
        locked = await self._work.session.execute(_LOCK_ALONE if alone else _LOCK_SHARED, key)
        head = locked.mappings().one_or_none()
        if head is None:
            raise NotFound("No existe ese conteo.")
        await check_warehouse(self._work, head["warehouse_id"])
        if head["status"] != "open":
            said = "cerrado" if head["status"] == "closed" else "cancelado"
            raise CountEnded(f"El conteo ya fue {said}.", countStatus=head["status"])
        return dict(head)

    async def _items(self, head: Mapping[str, Any], product_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
        """Items under lock; products born after the count was opened join it when they belong to its scope."""
        items = await self._locked_items(head["id"], product_ids)
        late = [id_ for id_ in product_ids if id_ not in items]
        if late and head["scope"] != "products":
            scope = CountScope(self._work, head["warehouse_id"], head["category_id"], late)
            if await scope.take_picture(head["id"], late=True):
                items = await self._locked_items(head["id"], product_ids)
        return items

    async def _locked_items(self, count_id: UUID, product_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
        key = {"tenant_id": self._work.tenant_id, "id": count_id, "product_ids": list(product_ids)}
        rows = await self._work.session.execute(_ITEMS, key)
        return {row["product_id"]: dict(row) for row in rows.mappings()}

    async def _not_in_count(self, product_id: UUID, line: int) -> RuleBroken:
        pointer = f"/lines/{line}/productId"
        if not await self._reads.has_product(product_id):
            return unknown_reference(pointer)
        detail = "El producto no hace parte de este conteo."
        return RuleBroken(detail, code="not-in-count", errors=(FieldError(pointer, "not-in-count", detail),))

    async def _earlier(self, wanted: UUID | None, body_hash: bytes) -> CountOut | None:
        """What a client-chosen id already stands for: a retry's answer, or 409 for a different body."""
        stored = await self._reads.hash_of(wanted) if wanted is not None else None
        if stored is None or wanted is None:
            return None
        if stored != body_hash:
            raise Conflict("Ya existe un conteo con ese identificador.", code="id-taken")
        return await self._reads.find(wanted)


def _apply(item: _Counting, line: CountLine, n: int) -> tuple[int, Decimal]:
    """Count one line; answers its position among the product's entries and the units counted after it."""
    total = Decimal(line.quantity) if line.mode == "set" else item.counted + line.quantity
    if total < 0:
        detail = f"Lo contado no puede quedar por debajo de cero: iban {as_quantity(item.counted)}."
        raise RuleBroken(
            detail, code="count-negative", errors=(FieldError(f"/lines/{n}/quantity", "count-negative", detail),)
        )
    item.counted = total
    item.entries += 1
    return item.entries, total
