"""Changing products: history, audit, versions, and what stock forbids."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.domain.cash.counter import Admin
from tests.domain.catalog.test_products import body, created, found
from tests.shop import Shop


async def test_a_new_price_leaves_its_history_and_its_audit_link(shop: Shop, admin: Admin) -> None:
    made = await created(shop, price="80", cost="35")
    changed = await shop.patch(f"/v1/products/{made['id']}", {"price": "95.5", "cost": "40"})
    assert (changed.json()["price"], changed.json()["cost"]) == ("95.50", "40.00")
    history = (await shop.get(f"/v1/products/{made['id']}/prices")).json()["items"]
    lines = [(line["kind"], line["before"], line["after"]) for line in history]
    assert set(lines[:2]) == {("price", "80.00", "95.50"), ("cost", "35.00", "40.00")}
    assert set(lines[2:]) == {("price", None, "80.00"), ("cost", None, "35.00")}
    content = await admin.fetchval(
        "SELECT content FROM audit_entry WHERE tenant_id = $1 AND action = 'product.changed'", shop.tenant["id"]
    )
    link = json.loads(str(content))
    assert (link["before"]["price"], link["after"]["price"]) == ("80.00", "95.50")


async def test_what_is_not_sent_stays_and_an_empty_change_writes_nothing(shop: Shop, admin: Admin) -> None:
    pack = {"unitCode": "BX", "factor": "100", "price": "6500", "barcode": "99"}
    made = await created(shop, barcodes=["77"], packs=[pack], cost="35", brand="Marca", minStock="3")
    assert (await shop.patch(f"/v1/products/{made['id']}", {})).json() == made
    same = await shop.patch(f"/v1/products/{made['id']}", {"price": "80", "barcodes": ["77"], "brand": "Marca"})
    assert same.json() == made
    links = await admin.fetchval(
        "SELECT count(*) FROM audit_entry WHERE tenant_id = $1 AND action = 'product.changed'", shop.tenant["id"]
    )
    assert links == 0
    renamed = (await shop.patch(f"/v1/products/{made['id']}", {"name": "Otro"})).json()
    assert renamed == made | {"name": "Otro", "updatedAt": renamed["updatedAt"]}


async def test_lists_are_replaced_and_freed_codes_may_be_used_again(shop: Shop) -> None:
    pack = {"unitCode": "BX", "factor": "100", "price": "6500", "barcode": "99"}
    made = await created(shop, barcodes=["77", "78"], packs=[pack])
    path = f"/v1/products/{made['id']}"
    changed = (await shop.patch(path, {"barcodes": ["78", "79"], "packs": []})).json()
    assert (changed["barcodes"], changed["packs"]) == (["78", "79"], [])
    assert await found(shop, barcode="77") == []
    assert await found(shop, barcode="99") == []
    await created(shop, barcodes=["77", "99"])
    taken = await shop.patch(path, {"barcodes": ["77"]})
    assert (taken.status_code, taken.json()["code"]) == (409, "barcode-taken")


async def test_a_change_is_found_by_the_new_name_only(shop: Shop) -> None:
    made = await created(shop, name="Martillo", sku="H1")
    await shop.patch(f"/v1/products/{made['id']}", {"name": "Serrucho"})
    assert await found(shop, search="serucho") == ["H1"]
    assert await found(shop, search="martlilo") == []


async def test_a_stale_version_is_refused(shop: Shop) -> None:
    made = await created(shop)
    path = f"/v1/products/{made['id']}"
    tag = (await shop.get(path)).headers["etag"]
    assert (await shop.patch(path, {"price": "81"}, **{"If-Match": tag})).status_code == 200
    assert (await shop.patch(path, {"price": "82"}, **{"If-Match": tag})).status_code == 412
    assert (await shop.get(path)).json()["price"] == "81.00"


async def test_a_sale_does_not_change_the_version_of_its_product(shop: Shop) -> None:
    made = await shop.product(stock="10")
    path = f"/v1/products/{made['id']}"
    before = (await shop.get(path)).headers["etag"]
    session = await shop.open_drawer()
    sold = await shop.sell(session, [{"productId": made["id"], "quantity": "1"}], "11900.00")
    assert sold.status_code == 201, sold.text
    assert (await shop.get(path)).headers["etag"] == before


async def test_the_base_unit_stays_once_stock_has_moved(shop: Shop) -> None:
    fresh = await created(shop)
    assert (await shop.patch(f"/v1/products/{fresh['id']}", {"unitCode": "MTR"})).json()["unitCode"] == "MTR"
    moved = await shop.product(stock="10")
    refused = await shop.patch(f"/v1/products/{moved['id']}", {"unitCode": "MTR"})
    assert (refused.status_code, refused.json()["code"]) == (409, "product-has-movements")
    counted = await shop.patch(f"/v1/products/{moved['id']}", {"tracksStock": False})
    assert (counted.status_code, counted.json()["code"]) == (422, "product-has-stock")


async def test_codes_of_the_base_unit_follow_a_change_of_unit(shop: Shop) -> None:
    made = await created(shop, barcodes=["77"])
    changed = (await shop.patch(f"/v1/products/{made['id']}", {"unitCode": "MTR"})).json()
    assert (changed["unitCode"], changed["barcodes"]) == ("MTR", ["77"])


async def test_a_retired_product_leaves_the_counter_and_comes_back_whole(shop: Shop) -> None:
    made = await created(shop, sku="R1", barcodes=["77"])
    first = await shop.post(f"/v1/products/{made['id']}/retire")
    again = await shop.post(f"/v1/products/{made['id']}/retire")
    assert first.json() == again.json()
    assert first.json()["retiredAt"] is not None
    for params in ({"barcode": "77"}, {"sku": "R1"}, {"search": "tornillo"}, {}):
        assert await found(shop, **params) == []
        assert await found(shop, retired=True, **params) == ["R1"]
    back = (await shop.post(f"/v1/products/{made['id']}/unretire")).json()
    assert back == made | {"updatedAt": back["updatedAt"]}
    assert await found(shop, barcode="77") == ["R1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "-1"},
        {"name": None},
        {"sku": "\u0007"},
        {"barcodes": ["a"] * 21},
        {"cost": None},
        {"id": str(uuid4())},
    ],
)
async def test_a_change_that_cannot_be_read_is_refused(shop: Shop, changes: dict[str, Any]) -> None:
    made = await created(shop)
    assert (await shop.patch(f"/v1/products/{made['id']}", changes)).status_code == 400


async def test_two_creations_of_one_code_at_once_make_one_product(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.post("/v1/products", body(barcodes=["77"])) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"barcode-taken"}
