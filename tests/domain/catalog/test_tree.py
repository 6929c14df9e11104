"""Categories: a tree without circles."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.domain.cash.counter import Admin
from tests.domain.catalog.test_products import created
from tests.shop import Shop


async def category(shop: Shop, name: str, parent: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await shop.post("/v1/categories", {"name": name, "parentId": parent and parent["id"]})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_category_knows_its_path(shop: Shop) -> None:
    root = await category(shop, " Aseo ")
    child = await category(shop, "Jabones", root)
    assert child["path"] == ["Aseo", "Jabones"]
    assert (await shop.get(f"/v1/categories/{child['id']}")).json() == child
    page = (await shop.get("/v1/categories", limit=1)).json()
    rest = (await shop.get("/v1/categories", cursor=page["nextCursor"])).json()
    assert [each["name"] for each in (*page["items"], *rest["items"])] == ["Aseo", "Jabones"]


async def test_namesakes_live_under_different_parents_only(shop: Shop) -> None:
    root = await category(shop, "Aseo")
    await category(shop, "Aseo", root)
    answer = await shop.post("/v1/categories", {"name": "Aseo"})
    assert (answer.status_code, answer.json()["code"]) == (409, "category-exists")


async def test_the_name_of_a_removed_category_is_free_again(shop: Shop) -> None:
    root = await category(shop, "Aseo")
    assert (await shop.delete(f"/v1/categories/{root['id']}")).status_code == 204
    assert (await shop.get(f"/v1/categories/{root['id']}")).status_code == 404
    await category(shop, "Aseo")


async def test_a_category_in_use_stays(shop: Shop) -> None:
    root = await category(shop, "Aseo")
    child = await category(shop, "Jabones", root)
    product = await created(shop, categoryId=child["id"])
    for each in (root, child):
        answer = await shop.delete(f"/v1/categories/{each['id']}")
        assert (answer.status_code, answer.json()["code"]) == (409, "category-not-empty")
    await shop.post(f"/v1/products/{product['id']}/retire")
    assert (await shop.delete(f"/v1/categories/{child['id']}")).status_code == 204
    assert (await shop.get(f"/v1/products/{product['id']}")).json()["categoryId"] is None


async def test_no_category_ends_inside_itself(shop: Shop) -> None:
    a = await category(shop, "A")
    b = await category(shop, "B", a)
    c = await category(shop, "C", b)
    for answer in (
        await shop.patch(f"/v1/categories/{a['id']}", {"parentId": c["id"]}),
        await shop.patch(f"/v1/categories/{a['id']}", {"parentId": a["id"]}),
        await shop.post("/v1/categories/move", {"toCategoryId": c["id"], "categoryIds": [a["id"]]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "category-circle")
    freed = await shop.patch(f"/v1/categories/{c['id']}", {"parentId": None, "name": "Ce"})
    assert freed.json()["path"] == ["Ce"]
    assert (await shop.patch(f"/v1/categories/{a['id']}", {"parentId": c["id"]})).json()["path"] == ["Ce", "A"]


async def test_two_moves_at_once_close_no_circle(shop: Shop) -> None:
    a, b = await category(shop, "A"), await category(shop, "B")
    answers = await asyncio.gather(
        *(shop.patch(f"/v1/categories/{one['id']}", {"parentId": other["id"]}) for one, other in ((a, b), (b, a)) * 3)
    )
    assert {answer.status_code for answer in answers} == {200, 422}
    parents = {each["id"]: each["parentId"] for each in (await shop.get("/v1/categories")).json()["items"]}
    assert sorted(parent is None for parent in parents.values()) == [False, True]


async def test_the_tree_has_a_bounded_depth(shop: Shop) -> None:
    parent = None
    for level in range(8):
        parent = await category(shop, f"N{level}", parent)
    answer = await shop.post("/v1/categories", {"name": "N8", "parentId": parent and parent["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "category-too-deep")


async def test_categories_and_products_move_together_or_not_at_all(shop: Shop, admin: Admin) -> None:
    source, target = await category(shop, "Aseo"), await category(shop, "Hogar")
    child = await category(shop, "Jabones", source)
    products = [await created(shop, categoryId=source["id"]) for _ in range(3)]
    ids = [product["id"] for product in products]
    move = {"toCategoryId": target["id"], "categoryIds": [child["id"]], "productIds": ids}
    refused = await shop.post("/v1/categories/move", move | {"productIds": [*ids, str(uuid4())]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/productIds/3")
    assert (await shop.get(f"/v1/categories/{child['id']}")).json()["parentId"] == source["id"]
    assert (await shop.post("/v1/categories/move", move)).json() == {"categories": 1, "products": 3}
    assert (await shop.post("/v1/categories/move", move)).json() == {"categories": 0, "products": 0}
    for product_id in ids:
        assert (await shop.get(f"/v1/products/{product_id}")).json()["categoryId"] == target["id"]
    links = await admin.fetchval(
        "SELECT count(*) FROM audit_entry WHERE tenant_id = $1 AND action = 'category.moved'", shop.tenant["id"]
    )
    assert links == 1


async def test_a_stranger_finds_no_category(shop: Shop, other_shop: Shop) -> None:
    mine, theirs = await category(shop, "Aseo"), await category(other_shop, "Hogar")
    product = await created(shop)
    path = f"/v1/categories/{mine['id']}"
    for answer in (
        await other_shop.get(path),
        await other_shop.patch(path, {"name": "X"}),
        await other_shop.delete(path),
    ):
        assert answer.status_code == 404
    for body, pointer in (
        ({"toCategoryId": mine["id"]}, "/toCategoryId"),
        ({"toCategoryId": theirs["id"], "categoryIds": [mine["id"]]}, "/categoryIds/0"),
        ({"toCategoryId": theirs["id"], "productIds": [product["id"]]}, "/productIds/0"),
    ):
        answer = await other_shop.post("/v1/categories/move", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    foreign = await other_shop.post("/v1/categories", {"name": "Y", "parentId": mine["id"]})
    assert (foreign.status_code, foreign.json()["code"]) == (422, "unknown-reference")
    assert (
        await other_shop.post(
            "/v1/products", {"sku": "S", "name": "N", "price": "1", "taxClass": "iva19", "categoryId": mine["id"]}
        )
    ).status_code == 422


async def test_a_retry_makes_one_category(shop: Shop) -> None:
    sent, key = {"id": str(uuid4()), "name": "Aseo"}, uuid4().hex
    answers = [await shop.post("/v1/categories", sent, key=key) for _ in range(2)]
    again = await shop.post("/v1/categories", sent)
    assert [answer.status_code for answer in (*answers, again)] == [201, 201, 200]
    assert answers[0].json() == answers[1].json() == again.json()
    other = await shop.post("/v1/categories", sent | {"name": "Otra"})
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
async def test_a_category_needs_a_name(shop: Shop, name: str) -> None:
    assert (await shop.post("/v1/categories", {"name": name})).status_code == 400
