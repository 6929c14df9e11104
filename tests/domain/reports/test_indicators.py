"""Each indicator fires on what it is about and on nothing else; hidden ones stay hidden as long as was said."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from app.domain.reports.clusters import cluster
from app.domain.reports.customers import segment
from app.domain.reports.forecast import forecast
from app.lib import clock
from tests.domain.reports.counter import ago, at, report
from tests.shop import Shop


async def firing(shop: Shop) -> dict[str, Any]:
    answer = await shop.get("/v1/reports/indicators")
    assert answer.status_code == 200, answer.text
    return {item["code"]: item for item in answer.json()["items"]}


async def sell(shop: Shop, session: str, product: dict[str, Any], days: int, units: str = "1", **line: Any) -> None:
    with at(ago(days)):
        answer = await shop.sell(session, [{"productId": product["id"], "quantity": units} | line], "9000000")
    assert answer.status_code == 201, answer.text


async def opened(shop: Shop, days: int) -> str:
    with at(ago(days)):
        return await shop.open_drawer("900000")


async def made(shop: Shop, days: int, **body: Any) -> dict[str, Any]:
    """A product that is known since so many days."""
    with at(ago(days)):
        return await shop.product(**body)


async def aged(shop: Shop, admin: Any, product: dict[str, Any], days: int) -> None:
    await admin.execute("UPDATE product SET created_at = $2 WHERE id = $1", product["id"], ago(days))


async def at_a_loss(shop: Shop, admin: Any, fires: bool) -> None:
    session = await shop.open_drawer()
    product = await shop.product(price="11900", cost="12000" if fires else "5000")
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")


async def thin_margin(shop: Shop, admin: Any, fires: bool) -> None:
    session = await shop.open_drawer()
    product = await shop.product(price="11900", cost="9500" if fires else "8000")
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")


async def under_its_category(shop: Shop, admin: Any, fires: bool) -> None:
    session = await shop.open_drawer()
    category = (await shop.post("/v1/categories", {"name": "Aseo"})).json()["id"]
    for cost in ("3000", "3000", "7000" if fires else "3100"):
        product = await shop.product(price="11900", cost=cost, categoryId=category)
        await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")


async def idle(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 41)
    product = await made(shop, 41)
    await aged(shop, admin, product, 41)
    await sell(shop, session, product, 40 if fires else 20)


async def lying_dead(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 91)
    product = await made(shop, 91)
    await aged(shop, admin, product, 91)
    await sell(shop, session, product, 90 if fires else 50)


async def running_out(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 21)
    product = await made(shop, 21, stock="24" if fires else "500")
    for days in range(20, 0, -1):
        await sell(shop, session, product, days)


async def unusual_day(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 57)
    product = await made(shop, 57, stock="1000")
    for week in range(8, 0, -1):
        await sell(shop, session, product, 7 * week, "10")
    await sell(shop, session, product, 0, "1" if fires else "10")


async def seller_falls(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 46)
    product = await made(shop, 46, stock="1000")
    await sell(shop, session, product, 45, "10")
    await sell(shop, session, product, 5, "2" if fires else "9")


async def demand_moves(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 70)
    product = await made(shop, 70, stock="5000")
    for days in range(69, -1, -1):
        if days < 7 and fires and days % 2:
            continue
        await sell(shop, session, product, days, "4" if days >= 7 or not fires else "1")


async def customer_leaves(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 121)
    product = await made(shop, 121, stock="1000")
    people = []
    for n in range(5):
        body = {"identificationType": "13", "identification": str(10_000_000 + n), "name": f"Cliente {n}"}
        people.append((await shop.post("/v1/customers", body)).json()["id"])
    for n, person in enumerate(people):
        often = 6 if n == 0 else 1
        for k in range(often):
            days = (120 - k if fires else 6 - k) if n == 0 else n + 1
            with at(ago(days)):
                lines = [{"productId": product["id"], "quantity": "1"}]
                assert (await shop.sell(session, lines, "20000", customerId=person)).status_code == 201


async def ran_out(shop: Shop, admin: Any, fires: bool) -> None:
    session = await opened(shop, 21)
    product = await made(shop, 21, stock="10" if fires else "100")
    for days in range(20, 10, -1):
        await sell(shop, session, product, days)


async def charged_otherwise(shop: Shop, admin: Any, fires: bool) -> None:
    session = await shop.open_drawer()
    product = await shop.product(price="11900", cost="1000")
    lines = [{"productId": product["id"], "quantity": "1", "discount": "1500" if fires else "500"}]
    assert (await shop.sell(session, lines, "20000")).status_code == 201


FIXTURES: dict[str, Callable[[Shop, Any, bool], Awaitable[None]]] = {
    "sold-at-a-loss": at_a_loss,
    "low-margin": thin_margin,
    "margin-below-average": under_its_category,
    "no-rotation": idle,
    "dead-stock": lying_dead,
    "reorder": running_out,
    "sales-anomaly": unusual_day,
    "sales-by-employee": seller_falls,
    "demand-forecast": demand_moves,
    "customers-at-risk": customer_leaves,
    "stockout-cost": ran_out,
    "price-drift": charged_otherwise,
}


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "quiet"])
@pytest.mark.parametrize("code", FIXTURES)
async def test_an_indicator_fires_on_what_it_is_about(shop: Shop, admin: Any, code: str, fires: bool) -> None:
    await FIXTURES[code](shop, admin, fires)
    with at(ago(0, 23)):
        shop.token = (await shop.log_in()).json()["accessToken"]
        found = await firing(shop)
    assert (code in found) == fires, found
    if fires:
        item = found[code]
        assert all(item[key] for key in ("title", "why", "action", "value", "items"))
        assert (await shop.http.get(item["link"], headers=shop.headers)).status_code == 200
        assert (await shop.http.get(item["items"][0]["link"], headers=shop.headers)).status_code == 200


async def test_what_is_dismissed_or_snoozed_does_not_show(shop: Shop, admin: Any) -> None:
    await at_a_loss(shop, admin, True)
    assert "sold-at-a-loss" in await firing(shop)
    today = clock.business_day(clock.now(), "America/Bogota")
    tomorrow = str(today + timedelta(days=1))
    assert (
        await shop.post("/v1/reports/indicators/hide", {"code": "sold-at-a-loss", "until": tomorrow})
    ).status_code == 200
    assert "sold-at-a-loss" not in await firing(shop)
    with at(clock.now() + timedelta(minutes=1)):
        assert "sold-at-a-loss" not in await firing(shop)
    await shop.post("/v1/reports/indicators/show", {"code": "sold-at-a-loss"})
    item = (await firing(shop))["sold-at-a-loss"]
    await shop.post("/v1/reports/indicators/hide", {"code": "sold-at-a-loss", "productId": item["items"][0]["id"]})
    assert "sold-at-a-loss" not in await firing(shop)
    for body in ({"code": "moon"}, {"code": "reorder", "until": "2020-01-01"}):
        assert (await shop.post("/v1/reports/indicators/hide", body)).status_code == 422


def test_a_forecast_knows_the_weekdays_and_its_error() -> None:
    week = [10.0, 10, 10, 10, 10, 30, 0]
    found = forecast(week * 12, 0)
    assert [round(day) for day in found.days[:7]] == week
    assert found.error is not None
    assert found.error < 0.001
    assert forecast([1.0] * 20, 0).error is None


def test_the_same_customers_make_the_same_groups() -> None:
    points = [(1.0, 20.0, 9e6), (2.0, 22.0, 8e6), (90.0, 1.0, 1e4), (80.0, 2.0, 2e4), (3.0, 21.0, 9e6)]
    first = cluster(points, 2)
    assert first == cluster(points, 2)
    assert first.labels == [0, 0, 1, 1, 0]
    assert segment(5, 5) == "Campeones"
    assert segment(1, 5) == "En riesgo"


async def test_the_summary_says_the_figures_of_the_dashboard(shop: Shop, admin: Any) -> None:
    await charged_otherwise(shop, admin, False)
    said = (await shop.get("/v1/reports/summary")).json()
    assert "$ 11.400,00 en 1 tiquete" in said["text"]
    assert said["text"] == " ".join(said["sentences"])


async def test_empty_shelves_cost_what_would_have_been_sold(shop: Shop, admin: Any) -> None:
    await ran_out(shop, admin, True)
    (row,) = (await report(shop, "stockouts", first=ago(20).date(), last=ago(1).date()))["items"]
    assert abs(float(row["daysOut"]) - 10.6) < 0.5
    assert float(row["lostUnits"]) > 9
