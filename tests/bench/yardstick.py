"""The bare endpoint: Litestar on granian, one asyncpg call of one function, and nothing of the product's rules.

`python -m tests.bench.yardstick PORT POOL` serves the database that `YARDSTICK_DSN` names, with the product's own
granian options.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import msgspec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server import Server
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

SALE = "select sale_id, number, total from bare_sale($1, $2, $3, $4, $5)"


class Line(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    product_id: UUID
    quantity: Decimal


class Payment(msgspec.Struct, forbid_unknown_fields=True):
    method: Literal["cash", "debit-card", "credit-card", "transfer"]
    amount: Decimal


class BareSale(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The sale's body plus the shop, which the product takes from the token."""

    shop_id: UUID
    session_id: UUID
    lines: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=2000)]
    payments: Annotated[list[Payment], msgspec.Meta(min_length=1, max_length=1)]


class BareSaleOut(msgspec.Struct):
    id: UUID
    number: int
    total: Decimal


@post("/sales")
async def post_sale(data: JSONBody[BareSale], state: State) -> BareSaleOut:
    row = await state.pool.fetchrow(
        SALE,
        data.shop_id,
        data.session_id,
        [line.product_id for line in data.lines],
        [line.quantity for line in data.lines],
        data.payments[0].method,
    )
    return BareSaleOut(row["sale_id"], row["number"], row["total"])


@get("/one")
async def select_one(state: State) -> dict[str, int]:
    return {"one": await state.pool.fetchval("select 1")}


@asynccontextmanager
async def _pool(app: Litestar) -> AsyncIterator[None]:
    size = int(os.environ["YARDSTICK_POOL"])
    settings = {"search_path": "yardstick"}
    async with asyncpg.create_pool(
        os.environ["YARDSTICK_DSN"], min_size=size, max_size=size, server_settings=settings, reset=_nothing
    ) as pool:
        app.state.pool = pool
        yield


async def _nothing(_: object) -> None:
    """The calls leave nothing behind in a connection; the default reset would be a second round trip."""


def create_app() -> Litestar:
    return Litestar([post_sale, select_one], lifespan=[_pool], openapi_config=None)


def main() -> None:
    port, os.environ["YARDSTICK_POOL"] = int(sys.argv[1]), sys.argv[2]
    Server(
        "tests.bench.yardstick:create_app",
        factory=True,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2_048,
        http1_settings=HTTP1Settings(header_read_timeout=15_000),
        workers=1,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
