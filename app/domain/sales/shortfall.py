"""Units an offline till sold that the books did not have: put on the shelf, written down, left for the owner to settle."""

from datetime import datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.db.lane import LaneConnection
from app.domain.sales.goods import Basket
from app.lib.tokens import Claims

_BOOK: Final = """
WITH missing AS (SELECT * FROM unnest($4::uuid[], $5::numeric[], $6::numeric[], $7::numeric[], $8::uuid[], $9::uuid[])
                 AS t(product_id, quantity, value, unit_cost, movement_id, conflict_id)),
 st AS (UPDATE stock s SET quantity = s.quantity + t.quantity, value = s.value + t.value, moves = s.moves + 1,
               changed_xid = (pg_current_xact_id()::text)::bigint
        FROM missing t WHERE s.tenant_id = $1 AND s.warehouse_id = $3 AND s.product_id = t.product_id
        RETURNING t.*, s.moves, s.quantity AS balance_quantity, s.value AS balance_value),
 moved AS (INSERT INTO stock_movement (tenant_id, id, product_id, warehouse_id, position, kind, document_id, quantity, value,
                  balance_quantity, balance_value, user_id, created_at)
           SELECT $1, movement_id, product_id, $3, moves, 'shortfall', $2, quantity, value, balance_quantity, balance_value,
                  $10, $11 FROM st)
INSERT INTO stock_conflict (tenant_id, id, product_id, warehouse_id, document_id, missing, unit_cost, created_at)
SELECT $1, conflict_id, product_id, $3, $2, quantity, unit_cost, $11 FROM st"""


async def book_shortfall(
    connection: LaneConnection, claims: Claims, warehouse_id: UUID, sale_id: UUID, basket: Basket, now: datetime
) -> None:
    """Raise the locked shelves to what the ticket takes; the ledger says `shortfall`, the conflict list says how much."""
    short = basket.missing
    await connection.execute(
        _BOOK,
        claims.tenant_id,
        sale_id,
        warehouse_id,
        [row.shelf.product_id for row in short],
        [row.missing for row in short],
        [row.value for row in short],
        [row.unit_cost for row in short],
        [uuid7() for _ in short],
        [uuid7() for _ in short],
        claims.user_id,
        now,
    )
