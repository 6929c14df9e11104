"""The counter's own door answers as the framework would, and hands over what is unusual."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.asgi import create_litestar, dressed
from app.db.session import Database
from app.domain.sales.door import SaleDoor
from app.lib.metrics import REQUESTS
from app.settings import Settings
from tests.people import hire
from tests.shop import Shop, sign_up

ORIGIN = "https://caja.tienda.test"


@pytest.fixture
async def ticket(shop: Shop) -> dict[str, Any]:
    product = await shop.product(price="11900.00")
    return {
        "sessionId": await shop.open_drawer(),
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "12000"}],
    }


@asynccontextmanager
async def page_of_the_shop(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API as a page of an allowed origin sees it."""
    app = create_litestar(msgspec.structs.replace(settings, cors_origins=(ORIGIN,)))
    async with app.lifespan():
        transport = httpx.ASGITransport(app=dressed(app, settings))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            yield client


async def test_a_sale_is_answered_before_the_framework(shop: Shop, ticket: dict[str, Any]) -> None:
    before = REQUESTS.answered("/v1/sales", "POST", 201)
    sold = await shop.post("/v1/sales", ticket)
    assert sold.status_code == 201, sold.text
    assert sold.headers["content-type"] == "application/json"
    assert sold.headers["content-length"] == str(len(sold.content))
    assert sold.headers["cache-control"] == "no-store"
    assert {"x-request-id", "ratelimit-limit", "ratelimit-remaining"} <= set(sold.headers)
    assert REQUESTS.answered("/v1/sales", "POST", 201) == before + 1


async def test_the_door_and_the_long_way_refuse_alike(
    shop: Shop, ticket: dict[str, Any], http: httpx.AsyncClient
) -> None:
    """Each refusal once through the door and once past it."""
    transport: Any = http._transport
    edge = transport.app
    door = edge._app
    assert isinstance(door, SaleDoor)
    refused = [
        (ticket | {"sessionId": str(uuid4())}, shop.headers | {"Idempotency-Key": "a"}),
        (ticket | {"lines": [ticket["lines"][0] | {"quantity": "9999"}]}, shop.headers | {"Idempotency-Key": "b"}),
        (ticket | {"payments": []}, shop.headers | {"Idempotency-Key": "c"}),
        (ticket, shop.headers),
        (ticket, {"Idempotency-Key": "d"}),
        (ticket, {"Authorization": "Bearer nada", "Idempotency-Key": "e"}),
        (ticket, shop.headers | {"Idempotency-Key": "con espacio"}),
    ]
    for body, headers in refused:
        by_door = await http.post("/v1/sales", json=body, headers=headers)
        edge._app = door._app
        try:
            long_way = await http.post("/v1/sales", json=body, headers=headers)
        finally:
            edge._app = door
        assert by_door.status_code >= 400
        assert by_door.status_code == long_way.status_code, by_door.text
        mine, theirs = by_door.json(), long_way.json()
        assert mine.pop("instance") != theirs.pop("instance")
        assert mine == theirs
        own = {"x-request-id", "ratelimit-remaining", "ratelimit-reset", "content-length"}
        assert {n: v for n, v in by_door.headers.items() if n not in own} == {
            n: v for n, v in long_way.headers.items() if n not in own
        }


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'{"sessionId": 5}', b'{"x":"\\u0000"}', b"\xff\xfe"])
async def test_what_cannot_be_read_goes_the_long_way(shop: Shop, body: bytes) -> None:
    headers = shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": "application/json"}
    answer = await shop.http.post("/v1/sales", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_who_may_not_sell_is_told_so_before_anything_of_the_request(
    shop: Shop, database: Database, ticket: dict[str, Any]
) -> None:
    auditor = await hire(shop, database, "auditor")
    bodies = [
        ticket,
        ticket | {"payments": []},
        ticket | {"lines": [ticket["lines"][0] | {"quantity": "0"}]},
        ticket | {"discount": "-1"},
        ticket | {"approvalIds": [str(uuid4())]},
        {"nonsense": True},
    ]
    for body in bodies:
        for headers in ({}, {"Idempotency-Key": "con espacio"}, {"Idempotency-Key": uuid4().hex}):
            answer = await shop.http.post("/v1/sales", json=body, headers=auditor.headers | headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (body, headers, answer.text)
    without = await shop.http.post("/v1/sales", json=ticket, headers=shop.headers)
    assert (without.status_code, without.json()["code"]) == (428, "idempotency-key-required")


async def test_a_ticket_that_comes_again_under_its_id_is_the_stored_one(shop: Shop, ticket: dict[str, Any]) -> None:
    body = ticket | {"id": str(uuid4())}
    first = await shop.post("/v1/sales", body)
    again = await shop.post("/v1/sales", body)
    other = await shop.post("/v1/sales", body | {"document": "none"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json() == first.json()
    assert other.json()["code"] == "id-taken"


async def test_a_body_in_pieces_is_one_ticket(shop: Shop, ticket: dict[str, Any]) -> None:
    whole = json.dumps(ticket).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 7):
            yield whole[start : start + 7]

    headers = shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": "application/json"}
    answer = await shop.http.post("/v1/sales", content=pieces(), headers=headers)
    assert answer.status_code == 201, answer.text


async def test_a_page_of_an_allowed_origin_may_read_the_answer(settings: Settings) -> None:
    async with page_of_the_shop(settings) as page:
        shop = await sign_up(page)
        product = await shop.product()
        body = {
            "sessionId": await shop.open_drawer(),
            "lines": [{"productId": product["id"], "quantity": "1"}],
            "payments": [{"method": "cash", "amount": "12000"}],
        }
        sold = await shop.post("/v1/sales", body, Origin=ORIGIN)
        read = await page.get("/v1/sales", headers=shop.headers | {"Origin": ORIGIN})
        foreign = await shop.post("/v1/sales", body, Origin="https://otra.test")
    names = ("access-control-allow-origin", "access-control-expose-headers", "vary")
    assert sold.status_code == 201, sold.text
    assert [sold.headers.get(name) for name in names] == [read.headers.get(name) for name in names]
    assert sold.headers["access-control-allow-origin"] == ORIGIN
    assert foreign.headers.get("access-control-allow-origin") != "https://otra.test"
