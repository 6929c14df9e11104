"""Shops made through the public routes until they can sell, and the requests they send."""

import asyncio
from collections.abc import Sequence
from random import Random
from time import time
from typing import Any, cast
from uuid import uuid4

import httpx
import msgspec
from stdnum.co import nit

from tests.bench.client import Arguments, Request, Source
from tests.bench.house import Server
from tests.bench.names import barcode
from tests.bench.report import say
from tests.bench.sources import PRODUCTS, three_of

FRESH_SECONDS = 240
"""A token younger than this outlives any cell; access tokens last ten minutes."""
_AT_ONCE = 4
_OWN_CODES = 500_000_000
"""Barcodes of these products begin here: clear of the big catalogue's."""
TAX_CLASSES = ("iva19", "iva5", "exempt", "excluded")


class Shop(msgspec.Struct, kw_only=True):
    """A company signed up through the API, with an open drawer and stock."""

    name: str
    tenant: str
    session: str
    products: list[str]
    barcodes: list[str]
    refresh: str
    access: str
    fresh_until: float

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.access}"}


async def open_shops(server: Server, names: Sequence[str], first_nit: int) -> list[Shop]:
    """Sign shops up, with 200 products, stock that no bench empties, and an open drawer each."""
    shops: list[Shop] = []
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        for number, name in enumerate(names):
            shops.append(await _open_shop(http, name, first_nit + number))
            say(f"{name}: signed up, stocked, drawer open")
    return shops


async def _open_shop(http: httpx.AsyncClient, name: str, base: int) -> Shop:
    signed = await call(
        http,
        "/v1/auth/signup",
        {
            "company": {"name": name, "nit": f"{base}-{nit.calc_check_digit(str(base))}"},
            "owner": {
                "name": f"Dueña de {name}",
                "email": f"duena.{base}@example.com",
                "password": f"clave de {uuid4().hex}",
            },
        },
        {},
    )
    headers = {"authorization": f"Bearer {signed['accessToken']}"}
    gate = asyncio.Semaphore(_AT_ONCE)

    async def product(number: int) -> str:
        async with gate:
            made = await call(http, "/v1/products", product_body(number), headers)
        return str(made["id"])

    products = await asyncio.gather(*(product(number) for number in range(PRODUCTS)))
    lines = [{"productId": each, "quantity": "1000000", "unitCost": "700.00"} for each in products]
    await call(http, "/v1/inventory/adjustments", {"reason": "opening", "lines": lines}, headers)
    registers = await http.get("/v1/cash/registers", headers=headers)
    registers.raise_for_status()
    register = registers.json()["items"][0]["id"]
    session = await call(http, "/v1/cash/sessions", {"registerId": register, "openingAmount": "100000.00"}, headers)
    return Shop(
        name=name,
        tenant=signed["tenant"]["id"],
        session=session["id"],
        products=products,
        barcodes=[barcode(_OWN_CODES + number) for number in range(PRODUCTS)],
        refresh=signed["refreshToken"],
        access=signed["accessToken"],
        fresh_until=time() + FRESH_SECONDS,
    )


def product_body(number: int) -> dict[str, object]:
    return {
        "sku": f"B-{number:06d}",
        "name": f"Producto de prueba {number}",
        "price": f"{1000 + 100 * (number % 90)}.00",
        "taxClass": TAX_CLASSES[number % len(TAX_CLASSES)],
        "barcodes": [barcode(_OWN_CODES + number)],
    }


async def call(http: httpx.AsyncClient, path: str, body: object, headers: dict[str, str]) -> dict[str, Any]:
    """POST with a key of its own; raises with the server's words on anything but success."""
    answer = await http.post(path, json=body, headers={"idempotency-key": uuid4().hex, **headers})
    if answer.is_error:
        raise RuntimeError(f"POST {path} answered {answer.status_code}: {answer.text}")
    made: dict[str, Any] = answer.json()
    return made


async def keep_fresh(server: Server, shops: Sequence[Shop]) -> None:
    """Renew the tokens that would not live through the next cell."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        for shop in shops:
            if shop.fresh_until < time():
                pair = await call(http, "/v1/auth/refresh", {"refreshToken": shop.refresh}, {})
                shop.access, shop.refresh = pair["accessToken"], pair["refreshToken"]
                shop.fresh_until = time() + FRESH_SECONDS


def sales(arguments: Arguments) -> Source:
    """`POST /v1/sales` of three products, paid in cash with change, over the shops of `arguments`."""
    shops = msgspec.convert(arguments["shops"], list[Shop])
    heads = [
        b"content-type: application/json\r\nauthorization: Bearer %b\r\nidempotency-key: %b-"
        % (shop.access.encode(), uuid4().hex.encode())
        for shop in shops
    ]
    sessions = [shop.session.encode() for shop in shops]
    products = [[each.encode() for each in shop.products] for shop in shops]
    pick = Random(5).random
    count = 0

    def request(client: int) -> Request:
        nonlocal count
        count += 1
        which = client % len(shops)
        a, b, c = three_of(products[which], pick)
        body = (
            b'{"sessionId":"%b","lines":[{"productId":"%b","quantity":"1"},{"productId":"%b","quantity":"2"},'
            b'{"productId":"%b","quantity":"1"}],"payments":[{"method":"cash","amount":"50000.00"}]}'
            % (sessions[which], a, b, c)
        )
        return b"POST", b"/v1/sales", b"%b%d\r\n" % (heads[which], count), body

    return request


def lookups(arguments: Arguments) -> Source:
    """GETs of the given `paths`, picked at random, with the first shop's token."""
    (shop, *_) = msgspec.convert(arguments["shops"], list[Shop])
    head = f"authorization: Bearer {shop.access}\r\n".encode()
    paths = [path.encode() for path in cast(list[str], arguments["paths"])]
    pick = Random(7).random

    def choose() -> bytes:
        return paths[int(pick() * len(paths))]

    return lambda _: (b"GET", choose(), head, b"")
