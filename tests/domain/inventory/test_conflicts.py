"""Units an offline till sold and the books did not have: listed, settled once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.lib import clock
from tests.domain.inventory.shelf import differences, kardex, refusal
from tests.shop import Shop


async def sold_offline(shop: Shop, product: dict[str, Any], quantity: str) -> str:
    """A ticket of a till that had no connection; answers its id."""
    session = await shop.open_drawer()
    sold_at = (clock.now() - timedelta(minutes=5)).isoformat()
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": quantity}], "500000", soldAt=sold_at)
    assert sold.status_code == 201, sold.text
    return str(sold.json()["id"])


async def open_conflicts(shop: Shop, **params: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await shop.get("/v1/inventory/conflicts", **params)).json()["items"]
    return items


async def test_missing_units_are_listed_for_the_owner(shop: Shop) -> None:
    nails = await shop.product(stock="2", cost="10")
    sale = await sold_offline(shop, nails, "5")
    found = await open_conflicts(shop)
    assert [(item["saleId"], item["productId"], item["missing"], item["unitCost"]) for item in found] == [
        (sale, nails["id"], "3.000", "10.00")
    ]
    assert (found[0]["settledAt"], found[0]["settlement"], found[0]["sku"]) == (None, None, nails["sku"])
    assert [line["kind"] for line in await kardex(shop, nails)] == ["opening", "shortfall", "sale"]
    assert await differences(shop) == []


@pytest.mark.parametrize("settlement", ["counted", "accepted"])
async def test_a_conflict_is_settled_once(shop: Shop, settlement: str) -> None:
    nails = await shop.product(stock="1")
    await sold_offline(shop, nails, "2")
    conflict = (await open_conflicts(shop))[0]
    path = f"/v1/inventory/conflicts/{conflict['id']}/settle"
    body = {"settlement": settlement, "note": "Estaba en la otra estantería"}
    answer = await shop.post(path, body, key="one")
    assert answer.status_code == 200, answer.text
    settled = answer.json()
    assert (settled["settlement"], settled["note"], settled["settledBy"]) == (settlement, body["note"], shop.user["id"])
    assert (await shop.post(path, body, key="one")).content == answer.content
    again = await shop.post(path, body)
    assert refusal(again) == (409, "already-settled")
    assert await open_conflicts(shop) == []
    assert await open_conflicts(shop, status="settled") == await open_conflicts(shop, status="all") == [settled]


async def test_two_owners_settle_it_once(shop: Shop) -> None:
    await sold_offline(shop, await shop.product(stock="1"), "2")
    path = f"/v1/inventory/conflicts/{(await open_conflicts(shop))[0]['id']}/settle"
    answers = await asyncio.gather(*(shop.post(path, {"settlement": "counted"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_a_settlement_is_one_of_two(shop: Shop) -> None:
    await sold_offline(shop, await shop.product(stock="1"), "2")
    path = f"/v1/inventory/conflicts/{(await open_conflicts(shop))[0]['id']}/settle"
    assert (await shop.post(path, {"settlement": "ignored"})).status_code == 400


async def test_a_stranger_sees_and_settles_nothing(shop: Shop, other_shop: Shop) -> None:
    await sold_offline(shop, await shop.product(stock="1"), "2")
    conflict = (await open_conflicts(shop))[0]
    assert await open_conflicts(other_shop, status="all") == []
    answer = await other_shop.post(f"/v1/inventory/conflicts/{conflict['id']}/settle", {"settlement": "counted"})
    assert refusal(answer) == (404, "not-found")
    assert await open_conflicts(shop) == [conflict]
