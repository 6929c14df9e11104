"""Reading one product, and the history of its prices."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work
from app.domain.catalog.rows import as_seen_by, find_product
from app.domain.catalog.schemas import PriceChangeOut, PriceChangePage, ProductOut
from app.lib.money import as_price
from app.lib.pages import cut, decode_cursor

_HISTORY: Final = (
    "SELECT id, created_at, kind, unit_code, before, after, user_id FROM price_change "
    "WHERE tenant_id = :tenant_id AND product_id = :product_id"
)


class ProductReading:
    """Reads of the request's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def find(self, product_id: UUID) -> ProductOut:
        """The product as the caller may see it. Raises `NotFound`, also for another company's."""
        return as_seen_by(await find_product(self._work, product_id), self._work.actor)

    async def prices(self, product_id: UUID, limit: int, cursor: str | None) -> PriceChangePage:
        """History of prices, newest first; of costs too for whoever may see them. Raises `NotFound`."""
        await find_product(self._work, product_id)
        key: dict[str, Any] = {"tenant_id": self._work.tenant_id, "product_id": product_id, "limit": limit + 1}
        statement = _HISTORY
        if not self._work.actor.may("costs:read"):
            statement += " AND kind <> 'cost'"
        if cursor is not None:
            statement += " AND id < :last"
            (key["last"],) = decode_cursor(cursor, tuple[UUID])
        rows = (await self._work.session.execute(text(f"{statement} ORDER BY id DESC LIMIT :limit"), key)).all()
        page, following = cut(rows, limit, lambda row: (row.id,))
        items = [
            PriceChangeOut(
                id=row.id,
                at=row.created_at,
                kind=row.kind,
                unit_code=row.unit_code,
                before=None if row.before is None else as_price(row.before),
                after=as_price(row.after),
                user_id=row.user_id,
            )
            for row in page
        ]
        return PriceChangePage(items=items, next_cursor=following)
