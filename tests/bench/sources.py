"""What the generator sends: one factory a kind of request, each giving finished bytes at a few microseconds apiece."""

from collections.abc import Callable
from random import Random
from typing import cast
from uuid import UUID

from tests.bench.client import Arguments, Request, Source

PRODUCTS = 200
"""Products of a shop that the sales pick from."""
_JSON = b"content-type: application/json\r\n"


def nth(number: int) -> UUID:
    """The id that `yardstick.nth` in SQL gives."""
    return UUID(int=number)


def bare_sales(arguments: Arguments) -> Source:
    """Sales of three products for the yardstick, over `shops` shops."""
    shops = [str(nth(n)).encode() for n in range(1, cast(int, arguments["shops"]) + 1)]
    products = [str(nth(n)).encode() for n in range(1, PRODUCTS + 1)]
    drawer = str(nth(1)).encode()
    pick = Random(5).random

    def request(client: int) -> Request:
        a, b, c = three_of(products, pick)
        shop = shops[client % len(shops)]
        body = (
            b'{"shopId":"%b","sessionId":"%b","lines":[{"productId":"%b","quantity":"1"},{"productId":"%b","quantity":"2"},'
            b'{"productId":"%b","quantity":"1"}],"payments":[{"method":"cash","amount":"50000.00"}]}'
            % (shop, drawer, a, b, c)
        )
        return b"POST", b"/sales", _JSON, body

    return request


def three_of(products: list[bytes], pick: Callable[[], float]) -> tuple[bytes, bytes, bytes]:
    """Three different products, one from each third of the list."""
    third = len(products) // 3
    return (
        products[int(pick() * third)],
        products[third + int(pick() * third)],
        products[2 * third + int(pick() * third)],
    )


def one_path(arguments: Arguments) -> Source:
    """The same GET again and again."""
    request = (b"GET", cast(str, arguments["path"]).encode(), cast(str, arguments.get("headers", "")).encode(), b"")
    return lambda _: request
