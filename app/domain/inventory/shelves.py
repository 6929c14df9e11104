"""Shelves: stock rows locked for a change, and the one statement that writes a change of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, cast
from uuid import UUID

from sqlalchemy import DateTime, bindparam, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.tenants.scope import check_branch
from app.lib.errors import NotFound, unknown_reference

_LOCK: Final = text(
    "SELECT s.product_id, s.quantity, s.value, s.moves, p.sku, p.name, p.tracks_stock, p.last_cost "
    "FROM stock s JOIN product p ON p.tenant_id = s.tenant_id AND p.id = s.product_id "
    "WHERE s.tenant_id = :tenant_id AND s.warehouse_id = :warehouse_id "
    "AND s.product_id = ANY(CAST(:product_ids AS uuid[])) "
    "ORDER BY s.product_id, s.warehouse_id FOR UPDATE OF s"
)
_WRITE: Final = text(
    "WITH shelf AS (UPDATE stock s SET quantity = n.quantity, value = n.value, moves = n.moves, "
    "changed_xid = (pg_current_xact_id()::text)::bigint "
    "FROM unnest(CAST(:product_ids AS uuid[]), CAST(:quantities AS numeric[]), CAST(:amounts AS numeric[]), "
    "CAST(:moves AS bigint[])) AS n (product_id, quantity, value, moves) "
    "WHERE s.tenant_id = :tenant_id AND s.warehouse_id = :warehouse_id AND s.product_id = n.product_id) "
    "INSERT INTO stock_movement (tenant_id, id, product_id, warehouse_id, position, kind, document_id, quantity, value, "
    "balance_quantity, balance_value, user_id, created_at) "
    "SELECT :tenant_id, m.id, m.product_id, :warehouse_id, m.position, :kind, :document_id, m.quantity, m.value, "
    "m.balance_quantity, m.balance_value, :user_id, :at "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:moved_ids AS uuid[]), CAST(:positions AS bigint[]), "
    "CAST(:moved_quantities AS numeric[]), CAST(:moved_values AS numeric[]), CAST(:balances AS numeric[]), "
    "CAST(:balance_values AS numeric[])) "
    "AS m (id, product_id, position, quantity, value, balance_quantity, balance_value)"
).bindparams(bindparam("at", type_=DateTime(timezone=True)))
_WAREHOUSE: Final = text(
    "SELECT id, branch_id FROM warehouse WHERE tenant_id = :tenant_id AND retired_at IS NULL "
    "AND (id = CAST(:wanted AS uuid) OR (CAST(:wanted AS uuid) IS NULL AND is_default)) ORDER BY created_at, id LIMIT 1 "
    "FOR SHARE"
)
"""Held until the change is written: whoever retires the warehouse waits, and then sees what lies there."""


@dataclass(frozen=True)
class Move:
    """One line of the ledger, with the balance after it."""

    id: UUID
    product_id: UUID
    position: int
    quantity: Decimal
    value: Decimal
    balance_quantity: Decimal
    balance_value: Decimal


@dataclass
class Shelf:
    """A product in one warehouse, locked; it changes only through `move`."""

    product_id: UUID
    sku: str
    name: str
    tracks_stock: bool
    last_cost: Decimal | None
    quantity: Decimal
    value: Decimal
    moves: int

    def move(self, quantity: Decimal, value: Decimal) -> Move:
        """Apply a signed quantity and its signed pesos; the caller has checked that there is enough."""
        self.quantity += quantity
        self.value += value
        self.moves += 1
        return Move(uuid7(), self.product_id, self.moves, quantity, value, self.quantity, self.value)


async def find_warehouse(
    work: Work, warehouse_id: UUID | None, pointer: str = "/warehouseId", *, anywhere: bool = False
) -> UUID:
    """The warehouse asked for, else the company's default one, held against being retired.

    Raises 422 for an unknown or retired one, at this place of the body, and unless `anywhere` 403 for one of a branch
    that is not the caller's.
    """
    asked = {"tenant_id": work.tenant_id, "wanted": warehouse_id}
    found = (await work.session.execute(_WAREHOUSE, asked)).one_or_none()
    if found is not None:
        if not anywhere:
            check_branch(work.actor, found.branch_id)
        return cast("UUID", found.id)
    if warehouse_id is None:
        raise NotFound("La empresa no tiene una bodega principal.")
    raise unknown_reference(pointer)


async def lock_shelves(work: Work, warehouse_id: UUID, product_ids: Iterable[UUID]) -> dict[UUID, Shelf]:
    """Lock the stock rows of these products in the order every writer keeps; unknown products are absent."""
    rows = await work.session.execute(
        _LOCK,
        {"tenant_id": work.tenant_id, "warehouse_id": warehouse_id, "product_ids": sorted(set(product_ids))},
    )
    return {row["product_id"]: Shelf(**row) for row in rows.mappings()}


async def write_moves(
    work: Work,
    warehouse_id: UUID,
    shelves: Sequence[Shelf],
    moves: Sequence[Move],
    *,
    kind: str,
    document_id: UUID,
    at: datetime,
) -> None:
    """Write shelves as they stand now, and the movements that brought them there."""
    await work.session.execute(
        _WRITE,
        {
            "tenant_id": work.tenant_id,
            "warehouse_id": warehouse_id,
            "kind": kind,
            "document_id": document_id,
            "user_id": work.actor.user_id,
            "at": at,
            "product_ids": [shelf.product_id for shelf in shelves],
            "quantities": [shelf.quantity for shelf in shelves],
            "amounts": [shelf.value for shelf in shelves],
            "moves": [shelf.moves for shelf in shelves],
            "ids": [move.id for move in moves],
            "moved_ids": [move.product_id for move in moves],
            "positions": [move.position for move in moves],
            "moved_quantities": [move.quantity for move in moves],
            "moved_values": [move.value for move in moves],
            "balances": [move.balance_quantity for move in moves],
            "balance_values": [move.balance_value for move in moves],
        },
    )
