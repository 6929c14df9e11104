"""The demo shop, in a few of its days."""

import secrets
from collections import Counter
from datetime import date
from typing import Any

import httpx
import pytest
from litestar import Litestar

from app.db.lane import Lane
from app.db.session import Database
from app.dev.demo import fill
from app.dev.demo.people import EMAIL
from app.dev.demo.removing import remove
from app.domain.sample.days import DAYS, SHORT_DAY, days_until
from app.domain.sample.goods import GOODS, barcode
from app.lib import clock
from app.settings import Settings

COUNT = SHORT_DAY + 1
"""Up to the day whose drawer is short."""


class Demo:
    """The filled shop, seen by its owner."""

    def __init__(self, http: httpx.AsyncClient, token: str, tickets: int) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}
        self.tickets = tickets

    async def get(self, path: str) -> Any:
        answer = await self._http.get(path, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def all(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"{path}?limit=200{cursor}")
            items += page["items"]
            if page["nextCursor"] is None:
                return items
            cursor = f"&cursor={page['nextCursor']}"


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
async def demo(app: Litestar, settings: Settings, http: httpx.AsyncClient, told: list[str]) -> Demo:
    password = secrets.token_urlsafe(12)
    lane = Lane(settings)
    try:
        tickets = await fill(app.state.database, lane, app.state.tokens, password, told.append, count=COUNT)
    finally:
        await lane.close()
    login = await http.post("/v1/auth/login", json={"email": EMAIL, "password": password})
    assert login.status_code == 200, login.text
    assert login.json()["tenant"]["isDemo"] is True
    return Demo(http, login.json()["accessToken"], tickets)


async def test_the_books_of_the_demo_shop_agree(demo: Demo) -> None:
    books = await demo.get("/v1/audit/reconciliation")
    assert books["isClean"], books["differences"]


async def test_every_day_has_its_tickets_in_the_past(demo: Demo) -> None:
    sales = await demo.all("/v1/sales")
    assert len(sales) == demo.tickets > 20 * COUNT
    days = {date.fromisoformat(sale["businessDay"]) for sale in sales}
    today = clock.business_day(clock.now(), "America/Bogota")
    assert (len(days), (today - max(days)).days) == (COUNT, 1)
    assert sorted(sale["sequence"] for sale in sales) == list(range(1, len(sales) + 1))


async def test_one_drawer_lacks_fifty_thousand_pesos_and_no_other_lacks_any(demo: Demo) -> None:
    sessions = await demo.all("/v1/cash/sessions")
    assert Counter(session["difference"] for session in sessions) == {"0.00": len(sessions) - 1, "-50000.00": 1}
    assert all(session["status"] == "closed" for session in sessions)


async def test_goods_came_back_also_after_the_close(demo: Demo) -> None:
    returns = await demo.all("/v1/returns")
    sold_in = {sale["id"]: sale["sessionId"] for sale in await demo.all("/v1/sales")}
    later = [each for each in returns if each["sessionId"] != sold_in[each["saleId"]]]
    assert [each["reason"] for each in later] == ["Garantía: el bombillo no enciende"]
    assert len(returns) > len(later)


async def test_the_shop_has_what_a_shop_has(demo: Demo) -> None:
    assert len((await demo.get("/v1/cash/registers"))["items"]) == 2
    assert len(await demo.all("/v1/products")) == len(GOODS) == 41
    assert len(await demo.all("/v1/customers")) == 8 + 1
    (screw,) = (await demo.get("/v1/products?barcode=7709990000016"))["items"]
    assert (screw["sku"], [pack["unitCode"] for pack in screw["packs"]]) == ("TOR-6X1", ["BX"])


async def test_the_filling_tells_how_far_it_is(demo: Demo, told: list[str]) -> None:
    assert any(line.startswith(f"40 of {COUNT} days") for line in told)


async def test_a_removed_demo_shop_lets_nobody_in_and_frees_its_addresses(demo: Demo, database: Database) -> None:
    assert await remove(database)
    with pytest.raises(AssertionError, match=r"session-ended|membership-inactive"):
        await demo.get("/v1/me")
    assert not await remove(database)


def test_the_days_are_the_same_on_every_machine() -> None:
    first, again = (list(days_until(date(2026, 6, 1))) for _ in range(2))
    assert first == again
    assert len(first) == DAYS
    sunday = [len(day.sales) for day in first if day.date.weekday() == 6]
    saturday = [len(day.sales) for day in first if day.date.weekday() == 5]
    assert max(sunday) < min(saturday)


def test_codes_have_the_check_digits_of_the_demo_table() -> None:
    assert [barcode(number) for number in (1, 2, 12)] == ["7709990000016", "7709990000023", "7709990000122"]
