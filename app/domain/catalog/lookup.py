"""One scan, one answer: a product by barcode or reference, on the fast lane.

A single statement reads who asks and what was asked for; it is the counter's most frequent question.
"""

from typing import Final, Literal

from app.db.lane import Lane
from app.domain.catalog.rows import COLUMNS, STOCK, found_product
from app.domain.catalog.schemas import ProductPage
from app.lib.actor import ACTOR_COLUMNS, ACTOR_TABLES, Access, admit
from app.lib.schemas import JSON
from app.lib.tokens import Claims

READS_PRODUCTS: Final = Access("products:read", writes=False, in_read_only=False)
"""What the route's guard asks for; on the lane the handler checks it itself."""

Code = Literal["barcode", "sku"]

_SOURCES: Final[dict[Code, str]] = {
    "barcode": "product_barcode c JOIN product p ON p.tenant_id = $1 AND p.id = c.product_id "
    "WHERE c.tenant_id = $1 AND c.code = $4",
    "sku": "product p WHERE p.tenant_id = $1 AND p.sku = $4",
}
_STATEMENTS: Final[dict[Code, str]] = {
    kind: f"SELECT {ACTOR_COLUMNS}, f.* FROM {ACTOR_TABLES} "
    f"LEFT JOIN LATERAL (SELECT {COLUMNS}, {STOCK} FROM {source} AND (p.retired_at IS NOT NULL) = $5) f ON true "
    "WHERE m.tenant_id = $1 AND t.tenant_id = $1 AND m.user_id = $2 AND a.id = $3"
    for kind, source in _SOURCES.items()
}


async def look_up(lane: Lane, claims: Claims, kind: Code, code: str, *, retired: bool) -> bytes:
    """The encoded page of the product with this code, empty when there is none. Raises 401 and 403."""
    async with lane.transaction(claims.tenant_id, claims.user_id) as connection:
        row = await connection.fetchrow(
            _STATEMENTS[kind], claims.tenant_id, claims.user_id, claims.session_id, code, retired
        )
    _, permissions = admit(row, READS_PRODUCTS)
    assert row is not None
    items = [] if row["id"] is None else [found_product(row, permissions)]
    return JSON.encode(ProductPage(items=items, next_cursor=None))
