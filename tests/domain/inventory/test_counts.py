"""Counting a warehouse while it goes on selling: what is posted is what was wrong, and nothing else."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Database, system_actor
from app.domain.inventory.count_closing import CountClosing
from app.domain.inventory.count_schemas import CloseCount, CountLine, EnterCount, OpenCount
from app.domain.inventory.counts import CountEnded, CountService
from app.lib.money import Units
from tests.domain.inventory.places import (
    act,
    add_warehouse,
    enter,
    first_warehouse,
    open_count,
    receive,
    review,
    send,
    shelf_at,
)
from tests.domain.inventory.race import until_blocked
from tests.domain.inventory.shelf import adjust, differences, kardex, pointers, refusal, shelf
from tests.domain.inventory.test_reads import cashier_of
from tests.shop import Shop


async def sell(shop: Shop, drawer: str, product: dict[str, Any], quantity: str) -> None:
    sold = await shop.sell(drawer, [{"productId": product["id"], "quantity": quantity}], "900000")
    assert sold.status_code == 201, sold.text


async def test_what_differs_is_posted_and_the_rest_is_left_alone(shop: Shop) -> None:
    nails, screws, bolts = [await shop.product(stock="10", cost=cost) for cost in ("100", "7", "3")]
    count = await open_count(shop, note="Inventario de fin de mes")
    assert (count["status"], count["scope"], count["products"], count["counted"]) == ("open", "all", 3, 0)
    assert (
        await enter(shop, count, (nails, "4"), (nails, "3"), (screws, "12.5"), device="Tableta 1")
    ).status_code == 201
    last = await enter(shop, count, (bolts, "99"), (bolts, "10", "set"), device="Tableta 2")
    assert [(item["productId"], item["counted"]) for item in last.json()["items"]] == [(bolts["id"], "10.000")]
    seen = await review(shop, count)
    assert (seen["products"], seen["counted"], seen["different"]) == (3, 3, 2)
    assert (seen["surplusValue"], seen["shortageValue"]) == ("17.50", "300.00")
    by_product = {item["productId"]: item for item in seen["items"]}
    assert (by_product[nails["id"]]["difference"], by_product[nails["id"]]["differenceValue"]) == ("-3.000", "-300.00")
    assert (by_product[screws["id"]]["difference"], by_product[screws["id"]]["differenceValue"]) == ("2.500", "17.50")
    closed = await act(shop, count, "close", note="Revisado")
    assert closed.status_code == 200, closed.text
    body = closed.json()
    assert (body["status"], body["closedBy"]) == ("closed", shop.user["id"])
    posted = (await shop.get(f"/v1/inventory/adjustments/{body['adjustmentId']}")).json()
    assert (posted["reason"], posted["lineCount"], posted["value"]) == ("count", 2, "-282.50")
    assert count["id"] in posted["note"]
    assert await shelf(shop, nails) == ("7.000", "700.00")
    assert await shelf(shop, screws) == ("12.500", "87.50")
    assert [line["kind"] for line in await kardex(shop, bolts)] == ["opening"]
    last_move = (await kardex(shop, nails))[-1]
    assert (last_move["kind"], last_move["documentId"]) == ("count", body["adjustmentId"])
    for verb in ("close", "cancel", "recount"):
        again = await act(shop, count, verb)
        assert (refusal(again), again.json()["countStatus"]) == ((409, "count-ended"), "closed")
    assert refusal(await enter(shop, count, (nails, "1"))) == (409, "count-ended")
    assert await differences(shop) == []


async def test_what_is_sold_while_counting_is_not_counted_as_missing(shop: Shop) -> None:
    nails, screws = await shop.product(stock="10", cost="10"), await shop.product(stock="10", cost="10")
    drawer = await shop.open_drawer()
    count = await open_count(shop)
    await sell(shop, drawer, nails, "2")
    # Eight are left, and eight are seen; one screw is missing.
    await enter(shop, count, (nails, "8"), (screws, "9"))
    await sell(shop, drawer, nails, "3")
    await sell(shop, drawer, screws, "4")
    await adjust(shop, (screws, "6", "10"))
    (item,) = (await review(shop, count))["items"]
    assert (item["productId"], item["expectedAtOpening"], item["expected"]) == (screws["id"], "10.000", "10.000")
    assert (item["counted"], item["difference"], item["movedSince"]) == ("9.000", "-1.000", "2.000")
    assert not item["movedWhileCounting"]
    await act(shop, count, "close")
    assert (await shelf(shop, nails))[0] == "5.000"
    assert (await shelf(shop, screws))[0] == "11.000"
    assert await differences(shop) == []


async def test_goods_that_move_between_two_entries_are_marked(shop: Shop) -> None:
    nails = await shop.product(stock="12", cost="10")
    drawer = await shop.open_drawer()
    count = await open_count(shop)
    await enter(shop, count, (nails, "5"), device="Vitrina")
    await sell(shop, drawer, nails, "1")
    await enter(shop, count, (nails, "7"), device="Depósito")
    (item,) = (await review(shop, count))["items"]
    assert (item["expected"], item["counted"], item["movedWhileCounting"]) == ("11.000", "12.000", True)
    again = await act(shop, count, "recount")
    assert (again.status_code, again.json()["counted"]) == (200, 0)
    (pending,) = (await shop.get(f"/v1/inventory/counts/{count['id']}/items", status="pending")).json()["items"]
    assert (pending["productId"], pending["round"], pending["counted"]) == (nails["id"], 2, None)
    await enter(shop, count, (nails, "11"))
    assert (await review(shop, count))["items"] == []
    entries = (await shop.get(f"/v1/inventory/counts/{count['id']}/entries")).json()["items"]
    assert [(entry["round"], entry["device"], entry["quantity"], entry["total"]) for entry in entries] == [
        (1, "Vitrina", "5.000", "5.000"),
        (1, "Depósito", "7.000", "12.000"),
        (2, "", "11.000", "11.000"),
    ]
    closed = (await act(shop, count, "close")).json()
    assert (closed["status"], closed["adjustmentId"]) == ("closed", None)
    assert (await shelf(shop, nails))[0] == "11.000"
    assert await differences(shop) == []


async def test_what_nobody_counted_stays_or_is_nothing_as_the_close_says(shop: Shop) -> None:
    nails, screws = await shop.product(stock="10", cost="10"), await shop.product(stock="4", cost="25")
    first = await open_count(shop)
    await enter(shop, first, (nails, "9"))
    await act(shop, first, "close")
    assert await shelf(shop, screws) == ("4.000", "100.00")
    second = await open_count(shop)
    await enter(shop, second, (nails, "9"))
    closed = (await act(shop, second, "close", uncounted="zero")).json()
    posted = (await shop.get(f"/v1/inventory/adjustments/{closed['adjustmentId']}")).json()
    assert [(line["productId"], line["quantity"], line["value"]) for line in posted["lines"]] == [
        (screws["id"], "-4.000", "-100.00")
    ]
    assert (await shelf(shop, nails), await shelf(shop, screws)) == (("9.000", "90.00"), ("0.000", "0.00"))
    assert await differences(shop) == []


async def test_more_sold_than_the_count_found_is_counted_again(shop: Shop) -> None:
    nails = await shop.product(stock="10", cost="10")
    drawer = await shop.open_drawer()
    count = await open_count(shop)
    await enter(shop, count, (nails, "1"))
    await sell(shop, drawer, nails, "3")
    assert (await review(shop, count))["items"][0]["needsRecount"]
    refused = await act(shop, count, "close")
    assert refusal(refused) == (422, "recount-needed")
    assert refused.json()["productIds"] == [nails["id"]]
    assert (await shop.get(f"/v1/inventory/counts/{count['id']}")).json()["status"] == "open"
    await act(shop, count, "recount", productIds=[nails["id"]])
    await enter(shop, count, (nails, "6"))
    assert (await act(shop, count, "close")).status_code == 200
    assert await shelf(shop, nails) == ("6.000", "60.00")
    assert await differences(shop) == []


async def test_a_cancelled_count_changes_nothing_and_frees_its_products(shop: Shop) -> None:
    nails = await shop.product(stock="10")
    count = await open_count(shop)
    await enter(shop, count, (nails, "1"))
    assert (await act(shop, count, "cancel")).json()["status"] == "cancelled"
    assert (await shelf(shop, nails))[0] == "10.000"
    assert (await open_count(shop))["status"] == "open"


async def test_a_product_is_in_one_open_count_of_its_warehouse(shop: Shop) -> None:
    made = await shop.post("/v1/categories", {"name": "Tornillos"})
    inside = await shop.post("/v1/categories", {"name": "De madera", "parentId": made.json()["id"]})
    there = await add_warehouse(shop)
    nails = await shop.product()
    screws, wood = await shop.product(categoryId=made.json()["id"]), await shop.product(categoryId=inside.json()["id"])
    first = await open_count(shop, categoryId=made.json()["id"])
    assert (first["scope"], first["products"]) == ("category", 2)
    for body in ({}, {"productIds": [nails["id"], wood["id"]]}, {"categoryId": inside.json()["id"]}):
        answer = await shop.post("/v1/inventory/counts", body)
        assert (refusal(answer), answer.json()["countId"]) == ((409, "count-open"), first["id"])
    assert (await open_count(shop, productIds=[nails["id"]]))["scope"] == "products"
    assert (await open_count(shop, warehouseId=there))["products"] == 3
    refused = await enter(shop, first, (screws, "1"), (nails, "1"))
    assert (refusal(refused), pointers(refused)) == ((422, "not-in-count"), ["/lines/1/productId"])
    opened = (await shop.get("/v1/inventory/counts", status="open", limit=2)).json()
    rest = (await shop.get("/v1/inventory/counts", status="open", cursor=opened["nextCursor"])).json()
    assert [item["id"] for item in (*opened["items"], *rest["items"])][-1] == first["id"]
    assert len(opened["items"]) + len(rest["items"]) == 3


async def test_a_product_born_after_the_opening_joins_the_count(shop: Shop) -> None:
    await shop.product()
    count = await open_count(shop)
    late = await shop.product(stock="3", cost="10")
    assert (await enter(shop, count, (late, "2"))).status_code == 201
    assert (await act(shop, count, "close")).status_code == 200
    assert await shelf(shop, late) == ("2.000", "20.00")
    assert await differences(shop) == []


async def test_what_stopped_keeping_stock_is_left_out(shop: Shop) -> None:
    nails, other = await shop.product(stock="3"), await shop.product(stock="3")
    count = await open_count(shop)
    await enter(shop, count, (nails, "2"), (other, "3"))
    await adjust(shop, (nails, "-3"))
    assert (await shop.patch(f"/v1/products/{nails['id']}", {"tracksStock": False})).status_code == 200
    closed = await act(shop, count, "close", uncounted="zero")
    assert (closed.status_code, closed.json()["adjustmentId"]) == (200, None)
    assert await differences(shop) == []


async def test_what_cannot_be_counted_is_told(shop: Shop) -> None:
    freight = await shop.product(stock=None, tracksStock=False)
    nothing = await shop.post("/v1/inventory/counts", {})
    assert refusal(nothing) == (422, "nothing-to-count")
    assert (await shop.get("/v1/inventory/counts")).json()["items"] == []
    service = await shop.post("/v1/inventory/counts", {"productIds": [freight["id"]]})
    assert (refusal(service), pointers(service)) == ((422, "stock-not-tracked"), ["/productIds/0"])
    nails = await shop.product(stock=None)
    unknown = await shop.post("/v1/inventory/counts", {"productIds": [nails["id"], str(uuid4())]})
    assert (refusal(unknown), pointers(unknown)) == ((422, "unknown-reference"), ["/productIds/1"])
    category = await shop.post("/v1/inventory/counts", {"categoryId": str(uuid4())})
    assert (refusal(category), pointers(category)) == ((422, "unknown-reference"), ["/categoryId"])
    both = {"categoryId": str(uuid4()), "productIds": [nails["id"]]}
    assert (await shop.post("/v1/inventory/counts", both)).status_code == 400
    count = await open_count(shop)
    below = await enter(shop, count, (nails, "2"), (nails, "-3"))
    assert (refusal(below), pointers(below)) == ((422, "count-negative"), ["/lines/1/quantity"])
    assert (await enter(shop, count, (nails, "-1", "set"))).status_code == 400
    again = await act(shop, count, "recount", productIds=[freight["id"]])
    assert (refusal(again), pointers(again)) == ((422, "unknown-reference"), ["/productIds/0"])
    assert (await shop.get(f"/v1/inventory/counts/{count['id']}")).json()["counted"] == 0


async def test_a_retry_opens_and_enters_once(shop: Shop) -> None:
    nails = await shop.product()
    chosen = {"id": str(uuid4())}
    first, again = [await shop.post("/v1/inventory/counts", chosen) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert refusal(await shop.post("/v1/inventory/counts", chosen | {"note": "otro"})) == (409, "id-taken")
    path = f"/v1/inventory/counts/{chosen['id']}/entries"
    body = {"lines": [{"productId": nails["id"], "quantity": "3"}]}
    once, twice = [await shop.post(path, body, key="the-same") for _ in range(2)]
    assert (once.content, twice.headers["idempotency-replayed"]) == (twice.content, "true")
    assert once.json()["items"][0]["counted"] == "3.000"
    keyless = await shop.http.post(path, json=body, headers=shop.headers)
    assert refusal(keyless) == (428, "idempotency-key-required")
    many = {"id": str(uuid4()), "productIds": [(await shop.product())["id"]]}
    answers = await asyncio.gather(*(shop.post("/v1/inventory/counts", many) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]


async def test_many_devices_count_one_product_together(shop: Shop) -> None:
    nails, screws = await shop.product(stock="100"), await shop.product(stock="1")
    count = await open_count(shop)
    answers = await asyncio.gather(
        *(
            enter(shop, count, *((nails, "2"), (screws, "0.5"))[:: 1 if n % 2 else -1], device=f"T{n}")
            for n in range(20)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    items = (await shop.get(f"/v1/inventory/counts/{count['id']}/items", status="counted")).json()["items"]
    assert {item["productId"]: item["counted"] for item in items} == {nails["id"]: "40.000", screws["id"]: "10.000"}
    entries = (await shop.get(f"/v1/inventory/counts/{count['id']}/entries", productId=nails["id"])).json()["items"]
    assert [entry["total"] for entry in entries] == [f"{2 * n}.000" for n in range(1, 21)]
    assert await differences(shop) == []


async def test_who_counts_sees_nothing_of_the_books(shop: Shop, admin: asyncpg.Connection) -> None:
    nails = await shop.product(stock="777", cost="4321")
    count = await open_count(shop)
    entered = await enter(shop, count, (nails, "3"))
    cashier = await cashier_of(shop, admin)
    items = await cashier.get(f"/v1/inventory/counts/{count['id']}/items")
    for answer in (entered, items, await cashier.get(f"/v1/inventory/counts/{count['id']}")):
        assert answer.is_success
        assert '"777' not in answer.text.replace(nails["id"], "").replace(count["id"], "").replace(nails["sku"], "")
    for answer in (
        await cashier.get(f"/v1/inventory/counts/{count['id']}/review"),
        await cashier.get(f"/v1/inventory/counts/{count['id']}/entries"),
        await enter(cashier, count, (nails, "3")),
        await act(cashier, count, "close"),
        await act(cashier, count, "recount"),
    ):
        assert answer.status_code == 403


async def test_each_step_is_in_the_trail(shop: Shop, admin: asyncpg.Connection) -> None:
    nails = await shop.product(stock="5")
    count = await open_count(shop)
    await enter(shop, count, (nails, "4"), device="Tableta 9")
    await act(shop, count, "recount")
    await enter(shop, count, (nails, "4"))
    await act(shop, count, "close")
    other = await open_count(shop)
    await act(shop, other, "cancel")
    rows = await admin.fetch(
        "SELECT action, content FROM audit_entry WHERE subject_id = ANY($1) ORDER BY seq",
        [UUID(count["id"]), UUID(other["id"])],
    )
    assert [row["action"].removeprefix("stock.count") for row in rows] == [
        "-opened",
        "ed",
        "-again",
        "ed",
        "-closed",
        "-opened",
        "-cancelled",
    ]
    assert "Tableta 9" in rows[1]["content"]
    assert '"quantity":"4"' in rows[1]["content"]


async def test_a_stranger_finds_nothing(shop: Shop, other_shop: Shop) -> None:
    mine = await shop.product()
    await other_shop.product()
    count, theirs = await open_count(shop), await open_count(other_shop)
    for path in ("", "/items", "/entries", "/review"):
        assert (await other_shop.get(f"/v1/inventory/counts/{count['id']}{path}")).status_code == 404
    for verb in ("close", "cancel", "recount"):
        assert (await act(other_shop, count, verb)).status_code == 404
    assert (await enter(other_shop, count, (mine, "1"))).status_code == 404
    foreign = await enter(other_shop, theirs, (mine, "1"))
    assert (refusal(foreign), pointers(foreign)) == ((422, "unknown-reference"), ["/lines/0/productId"])
    assert [item["id"] for item in (await other_shop.get("/v1/inventory/counts")).json()["items"]] == [theirs["id"]]


async def test_transfers_go_on_while_both_ends_are_counted(shop: Shop) -> None:
    here, there = await first_warehouse(shop), await add_warehouse(shop)
    nails = await shop.product(stock="10", cost="10")
    sent = await send(shop, here, there, (nails, "4"))
    counts = [await open_count(shop, warehouseId=place) for place in (here, there)]
    # Six lie here; the four on their way lie nowhere, and one of them arrives after the other end was counted.
    await enter(shop, counts[0], (nails, "5"))
    await enter(shop, counts[1], (nails, "0"))
    await receive(shop, sent, lines=[{"productId": nails["id"], "quantity": "1"}])
    for count in counts:
        assert (await act(shop, count, "close")).status_code == 200
    assert await shelf_at(shop, nails, here) == ("5.000", "50.00")
    assert await shelf_at(shop, nails, there) == ("1.000", "10.00")
    assert await differences(shop) == []


def entering(product: dict[str, Any], quantity: str) -> EnterCount:
    return EnterCount(lines=[CountLine(product_id=UUID(product["id"]), quantity=Units(quantity))])


async def test_nothing_is_entered_once_the_close_has_begun(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    """The close is held open: the entry waits for it and is then refused."""
    nails = await shop.product(stock="10")
    count = await open_count(shop)
    await enter(shop, count, (nails, "9"))
    actor, count_id = system_actor(UUID(shop.tenant_id)), UUID(count["id"])

    async def late() -> None:
        async with database.tenant_transaction(actor) as work:
            await CountService(work).enter(count_id, entering(nails, "5"))

    async with database.tenant_transaction(actor) as work:
        await CountClosing(work).close(count_id, CloseCount())
        other = asyncio.create_task(late())
        await until_blocked(admin)
    with pytest.raises(CountEnded):
        await other
    assert (await shelf(shop, nails))[0] == "9.000"


async def test_a_close_waits_for_what_is_being_entered(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    nails = await shop.product(stock="10")
    count = await open_count(shop)
    actor, count_id = system_actor(UUID(shop.tenant_id)), UUID(count["id"])
    async with database.tenant_transaction(actor) as work:
        await CountService(work).enter(count_id, entering(nails, "7"))
        closing = asyncio.create_task(act(shop, count, "close"))
        await until_blocked(admin)
    assert (await closing).status_code == 200
    assert (await shelf(shop, nails))[0] == "7.000"
    assert await differences(shop) == []


async def test_a_close_waits_for_the_sale_that_holds_its_shelf(shop: Shop, admin: asyncpg.Connection) -> None:
    nails = await shop.product(stock="10", cost="10")
    drawer = await shop.open_drawer()
    count = await open_count(shop)
    await enter(shop, count, (nails, "8"))
    # Somebody holds the shelf; the close waits behind, and the sale behind it.
    async with admin.transaction():
        await admin.execute("SELECT FROM stock WHERE product_id = $1 FOR UPDATE", UUID(nails["id"]))
        closing = asyncio.create_task(act(shop, count, "close"))
        await until_blocked(admin)
        selling = asyncio.create_task(sell(shop, drawer, nails, "3"))
        await until_blocked(admin, 2)
    assert (await closing).status_code == 200
    await selling
    assert await shelf(shop, nails) == ("5.000", "50.00")
    assert await differences(shop) == []


async def test_two_counts_of_the_same_products_cannot_be_opened_at_once(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    """The first is held open where the second cannot see it yet: the database itself keeps them apart."""
    await shop.product()
    actor = system_actor(UUID(shop.tenant_id))

    async with database.tenant_transaction(actor) as work:
        await CountService(work).open(OpenCount())
        other = asyncio.create_task(shop.post("/v1/inventory/counts", {}))
        await until_blocked(admin)
    answer = await other
    assert refusal(answer) == (409, "count-open")
    assert len((await shop.get("/v1/inventory/counts")).json()["items"]) == 1
