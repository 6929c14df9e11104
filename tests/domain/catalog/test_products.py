"""Products: what a shop may write down, and what it may not."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from tests.domain.cash.counter import Admin, cashier_of
from tests.shop import Shop


def body(**changes: Any) -> dict[str, Any]:
    return {"sku": uuid4().hex[:10], "name": "Tornillo drywall", "price": "80", "taxClass": "iva19"} | changes


async def created(shop: Shop, **changes: Any) -> dict[str, Any]:
    answer = await shop.post("/v1/products", body(**changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def found(shop: Shop, **params: Any) -> list[str]:
    answer = await shop.get("/v1/products", **params)
    assert answer.status_code == 200, answer.text
    return [item["sku"] for item in answer.json()["items"]]


async def test_a_product_with_codes_packs_and_cost_reads_back_as_written(shop: Shop) -> None:
    pack = {"unitCode": "BX", "factor": "100", "price": "6500", "barcode": "7709990000990"}
    made = await created(
        shop, name="  Tornillo 6x1  ", barcodes=["7709990000016", "CAJON-3"], packs=[pack], cost="35.5", minStock="10"
    )
    assert made["name"] == "Tornillo 6x1"
    assert (made["price"], made["cost"], made["minStock"]) == ("80.00", "35.50", "10.000")
    assert made["barcodes"] == ["7709990000016", "CAJON-3"]
    assert made["packs"] == [pack | {"factor": "100.000", "price": "6500.00"}]
    assert (await shop.get(f"/v1/products/{made['id']}")).json() == made


@pytest.mark.parametrize("code", ["7709990000016", "CAJON-3", "7709990000990"])
async def test_any_of_its_codes_finds_the_product_with_its_stock(shop: Shop, code: str) -> None:
    pack = {"unitCode": "BX", "factor": "100", "price": "6500", "barcode": "7709990000990"}
    made = await created(shop, barcodes=["7709990000016", "CAJON-3"], packs=[pack])
    (item,) = (await shop.get("/v1/products", barcode=code)).json()["items"]
    stock = item.pop("stock")
    assert item == made
    assert [shelf["quantity"] for shelf in stock] == ["0.000"]


async def test_a_list_shows_a_product_exactly_as_it_is_alone(shop: Shop, admin: Admin, app: Litestar) -> None:
    """Lists are written by the database: figures, instants, characters and nulls as the encoder writes them."""
    packs = [
        {"unitCode": "BX", "factor": "100", "price": "6500", "barcode": "7709990000990"},
        {"unitCode": "DZN", "factor": "12.5", "price": "1000.123456"},
    ]
    rich = await created(
        shop,
        name='Gaseosa "Ñ" \\ 🥤 </script>',
        brand="Postobón",
        price="1200.1250",
        cost="35.123400",
        minStock="0.5",
        barcodes=["B-2", "A-1"],
        packs=packs,
        taxClass="ibua-high",
        contentMl="355.5",
        tracksStock=False,
    )
    bare = await created(shop, price="999999999999", minStock="1000")
    category = (await shop.post("/v1/categories", {"name": "Bebidas"})).json()
    filed = await created(shop, categoryId=category["id"])
    made = await shop.post(f"/v1/products/{bare['id']}/variants", {"axes": [{"name": "talla", "values": ["S", "M"]}]})
    assert made.status_code == 201, made.text
    await admin.execute(
        "UPDATE product SET created_at = '2026-01-02 03:04:05+00', updated_at = '2026-01-02 03:04:05.1+00' "
        "WHERE id = $1",
        UUID(filed["id"]),
    )
    gone = await created(shop)
    gone = (await shop.post(f"/v1/products/{gone['id']}/retire")).json()
    cashier = await cashier_of(shop, admin, app)
    for person in (shop, cashier):
        for retired, expected in ((False, [rich, bare, filed, *made.json()["items"]]), (True, [gone])):
            listed = (await person.get("/v1/products", retired=retired)).json()["items"]
            assert sorted(item["id"] for item in listed) == sorted(item["id"] for item in expected)
            for item in listed:
                stock = item.pop("stock")
                assert stock is None or all(shelf["quantity"] == "0.000" for shelf in stock)
                assert item == (await person.get(f"/v1/products/{item['id']}")).json()
    assert (await cashier.get("/v1/products", sku=rich["sku"])).json()["items"][0]["cost"] is None


async def test_a_code_of_another_company_finds_nothing_and_a_list_answers_304(shop: Shop, other_shop: Shop) -> None:
    made = await created(shop, barcodes=["7709990000016"])
    for question in ({"barcode": "7709990000016"}, {"sku": made["sku"]}, {"search": made["sku"]}, {}):
        assert await found(other_shop, **question) == []
        assert await found(shop, **question) == [made["sku"]]
    answer = await shop.get("/v1/products", barcode="7709990000016")
    headers = shop.headers | {"If-None-Match": answer.headers["etag"]}
    again = await shop.http.get("/v1/products", params={"barcode": "7709990000016"}, headers=headers)
    assert (again.status_code, again.content) == (304, b"")


async def test_references_are_told_apart_by_case(shop: Shop) -> None:
    await created(shop, sku="Ab-1")
    await created(shop, sku="AB-1")
    assert await found(shop, sku="Ab-1") == ["Ab-1"]
    assert await found(shop, sku="ab-1") == []


async def test_a_new_product_has_a_stock_row_in_every_warehouse_also_without_inventory(
    shop: Shop, admin: Admin
) -> None:
    await admin.execute(
        "INSERT INTO warehouse (tenant_id, id, branch_id, name) SELECT tenant_id, $2, branch_id, 'Otra' "
        "FROM warehouse WHERE tenant_id = $1",
        shop.tenant["id"],
        uuid4(),
    )
    made = await created(shop, tracksStock=False)
    rows = await admin.fetch("SELECT quantity, value FROM stock WHERE product_id = $1", made["id"])
    assert [(row["quantity"], row["value"]) for row in rows] == [(0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": "   "}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "a\x07b"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"sku": ""}, "/sku"),
        ({"sku": " A"}, "/sku"),
        ({"sku": "A\n"}, "/sku"),
        ({"sku": "x" * 41}, "/sku"),
        ({"barcodes": ["  "]}, "/barcodes/0"),
        ({"barcodes": ["77\t09"]}, "/barcodes/0"),
        ({"barcodes": ["x" * 49]}, "/barcodes/0"),
        ({"barcodes": [f"C{n}" for n in range(21)]}, "/barcodes"),
        ({"packs": [{"unitCode": "BX", "factor": "2", "price": "1"}] * 21}, "/packs"),
        ({"packs": [{"unitCode": "BX", "factor": "0", "price": "1"}]}, "/packs/0/factor"),
        ({"packs": [{"unitCode": "BX", "factor": "1", "price": "-1"}]}, "/packs/0/price"),
        ({"price": "-1"}, "/price"),
        ({"price": "1e3"}, "/price"),
        ({"price": 1.5}, "/price"),
        ({"price": "1000000000000"}, "/price"),
        ({"cost": "-0.01"}, "/cost"),
        ({"minStock": "-1"}, "/minStock"),
        ({"contentMl": "0"}, "/contentMl"),
        ({"precio": "1"}, "/precio"),
        ({"brand": "a\u2028b"}, "/brand"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_its_place(shop: Shop, changes: dict[str, Any], pointer: str) -> None:
    answer = await shop.post("/v1/products", body(**changes))
    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_nul_is_refused_in_a_body_and_in_a_question(shop: Shop) -> None:
    assert (await shop.post("/v1/products", body(name="a\0b"))).status_code == 400
    for name in ("search", "barcode", "sku"):
        assert (await shop.get("/v1/products", **{name: "a\0b"})).status_code == 400


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"taxClass": "iva21"}, "unknown-reference", "/taxClass"),
        ({"unitCode": "QQQ"}, "unknown-reference", "/unitCode"),
        ({"categoryId": str(uuid4())}, "unknown-reference", "/categoryId"),
        ({"packs": [{"unitCode": "QQ", "factor": 2, "price": 1}]}, "unknown-reference", "/packs/0/unitCode"),
        ({"packs": [{"unitCode": "94", "factor": 2, "price": 1}]}, "duplicate-unit", "/packs/0/unitCode"),
        ({"barcodes": ["A1", "A1"]}, "duplicate-barcode", "/barcodes/1"),
        (
            {"barcodes": ["A1"], "packs": [{"unitCode": "BX", "factor": 2, "price": 1, "barcode": "A1"}]},
            "duplicate-barcode",
            "/packs/0/barcode",
        ),
        ({"taxClass": "ibua-high"}, "content-required", "/contentMl"),
        ({"contentMl": "500"}, "content-not-taxed", "/contentMl"),
    ],
)
async def test_what_does_not_fit_is_refused_by_its_rule(
    shop: Shop, changes: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await shop.post("/v1/products", body(**changes))
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_code_belongs_to_one_product_also_while_that_one_is_retired(shop: Shop) -> None:
    first = await created(shop, sku="UNO", barcodes=["7700"])
    await shop.post(f"/v1/products/{first['id']}/retire")
    for changes, code in (({"barcodes": ["7700"]}, "barcode-taken"), ({"sku": "UNO"}, "sku-taken")):
        answer = await shop.post("/v1/products", body(**changes))
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert answer.json()["productId"] == first["id"]


async def test_another_company_may_use_the_same_codes_and_ids(shop: Shop, other_shop: Shop) -> None:
    made = await created(shop, sku="UNO", barcodes=["7700"], id=str(uuid4()))
    same = await created(other_shop, sku="UNO", barcodes=["7700"], id=made["id"])
    assert same["id"] == made["id"]


async def test_a_sugary_drink_is_taxed_by_its_contents(shop: Shop, admin: Admin) -> None:
    made = await created(shop, taxClass="ibua-high", contentMl="400")
    assert made["contentMl"] == "400.000"
    assert await admin.fetchval("SELECT nominal_factor FROM product WHERE id = $1", made["id"]) == 4
    answer = await shop.patch(f"/v1/products/{made['id']}", {"taxClass": "iva19"})
    assert answer.json()["contentMl"] is None
    assert await admin.fetchval("SELECT nominal_factor FROM product WHERE id = $1", made["id"]) == 1


async def test_the_same_id_and_body_is_one_product(shop: Shop) -> None:
    sent = body(id=str(uuid4()))
    first, again = [await shop.post("/v1/products", sent) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await shop.post("/v1/products", sent | {"price": "81"})
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")


async def test_the_same_key_is_one_product(shop: Shop, admin: Admin) -> None:
    sent, key = body(), uuid4().hex
    first, again = [await shop.post("/v1/products", sent, key=key) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await admin.fetchval("SELECT count(*) FROM product WHERE tenant_id = $1", shop.tenant["id"]) == 1


async def test_a_stranger_finds_none_of_it(shop: Shop, other_shop: Shop) -> None:
    made = await created(shop, sku="UNO", barcodes=["7700"])
    path = f"/v1/products/{made['id']}"
    assert (await other_shop.get(path)).status_code == 404
    assert (await other_shop.get(f"{path}/prices")).status_code == 404
    assert (await other_shop.patch(path, {"price": "1"})).status_code == 404
    for verb in ("retire", "unretire"):
        assert (await other_shop.post(f"{path}/{verb}")).status_code == 404
    axes = {"axes": [{"name": "talla", "values": ["S"]}]}
    assert (await other_shop.post(f"{path}/variants", axes)).status_code == 404
    labels = await other_shop.post("/v1/products/labels", {"lines": [{"productId": made["id"]}]})
    assert (labels.status_code, labels.json()["code"]) == (422, "unknown-reference")
    for params in ({"barcode": "7700"}, {"sku": "UNO"}, {"search": "tornillo"}, {}):
        assert await found(other_shop, **params) == []


async def test_a_cashier_reads_without_costs_and_changes_nothing(shop: Shop, admin: Admin, app: Litestar) -> None:
    made = await created(shop, cost="35", barcodes=["7700"])
    cashier = await cashier_of(shop, admin, app)
    path = f"/v1/products/{made['id']}"
    assert (await cashier.get(path)).json() == made | {"cost": None}
    for params in ({"barcode": "7700"}, {"sku": made["sku"]}, {"search": "tornillo"}, {}):
        (item,) = (await cashier.get("/v1/products", **params)).json()["items"]
        assert (item["cost"], item["stock"][0]["quantity"]) == (None, "0.000")
    kinds = [line["kind"] for line in (await cashier.get(f"{path}/prices")).json()["items"]]
    assert kinds == ["price"]
    for answer in (
        await cashier.post("/v1/products", body()),
        await cashier.patch(path, {"price": "1"}),
        await cashier.post(f"{path}/retire"),
        await cashier.post("/v1/categories", {"name": "A"}),
    ):
        assert answer.status_code == 403


async def test_a_lookup_ends_with_the_session(shop: Shop) -> None:
    await created(shop, barcodes=["7700"])
    assert (await shop.get("/v1/products", barcode="7700")).status_code == 200
    assert (await shop.post("/v1/auth/logout", {"refreshToken": shop.refresh_token})).status_code == 204
    assert (await shop.get("/v1/products", barcode="7700")).status_code == 401


async def test_a_page_goes_on_where_the_last_one_ended_though_products_come_in_between(shop: Shop) -> None:
    for name in ("Álamo", "banano", "Cebolla", "Ñame", "papa"):
        await created(shop, name=name, sku=name)
    seen: list[str] = []
    cursor = None
    while True:
        page = (await shop.get("/v1/products", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
        await created(shop, name="Aguacate")
    assert seen == ["Álamo", "banano", "Cebolla", "Ñame", "papa"]
