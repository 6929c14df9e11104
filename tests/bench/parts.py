"""What every part of the bench gets: the house, the pace, and the product's API with its shops."""

from collections.abc import Sequence
from typing import Self

import msgspec

from tests.bench.bare import PAST_SALES, Yardstick
from tests.bench.client import Arguments, Job
from tests.bench.house import House, Server
from tests.bench.measure import Cell, measure
from tests.bench.report import say
from tests.bench.shops import Shop, keep_fresh, open_shops

FIRST_NIT = 900_100_000


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how large: the full sizes count, the quick ones only show that the bench itself works."""

    seconds: float = 6.0
    rounds: int = 3
    sale_seconds: float = 2.0
    sale_rounds: int = 9
    """A sale and its yardstick take turns often: a machine that others share changes its speed from one minute to the next."""
    past_sales: int = PAST_SALES
    products: int = 100_000
    flat_sales: int = 500_000
    starts: int = 3
    documents: int = 10_000
    backup_sales: int = 200_000

    @classmethod
    def quick(cls) -> Self:
        return cls(
            seconds=2.0,
            rounds=1,
            sale_rounds=1,
            past_sales=10_000,
            products=10_000,
            flat_sales=20_000,
            starts=1,
            documents=500,
            backup_sales=20_000,
        )


class Bench:
    """One run: servers are made when the first part needs them, and shared by the later ones."""

    def __init__(self, house: House, pace: Pace) -> None:
        self.house = house
        self.pace = pace
        self._yardstick: Yardstick | None = None
        self._api: Server | None = None
        self._signed_up = 0
        self.opened: list[Shop] = []

    async def yardstick(self) -> tuple[Yardstick, Server]:
        if self._yardstick is None:
            self._yardstick = Yardstick(self.house, self.pace.past_sales)
            await self._yardstick.prepare(self.pace.seconds / 2)
        assert self._yardstick.server is not None
        return self._yardstick, self._yardstick.server

    async def api(self) -> Server:
        if self._api is None:
            await self.house.migrate()
            self._api = self.house.api()
            say(f"api: first 200 of /health after {await self._api.answering('/health'):.2f}s")
        return self._api

    async def restart_api(self) -> Server:
        """Give the API fresh connections, which see the statistics of what was filled meanwhile."""
        if self._api is not None:
            self.house.stop(self._api)
        self._api = self.house.api()
        await self._api.answering("/health")
        return self._api

    async def shops(self, names: Sequence[str]) -> list[Shop]:
        first = FIRST_NIT + self._signed_up
        self._signed_up += len(names)
        opened = await open_shops(await self.api(), names, first)
        self.opened += opened
        return opened

    async def product_cell(
        self,
        source: str,
        shops: Sequence[Shop],
        clients: int,
        arguments: Arguments | None = None,
        seconds: float | None = None,
    ) -> Cell:
        """Load the product's API; the source gets the shops, with fresh tokens, unless `arguments` are given."""
        api = await self.api()
        await keep_fresh(api, shops)
        job = Job(
            port=api.port,
            clients=clients,
            seconds=seconds or self.pace.seconds,
            source=f"tests.bench.shops:{source}",
            arguments={"shops": msgspec.to_builtins(shops), **(arguments or {})},
        )
        return await measure(job, {"api": api.pid, "postgres": self.house.postgres_pid})

    async def bare_cell(self, job: Job) -> Cell:
        _, server = await self.yardstick()
        return await measure(job, {"api": server.pid, "postgres": self.house.postgres_pid})


def failures(cells: Sequence[Cell]) -> list[str]:
    """What went wrong in these cells, with the first words of the server."""
    return [f"{dict(cell.errors)} {cell.refusals[0][:300] if cell.refusals else ''}" for cell in cells if cell.errors]
