"""A sale is two transactions: what another till does between them must not cost a cent, a unit or a ticket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from app.db.lane import Lane, LaneConnection
from tests.shop import Shop

Meanwhile = Callable[[], Awaitable[None]]


class BusyLane:
    """The lane of a till that is overtaken between its reading and its writing; counts the tries with locks."""

    def __init__(self, lane: Lane, *, statements_pin: bool = True) -> None:
        self._lane = lane
        self.statements_pin = statements_pin
        self.meanwhile: Meanwhile | None = None
        self.locked = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self._lane.connection() as connection:
            yield _Overtaken(connection, self)

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID, user_id: UUID) -> AsyncIterator[LaneConnection]:
        self.locked += 1
        async with self._lane.transaction(tenant_id, user_id) as connection:
            yield connection


class _Overtaken:
    def __init__(self, connection: LaneConnection, lane: BusyLane) -> None:
        self._connection = connection
        self._lane = lane
        self.fetch = connection.fetch

    async def fetchrow(self, statement: str, *values: Any) -> Any:
        meanwhile, self._lane.meanwhile = self._lane.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await self._connection.fetchrow(statement, *values)


@pytest.fixture
def lane(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> BusyLane:
    poster = app.state.poster
    busy = BusyLane(poster._lane)
    monkeypatch.setattr(poster, "_lane", busy)
    return busy


async def quantity(shop: Shop, product: dict[str, Any]) -> str:
    (item,) = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    return str(item["quantity"])


def ticket(session: str, product: dict[str, Any], quantity: str = "1") -> dict[str, Any]:
    return {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": quantity}],
        "payments": [{"method": "cash", "amount": "200000"}],
    }


async def test_nobody_else_means_no_lock_beforehand(shop: Shop, lane: BusyLane) -> None:
    products = [await shop.product(), await shop.product(stock=None, tracksStock=False)]
    session = await shop.open_drawer()
    sold = await shop.sell(session, [{"productId": p["id"], "quantity": "1"} for p in products], "50000")
    assert (sold.status_code, lane.locked) == (201, 0), sold.text


async def test_a_shelf_that_changed_is_reckoned_again(shop: Shop, lane: BusyLane) -> None:
    product = await shop.product(stock="10", cost="5000")
    session = await shop.open_drawer()
    body = ticket(session, product)

    async def goods_arrive() -> None:
        body = {
            "reason": "found",
            "lines": [{"productId": product["id"], "quantity": "10", "unitCost": "7000"}],
        }
        arrived = await shop.post("/v1/inventory/adjustments", body)
        assert arrived.status_code == 201, arrived.text

    lane.meanwhile = goods_arrive
    sold = await shop.post("/v1/sales", body)
    assert (sold.status_code, lane.locked) == (201, 1), sold.text
    assert sold.json()["lines"][0]["unitCost"] == "6000.00"
    assert await quantity(shop, product) == "19.000"


async def test_the_last_unit_is_sold_once(shop: Shop, lane: BusyLane) -> None:
    product = await shop.product(stock="1")
    session = await shop.open_drawer()

    async def the_other_till_sells() -> None:
        assert (await shop.post("/v1/sales", ticket(session, product))).status_code == 201

    lane.meanwhile = the_other_till_sells
    late = await shop.post("/v1/sales", ticket(session, product))
    assert (late.status_code, late.json()["code"]) == (422, "insufficient-stock")
    assert await quantity(shop, product) == "0.000"
    again = await shop.product(stock="5")
    assert (await shop.post("/v1/sales", ticket(session, again))).json()["sequence"] == 2


async def test_a_drawer_closed_meanwhile_sells_nothing(shop: Shop, lane: BusyLane, admin: Any) -> None:
    product = await shop.product(stock="5")
    session = await shop.open_drawer("1000")

    async def it_closes() -> None:
        counted = {"counted": [{"method": "cash", "amount": "1000"}]}
        assert (await shop.post(f"/v1/cash/sessions/{session}/close", counted)).status_code in {200, 201}

    lane.meanwhile = it_closes
    late = await shop.post("/v1/sales", ticket(session, product), key="late")
    assert (late.status_code, late.json()["code"]) == (409, "session-closed")
    assert await quantity(shop, product) == "5.000"
    left = await admin.fetchval(
        "SELECT (SELECT count(*) FROM sale WHERE tenant_id = $1) + (SELECT count(*) FROM idempotency "
        "WHERE tenant_id = $1 AND key = 'late')",
        UUID(shop.tenant_id),
    )
    assert left == 0


async def test_a_twin_that_was_faster_is_replayed(shop: Shop, lane: BusyLane) -> None:
    """Also of services, whose tickets wait for no shelf."""
    for product in (await shop.product(stock="5"), await shop.product(stock=None, tracksStock=False)):
        session = (await shop.get("/v1/cash/sessions", status="open")).json()["items"]
        body = ticket(session[0]["id"] if session else await shop.open_drawer(), product)
        key = uuid4().hex
        first: list[Any] = []

        async def the_first_arrives(body: Any = body, key: str = key, first: list[Any] = first) -> None:
            first.append(await shop.post("/v1/sales", body, key=key))

        lane.meanwhile = the_first_arrives
        again = await shop.post("/v1/sales", body, key=key)
        assert again.status_code == first[0].status_code == 201
        assert again.content == first[0].content
        assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("stock", ["5", None], ids=["goods", "a service"])
async def test_the_same_chosen_id_meanwhile(shop: Shop, lane: BusyLane, stock: str | None) -> None:
    product = await shop.product(stock=stock, tracksStock=stock is not None)
    session = await shop.open_drawer()
    body = ticket(session, product) | {"id": str(uuid4())}

    async def the_first_arrives() -> None:
        assert (await shop.post("/v1/sales", body)).status_code == 201

    lane.meanwhile = the_first_arrives
    again = await shop.post("/v1/sales", body)
    assert again.status_code == 200, again.text
    other = body | {"id": str(uuid4())}

    async def another_arrives() -> None:
        assert (await shop.post("/v1/sales", other)).status_code == 201

    lane.meanwhile = another_arrives
    late = await shop.post("/v1/sales", other | {"discount": "1.00"})
    assert (late.status_code, late.json()["code"]) == (409, "id-taken")
    if stock is not None:
        assert await quantity(shop, product) == "3.000"


async def test_a_database_where_statements_cannot_pin_themselves(shop: Shop, lane: BusyLane) -> None:
    lane.statements_pin = False
    product = await shop.product(stock="5")
    session = await shop.open_drawer()
    assert (await shop.post("/v1/sales", ticket(session, product))).status_code == 201
    assert lane.locked == 1
