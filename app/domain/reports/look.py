"""What the rules of one reading look at: each figure is read once, however many rules ask for it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.forecast import Forecast, forecast_of, histories
from app.domain.reports.stock import dead_rows, names_of, shelves, sold_by_product
from app.domain.reports.tables import Row

_T = TypeVar("_T")
IDLE_AFTER = 30
"""Days without a sale before stock is told not to rotate."""


class Look:
    """Figures of a period, by need."""

    def __init__(self, work: Work, asked: Asked) -> None:
        self.work = work
        self.asked = asked
        self._seen: dict[str, Any] = {}

    async def sold(self) -> Mapping[UUID, Any]:
        """Units, base, cost and total of each product, net of returns."""
        return await self._once("sold", lambda: sold_by_product(self.work, self.asked))

    async def shelves(self) -> Sequence[Any]:
        """Goods as they lie now."""
        return await self._once("shelves", lambda: shelves(self.work, self.asked, None))

    async def idle(self) -> list[Row]:
        """Stock that nobody bought for `IDLE_AFTER` days."""

        async def read() -> list[Row]:
            return await dead_rows(self.work, self.asked, IDLE_AFTER, await self.shelves())

        return await self._once("idle", read)

    async def histories(self) -> Mapping[UUID, list[float]]:
        """Units a day of the products that sell most."""
        return await self._once("histories", lambda: histories(self.work, self.asked))

    async def forecasts(self) -> Mapping[UUID, Forecast]:
        """What comes, of the same products."""

        async def read() -> Mapping[UUID, Forecast]:
            return {key: forecast_of(history, self.asked.last) for key, history in (await self.histories()).items()}

        return await self._once("forecasts", read)

    async def names(self, products: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
        """Code and name of products."""
        return await names_of(self.work, products)

    async def _once(self, name: str, read: Callable[[], Awaitable[_T]]) -> _T:
        if name not in self._seen:
            self._seen[name] = await read()
        return cast("_T", self._seen[name])
