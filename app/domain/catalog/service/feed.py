"""What changed since a client last asked, for tills and apps that keep a copy.

Commit order is not clock order, so rows carry the 64-bit id of the transaction that wrote them, and a cursor is the
oldest transaction still running when it was given: everything below it is visible for good, nothing below it can
appear later. Such ids mean something in one history of one database cluster only, hence the cursor names that too.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Work
from app.domain.catalog.rows import COLUMNS, as_seen_by, product_out
from app.domain.catalog.tree_schemas import CatalogChange, CatalogChanges, CustomerChange, StockChange
from app.lib.errors import FieldError, Malformed
from app.lib.money import as_quantity
from app.lib.pages import decode_cursor, encode_cursor

Kind = Literal["product", "stock", "customer"]

_HORIZON: Final = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS xmin, "
    "CAST(s.system_identifier AS text) || '.' || CAST(c.timeline_id AS text) AS history "
    "FROM pg_control_system() s, pg_control_checkpoint() c"
)
_SELECT: Final[dict[Kind, str]] = {
    "product": f"SELECT p.changed_xid, {COLUMNS} FROM product p WHERE p.tenant_id = :tenant_id",
    "stock": "SELECT p.changed_xid, p.product_id, p.warehouse_id, p.quantity FROM stock p "
    "WHERE p.tenant_id = :tenant_id",
    "customer": "SELECT p.changed_xid, p.id, p.identification_type, p.identification, p.dv, p.name, p.email, p.phone, "
    "p.is_final_consumer, p.merged_into, p.retired_at FROM customer p WHERE p.tenant_id = :tenant_id",
}
_SEEN_WITH: Final[dict[Kind, str]] = {
    "product": "products:read",
    "stock": "inventory:read",
    "customer": "customers:read",
}
_ID: Final = "p.id"
_CHANGED: Final = "AND p.changed_xid >= :since AND p.changed_xid < :until"


Xid = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Id of a transaction, epoch included."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a client stands."""

    history: str
    """Cluster and timeline whose transaction ids the rest speaks of."""
    since: Xid | None
    """First transaction it has not seen; None: it has seen nothing."""
    until: Xid | None = None
    """End of the round it is paging through; None: the next round has not begun."""
    kind: Kind = "product"
    key: tuple[Xid | UUID, UUID] | None = None
    """Last row of that kind: transaction and id, or two ids."""


class ChangeFeed:
    """Reads of the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def read(self, since: str | None, limit: int) -> CatalogChanges:
        """One page of changes; without `since`, or with one of another history, of everything there is."""
        horizon = (await self._work.session.execute(_HORIZON)).one()
        cursor = Cursor(horizon.history, None) if since is None else _read(since)
        if cursor.key is not None and isinstance(cursor.key[0], UUID) is not _by_ids(cursor):
            raise _not_ours()
        full_resync = cursor.history != horizon.history or max(cursor.since or 0, cursor.until or 0) > horizon.xmin
        if full_resync:
            cursor = Cursor(horizon.history, None)
        until = horizon.xmin if cursor.until is None else cursor.until
        cursor = msgspec.structs.replace(cursor, until=until)
        items: list[CatalogChange] = []
        kinds: Sequence[Kind] = [kind for kind in _SELECT if self._work.actor.may(_SEEN_WITH[kind])]
        for kind in kinds[kinds.index(cursor.kind) if cursor.kind in kinds else 0 :]:
            if kind != cursor.kind:
                cursor = msgspec.structs.replace(cursor, kind=kind, key=None)
            room = limit - len(items)
            rows = await self._rows(cursor, room + 1)
            items += [self._change(kind, row) for row in rows[:room]]
            if len(rows) > room:
                if room:
                    cursor = msgspec.structs.replace(cursor, key=self._key(cursor, rows[room - 1]))
                return self._answer(items, cursor, more=True, full_resync=full_resync)
        return self._answer(items, Cursor(horizon.history, until), more=False, full_resync=full_resync)

    async def _rows(self, cursor: Cursor, limit: int) -> Sequence[Any]:
        """The next rows of one kind. The first copy takes all of them, in the order of their ids: rows of a restored
        database may carry ids of transactions that this cluster has not reached."""
        columns = self._columns(cursor)
        condition = "" if cursor.since is None else _CHANGED
        values: dict[str, Any] = {"tenant_id": self._work.tenant_id, "limit": limit}
        if cursor.since is not None:
            values |= {"since": cursor.since, "until": cursor.until}
        if cursor.key is not None:
            values["first"], second = cursor.key
            if columns == _ID:
                condition += " AND p.id > :first"
            else:
                condition += f" AND ({columns}) > (:first, :second)"
                values["second"] = second
        statement = text(f"{_SELECT[cursor.kind]} {condition} ORDER BY {columns} LIMIT :limit")
        return (await self._work.session.execute(statement, values)).mappings().all()

    @staticmethod
    def _columns(cursor: Cursor) -> str:
        """What a page of this kind is ordered by. Stock has no index on its transactions, so that a sale stays cheap."""
        if cursor.kind == "stock":
            return "p.product_id, p.warehouse_id"
        return _ID if _by_ids(cursor) else "p.changed_xid, p.id"

    @staticmethod
    def _key(cursor: Cursor, row: Any) -> tuple[int | UUID, UUID]:
        if cursor.kind == "stock":
            return row["product_id"], row["warehouse_id"]
        return (row["id"], row["id"]) if _by_ids(cursor) else (row["changed_xid"], row["id"])

    def _change(self, kind: Kind, row: Any) -> CatalogChange:
        if kind == "product":
            product = as_seen_by(product_out(row, with_costs=True), self._work.actor)
            return CatalogChange(kind=kind, gone=product.retired_at is not None, product=product)
        if kind == "stock":
            stock = StockChange(
                product_id=row["product_id"],
                warehouse_id=row["warehouse_id"],
                quantity=as_quantity(row["quantity"]),
            )
            return CatalogChange(kind=kind, gone=False, stock=stock)
        customer = CustomerChange(**{field: row[field] for field in CustomerChange.__struct_fields__})
        return CatalogChange(kind=kind, gone=customer.retired_at is not None, customer=customer)

    @staticmethod
    def _answer(items: list[CatalogChange], cursor: Cursor, *, more: bool, full_resync: bool) -> CatalogChanges:
        following = encode_cursor(msgspec.to_builtins(cursor))
        return CatalogChanges(items=items, next_cursor=following, more=more, full_resync=full_resync)


def _by_ids(cursor: Cursor) -> bool:
    return cursor.kind == "stock" or cursor.since is None


def _read(since: str) -> Cursor:
    try:
        return decode_cursor(since, Cursor)
    except Malformed as error:
        raise _not_ours() from error


def _not_ours() -> Malformed:
    detail = "No es un cursor de esta lista."
    return Malformed("El cursor no es válido.", errors=(FieldError("/since", "invalid-cursor", detail),))
