"""Stock changed by hand: what comes in at its cost, what leaves at the average, all of it or nothing."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Database, system_actor
from app.domain.inventory.schemas import AdjustLine, PostAdjustment
from app.domain.inventory.service import AdjustmentService, InsufficientStock
from app.lib.money import Units
from tests.domain.inventory.race import until_blocked
from tests.domain.inventory.shelf import adjust, differences, kardex, pointers, refusal, shelf, try_to_adjust
from tests.shop import Shop


async def test_goods_come_in_at_their_cost_and_leave_at_the_average(shop: Shop) -> None:
    screws = await shop.product(stock=None)
    made = await adjust(shop, (screws, "10", "100"), reason="opening", note="Inventario de apertura")
    assert (made["reason"], made["note"], made["value"]) == ("opening", "Inventario de apertura", "1000.00")
    await adjust(shop, (screws, "5", "250.50"), reason="found")
    assert await shelf(shop, screws) == ("15.000", "2252.50")
    lost = await adjust(shop, (screws, "-4"), reason="loss")
    line = lost["lines"][0]
    assert (line["quantity"], line["value"], line["unitCost"]) == ("-4.000", "-600.67", "150.1675")
    assert (line["balanceQuantity"], line["balanceValue"]) == ("11.000", "1651.83")
    assert (line["sku"], line["name"]) == (screws["sku"], screws["name"])
    await adjust(shop, (screws, "-11"), reason="damage")
    assert await shelf(shop, screws) == ("0.000", "0.00")
    assert await differences(shop) == []


async def test_a_cost_nobody_states_is_the_average_or_the_last_one_known(shop: Shop) -> None:
    unknown = await shop.product(stock=None)
    stated = {"sku": uuid4().hex[:10], "name": "Con costo", "price": "100", "taxClass": "iva19", "cost": "70"}
    priced = (await shop.post("/v1/products", stated)).json()
    await adjust(shop, (priced, "2"))
    assert await shelf(shop, priced) == ("2.000", "140.00")
    await adjust(shop, (priced, "1", "10"))
    await adjust(shop, (priced, "3"))
    assert await shelf(shop, priced) == ("6.000", "300.00")
    await adjust(shop, (unknown, "2"))
    assert await shelf(shop, unknown) == ("2.000", "0.00")


async def test_lines_of_one_product_are_applied_in_their_order(shop: Shop) -> None:
    nails = await shop.product(stock=None)
    made = await adjust(shop, (nails, "3", "10"), (nails, "-2"), (nails, "1.5", "20.20"))
    assert [line["balanceQuantity"] for line in made["lines"]] == ["3.000", "1.000", "2.500"]
    assert [line["balanceValue"] for line in made["lines"]] == ["30.00", "10.00", "40.30"]
    assert [line["position"] for line in await kardex(shop, nails)] == [1, 2, 3]
    short = await try_to_adjust(shop, (nails, "-3"), (nails, "5"))
    assert refusal(short) == (422, "insufficient-stock")
    assert await differences(shop) == []


async def test_what_is_not_there_cannot_leave_and_nothing_is_changed(shop: Shop) -> None:
    plenty, scarce = await shop.product(stock="50"), await shop.product(stock="2.5")
    answer = await try_to_adjust(shop, (plenty, "-10"), (scarce, "-2.6"), reason="damage")
    assert refusal(answer) == (422, "insufficient-stock")
    assert (answer.json()["productId"], answer.json()["available"]) == (scarce["id"], "2.500")
    assert pointers(answer) == ["/lines/1/quantity"]
    assert (await shelf(shop, plenty))[0] == "50.000"
    assert (await shelf(shop, scarce))[0] == "2.500"
    assert len(await kardex(shop, plenty)) == 1


async def test_a_product_without_stock_is_refused(shop: Shop) -> None:
    freight = await shop.product(stock=None, tracksStock=False)
    answer = await try_to_adjust(shop, (freight, "1"))
    assert refusal(answer) == (422, "stock-not-tracked")
    assert pointers(answer) == ["/lines/0/productId"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "gift"}, "/reason"),
        ({"lines": []}, "/lines"),
        ({"lines": [{"productId": str(uuid4()), "quantity": "0"}]}, "/lines/0"),
        ({"lines": [{"productId": str(uuid4()), "quantity": 1.5}]}, "/lines/0/quantity"),
        ({"lines": [{"productId": str(uuid4()), "quantity": "1.0000001"}]}, "/lines/0/quantity"),
        ({"lines": [{"productId": str(uuid4()), "quantity": "NaN"}]}, "/lines/0/quantity"),
        ({"lines": [{"productId": str(uuid4()), "quantity": "1", "unitCost": "-1"}]}, "/lines/0/unitCost"),
        ({"lines": [{"productId": "x", "quantity": "1"}]}, "/lines/0/productId"),
        ({"motivo": "x"}, "/motivo"),
    ],
    ids=["reason", "no lines", "zero", "fraction", "too fine", "NaN", "negative cost", "no id", "unknown field"],
)
async def test_a_malformed_adjustment_says_where(shop: Shop, body: dict[str, Any], pointer: str) -> None:
    whole = {"reason": "other", "lines": [{"productId": str(uuid4()), "quantity": "1"}]} | body
    answer = await shop.post("/v1/inventory/adjustments", whole)
    assert answer.status_code == 400, answer.text
    assert pointers(answer) == [pointer]


async def test_two_thousand_lines_are_one_adjustment_and_one_more_is_too_many(shop: Shop) -> None:
    first, second = await shop.product(stock=None), await shop.product(stock=None)
    lines = [(first, "1", "2"), (second, "0.5", "3")] * 1000
    made = await adjust(shop, *lines, reason="count")
    assert (made["lineCount"], made["value"]) == (2000, "3500.00")
    assert [line["productId"] for line in made["lines"][:3]] == [first["id"], second["id"], first["id"]]
    assert await shelf(shop, first) == ("1000.000", "2000.00")
    assert (await try_to_adjust(shop, *lines, (first, "1"))).status_code == 400
    assert await differences(shop) == []


async def test_more_than_the_books_can_hold_is_refused(shop: Shop) -> None:
    gold = await shop.product(stock=None)
    answer = await try_to_adjust(shop, (gold, "999999999999", "999999999999"))
    assert refusal(answer) == (422, "out-of-range")
    assert await shelf(shop, gold) == ("0.000", "0.00")


async def test_a_retry_changes_stock_once(shop: Shop) -> None:
    nails = await shop.product(stock=None)
    body = {
        "id": str(uuid4()),
        "reason": "found",
        "lines": [{"productId": nails["id"], "quantity": "3", "unitCost": "10"}],
    }
    first = await shop.post("/v1/inventory/adjustments", body, key="one")
    again = await shop.post("/v1/inventory/adjustments", body, key="one")
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    by_id = await shop.post("/v1/inventory/adjustments", body)
    assert (by_id.status_code, by_id.json()) == (200, first.json())
    other = await shop.post("/v1/inventory/adjustments", body | {"reason": "other"})
    assert refusal(other) == (409, "id-taken")
    assert await shelf(shop, nails) == ("3.000", "30.00")


async def test_copies_sent_at_once_change_stock_once(shop: Shop) -> None:
    nails = await shop.product(stock="1")
    body = {"id": str(uuid4()), "reason": "found", "lines": [{"productId": nails["id"], "quantity": "1"}]}
    answers = await asyncio.gather(*(shop.post("/v1/inventory/adjustments", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 200, 201]
    assert len({answer.content for answer in answers}) == 1
    assert (await shelf(shop, nails))[0] == "2.000"


async def test_an_adjustment_needs_a_key(shop: Shop) -> None:
    answer = await shop.http.post("/v1/inventory/adjustments", json={}, headers=shop.headers)
    assert answer.status_code == 428


async def test_an_adjustment_undone_leaves_the_shelf_as_it_was(shop: Shop) -> None:
    nails, screws = await shop.product(stock="7", cost="33.333333"), await shop.product(stock="2")
    before = [await shelf(shop, nails), await shelf(shop, screws)]
    made = await adjust(shop, (nails, "5", "99"), (screws, "-2"), (nails, "-3"))
    undone = await shop.post(f"/v1/inventory/adjustments/{made['id']}/reverse", {"note": "Era otro producto"})
    assert undone.status_code == 201, undone.text
    reversal = undone.json()
    assert (reversal["reason"], reversal["reverses"], reversal["note"]) == ("reversal", made["id"], "Era otro producto")
    assert [line["quantity"] for line in reversal["lines"]] == ["3.000", "2.000", "-5.000"]
    assert Decimal(reversal["value"]) == -Decimal(made["value"])
    assert [await shelf(shop, nails), await shelf(shop, screws)] == before
    read = (await shop.get(f"/v1/inventory/adjustments/{made['id']}")).json()
    assert read == made | {"reversedBy": reversal["id"]}
    again = await shop.post(f"/v1/inventory/adjustments/{made['id']}/reverse")
    assert refusal(again) == (409, "already-reversed")
    assert again.json()["adjustmentId"] == reversal["id"]
    back = await shop.post(f"/v1/inventory/adjustments/{reversal['id']}/reverse")
    assert refusal(back) == (422, "not-reversible")
    assert await differences(shop) == []


async def test_an_adjustment_whose_goods_are_gone_is_not_undone(shop: Shop) -> None:
    nails = await shop.product(stock=None)
    made = await adjust(shop, (nails, "5", "10"))
    await adjust(shop, (nails, "-3"))
    answer = await shop.post(f"/v1/inventory/adjustments/{made['id']}/reverse")
    assert refusal(answer) == (422, "insufficient-stock")
    assert await shelf(shop, nails) == ("2.000", "20.00")


async def test_undoing_late_never_leaves_less_than_nothing(shop: Shop) -> None:
    nails = await shop.product(stock=None)
    dear = await adjust(shop, (nails, "1", "1000"))
    await adjust(shop, (nails, "99", "0"))
    await adjust(shop, (nails, "-90"))
    assert await shelf(shop, nails) == ("10.000", "100.00")
    await shop.post(f"/v1/inventory/adjustments/{dear['id']}/reverse")
    assert await shelf(shop, nails) == ("9.000", "0.00")
    assert await differences(shop) == []


async def test_what_units_are_worth_can_be_corrected(shop: Shop) -> None:
    nails, screws = await shop.product(stock="8", cost="100"), await shop.product(stock="3", cost="10")
    empty = await shop.product(stock=None)
    answer = await shop.post(
        "/v1/inventory/revaluations",
        {
            "note": "Costo mal digitado",
            "lines": [{"productId": nails["id"], "unitCost": "62.5"}, {"productId": screws["id"], "value": "40"}],
        },
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["reason"], made["value"]) == ("revaluation", "-290.00")
    assert [(line["quantity"], line["value"], line["unitCost"]) for line in made["lines"]] == [
        ("0.000", "-300.00", "62.50"),
        ("0.000", "10.00", "13.333333"),
    ]
    assert (await shelf(shop, nails), await shelf(shop, screws)) == (("8.000", "500.00"), ("3.000", "40.00"))
    nothing = await shop.post("/v1/inventory/revaluations", {"lines": [{"productId": empty["id"], "value": "5"}]})
    assert refusal(nothing) == (422, "nothing-to-revalue")
    both = {"productId": nails["id"], "value": "5", "unitCost": "5"}
    assert (await shop.post("/v1/inventory/revaluations", {"lines": [both]})).status_code == 400
    assert refusal(await shop.post(f"/v1/inventory/adjustments/{made['id']}/reverse")) == (422, "not-reversible")
    assert await differences(shop) == []


async def test_the_list_is_newest_first_and_turns_its_pages(shop: Shop) -> None:
    nails = await shop.product(stock=None)
    made = [(await adjust(shop, (nails, "1", "10"), note=str(n)))["id"] for n in range(5)]
    first = (await shop.get("/v1/inventory/adjustments", limit=3)).json()
    rest = (await shop.get("/v1/inventory/adjustments", limit=3, cursor=first["nextCursor"])).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert rest["nextCursor"] is None
    assert (first["items"][0]["lineCount"], first["items"][0]["value"]) == (1, "10.00")


async def test_every_adjustment_is_in_the_trail_whole(shop: Shop, admin: asyncpg.Connection) -> None:
    nails = await shop.product(stock=None)
    made = await adjust(shop, (nails, "2", "10"), reason="found")
    content = await admin.fetchval(
        "SELECT content FROM audit_entry WHERE subject_id = $1 AND action = 'stock.adjusted'", UUID(made["id"])
    )
    assert content is not None
    for piece in (nails["id"], '"reason":"found"', '"value":"20.00"', '"balanceQuantity":"2.000"'):
        assert piece in content


async def test_a_stranger_finds_nothing_and_names_nothing(shop: Shop, other_shop: Shop) -> None:
    mine, theirs = await shop.product(), await other_shop.product()
    made = await adjust(shop, (mine, "1"))
    for answer in (
        await other_shop.get(f"/v1/inventory/adjustments/{made['id']}"),
        await other_shop.post(f"/v1/inventory/adjustments/{made['id']}/reverse"),
        await other_shop.get(f"/v1/products/{mine['id']}/kardex"),
    ):
        assert refusal(answer) == (404, "not-found"), answer.text
    foreign = await try_to_adjust(other_shop, (theirs, "1"), (mine, "1"))
    assert refusal(foreign) == (422, "unknown-reference")
    assert pointers(foreign) == ["/lines/1/productId"]
    revalued = await other_shop.post("/v1/inventory/revaluations", {"lines": [{"productId": mine["id"], "value": "1"}]})
    assert refusal(revalued) == (422, "unknown-reference")
    elsewhere = await try_to_adjust(other_shop, (theirs, "1"), warehouseId=made["warehouseId"])
    assert refusal(elsewhere) == (422, "unknown-reference")
    assert pointers(elsewhere) == ["/warehouseId"]
    listed = await other_shop.get("/v1/inventory/stock", productId=mine["id"])
    assert (listed.status_code, listed.json()["items"]) == (200, [])
    free = await try_to_adjust(other_shop, (theirs, "1"), id=made["id"])
    assert free.status_code == 201


async def test_the_last_units_leave_once(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    """The first adjustment is held open: the second waits for its shelves and then finds them empty."""
    nails, screws = await shop.product(stock="10"), await shop.product(stock="10")
    ids = [UUID(product["id"]) for product in (nails, screws)]
    actor = system_actor(UUID(shop.tenant_id))

    def everything(order: list[UUID]) -> PostAdjustment:
        return PostAdjustment(
            reason="loss", lines=[AdjustLine(product_id=product_id, quantity=Units("-10")) for product_id in order]
        )

    async def second() -> None:
        async with database.tenant_transaction(actor) as work:
            await AdjustmentService(work).adjust(everything(ids[::-1]))

    async with database.tenant_transaction(actor) as work:
        await AdjustmentService(work).adjust(everything(ids))
        other = asyncio.create_task(second())
        await until_blocked(admin)
    with pytest.raises(InsufficientStock):
        await other
    assert await shelf(shop, nails) == await shelf(shop, screws) == ("0.000", "0.00")
    assert await differences(shop) == []


async def test_many_hands_on_the_same_shelves_in_any_order_agree_with_the_ledger(shop: Shop) -> None:
    products = [await shop.product(stock="100", cost="10.01") for _ in range(4)]
    answers = await asyncio.gather(
        *(
            try_to_adjust(shop, *((products[(n + k) % 4], "-3") for k in range(4)), (products[n % 4], "1"))
            for n in range(24)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert [(await shelf(shop, product))[0] for product in products] == ["34.000"] * 4
    assert await differences(shop) == []


async def test_the_cost_of_what_came_in_is_the_products_last_cost(shop: Shop) -> None:
    made = await shop.product(stock=None)
    lines = [
        {"productId": made["id"], "quantity": "2", "unitCost": "900.5"},
        {"productId": made["id"], "quantity": "-1"},
        {"productId": made["id"], "quantity": "1"},
    ]
    answer = await shop.post("/v1/inventory/adjustments", {"reason": "found", "lines": lines})
    assert answer.status_code == 201, answer.text
    assert (await shop.get(f"/v1/products/{made['id']}")).json()["cost"] == "900.50"
    history = (await shop.get(f"/v1/products/{made['id']}/prices")).json()["items"]
    assert next((step["kind"], step["before"], step["after"]) for step in history) == ("cost", None, "900.50")
    refused = {"reason": "found", "lines": [{**lines[0], "unitCost": "1"}, {**lines[1], "quantity": "-50"}]}
    assert (await shop.post("/v1/inventory/adjustments", refused)).status_code == 422
    assert (await shop.get(f"/v1/products/{made['id']}")).json()["cost"] == "900.50"
