"""Goods on their way between two warehouses: every unit and every peso is somewhere, once."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Database, system_actor
from app.domain.inventory.transfer_schemas import CancelTransfer, PostTransfer, ReceiveTransfer, TransferLine
from app.domain.inventory.transfers import TransferClosed, TransferService
from app.lib.money import SomeUnits
from tests.domain.inventory.places import (
    add_warehouse,
    cancel,
    first_warehouse,
    open_drawer_at,
    receive,
    send,
    shelf_at,
    try_to_send,
)
from tests.domain.inventory.race import until_blocked
from tests.domain.inventory.shelf import adjust, differences, kardex, pointers, refusal
from tests.domain.inventory.test_reads import cashier_of
from tests.shop import Shop


@pytest.fixture
async def places(shop: Shop) -> tuple[str, str]:
    """The first warehouse, and a second one."""
    return await first_warehouse(shop), await add_warehouse(shop)


async def test_goods_leave_are_on_their_way_and_arrive_with_their_pesos(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product(stock=None)
    await adjust(shop, (nails, "3", "33.34"))
    await adjust(shop, (nails, "2", "10"), warehouseId=there)
    sent = await send(shop, here, there, (nails, "2"), note="Para el norte")
    assert (sent["status"], sent["value"], sent["transitValue"]) == ("in-transit", "66.68", "66.68")
    (line,) = sent["lines"]
    assert (line["quantity"], line["unitCost"], line["inTransit"], line["sku"]) == (
        "2.000",
        "33.34",
        "2.000",
        nails["sku"],
    )
    assert await shelf_at(shop, nails, here) == ("1.000", "33.34")
    assert await shelf_at(shop, nails, there) == ("2.000", "20.00")
    part = (await receive(shop, sent, lines=[{"productId": nails["id"], "quantity": "0.5"}])).json()
    assert (part["status"], part["transitValue"]) == ("partly-received", "50.01")
    assert await shelf_at(shop, nails, there) == ("2.500", "36.67")
    whole = (await receive(shop, sent, note="El resto")).json()
    assert (whole["status"], whole["transitValue"], whole["lines"][0]["received"]) == ("received", "0.00", "2.000")
    assert [(arrival["kind"], arrival["value"]) for arrival in whole["arrivals"]] == [
        ("received", "16.67"),
        ("received", "50.01"),
    ]
    assert await shelf_at(shop, nails, there) == ("4.000", "86.68")
    assert whole == (await shop.get(f"/v1/inventory/transfers/{sent['id']}")).json()
    moved = [line for line in await kardex(shop, nails) if line["documentId"] == sent["id"]]
    assert [(line["kind"], line["warehouseId"], line["quantity"], line["value"]) for line in moved] == [
        ("transfer-out", here, "-2.000", "-66.68"),
        ("transfer-in", there, "0.500", "16.67"),
        ("transfer-in", there, "1.500", "50.01"),
    ]
    assert await differences(shop) == []


async def test_the_last_unit_takes_the_last_peso_with_it(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product(stock=None)
    await adjust(shop, (nails, "3", "0.033333"))
    assert await shelf_at(shop, nails, here) == ("3.000", "0.10")
    sent = await send(shop, here, there, (nails, "3"))
    for value in ("0.03", "0.07", "0.10"):
        await receive(shop, sent, lines=[{"productId": nails["id"], "quantity": "1"}])
        assert (await shelf_at(shop, nails, there))[1] == value
    assert await shelf_at(shop, nails, here) == ("0.000", "0.00")
    assert await differences(shop) == []


async def test_what_is_lost_on_the_way_is_written_off_at_its_exact_cost(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails, screws = await shop.product(stock="10", cost="100"), await shop.product(stock="4", cost="7.77")
    await adjust(shop, (nails, "10", "1"), warehouseId=there)
    sent = await send(shop, here, there, (nails, "10"), (screws, "4"))
    answer = await receive(
        shop,
        sent,
        lines=[
            {"productId": nails["id"], "quantity": "7", "lost": "2", "reason": "damage"},
            {"productId": screws["id"], "quantity": "0", "lost": "4", "reason": "loss"},
        ],
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["transitValue"]) == ("partly-received", "100.00")
    (arrival,) = body["arrivals"]
    assert (arrival["value"], arrival["lostValue"]) == ("700.00", "231.08")
    assert [(line["lost"], line["lostValue"], line["reason"]) for line in arrival["lines"]] == [
        ("2.000", "200.00", "damage"),
        ("4.000", "31.08", "loss"),
    ]
    # The destination's own cost is not touched by units that never came.
    assert await shelf_at(shop, nails, there) == ("17.000", "710.00")
    assert await shelf_at(shop, screws, there) == ("0.000", "0.00")
    damage = (await shop.get(f"/v1/inventory/adjustments/{arrival['lines'][0]['adjustmentId']}")).json()
    assert (damage["reason"], damage["value"], damage["warehouseId"]) == ("damage", "-200.00", there)
    assert sent["id"] in damage["note"]
    # They turn up after all.
    found = await shop.post(f"/v1/inventory/adjustments/{damage['id']}/reverse")
    assert found.status_code == 201, found.text
    assert await shelf_at(shop, nails, there) == ("19.000", "910.00")
    assert await differences(shop) == []


async def test_a_cancelled_transfer_goes_back_with_its_pesos(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails, screws = await shop.product(stock="7", cost="33.333333"), await shop.product(stock="2")
    before = [await shelf_at(shop, product, here) for product in (nails, screws)]
    sent = await send(shop, here, there, (nails, "5"), (screws, "2"))
    await receive(shop, sent, lines=[{"productId": screws["id"], "quantity": "2"}])
    back = (await cancel(shop, sent, note="No salió")).json()
    assert (back["status"], back["transitValue"]) == ("cancelled", "0.00")
    assert [(line["received"], line["returned"]) for line in back["lines"]] == [("0.000", "5.000"), ("2.000", "0.000")]
    assert await shelf_at(shop, nails, here) == before[0]
    assert await shelf_at(shop, nails, there) == ("0.000", "0.00")
    assert await shelf_at(shop, screws, there) == before[1]
    for answer in (await receive(shop, sent), await cancel(shop, sent)):
        assert refusal(answer) == (409, "transfer-closed")
        assert answer.json()["transferStatus"] == "cancelled"
    assert await differences(shop) == []


async def test_what_is_not_there_does_not_leave_and_nothing_is_changed(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    plenty, scarce = await shop.product(stock="50"), await shop.product(stock="2")
    freight = await shop.product(stock=None, tracksStock=False)
    short = await try_to_send(shop, here, there, (plenty, "10"), (scarce, "2.000001"))
    assert (refusal(short), pointers(short)) == ((422, "insufficient-stock"), ["/lines/1/quantity"])
    assert (short.json()["productId"], short.json()["available"]) == (scarce["id"], "2.000")
    service = await try_to_send(shop, here, there, (freight, "1"))
    assert (refusal(service), pointers(service)) == ((422, "stock-not-tracked"), ["/lines/0/productId"])
    same = await try_to_send(shop, here, here, (plenty, "1"))
    assert (refusal(same), pointers(same)) == ((422, "same-warehouse"), ["/toWarehouseId"])
    twice = await try_to_send(shop, here, there, (plenty, "1"), (scarce, "1"), (plenty, "1"))
    assert (refusal(twice), pointers(twice)) == ((422, "repeated-product"), ["/lines/2/productId"])
    assert (await shelf_at(shop, plenty, here))[0] == "50.000"
    assert (await shop.get("/v1/inventory/transfers")).json()["items"] == []


async def test_no_more_arrives_than_is_on_its_way(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails, other = await shop.product(), await shop.product()
    sent = await send(shop, here, there, (nails, "5"))
    too_much = await receive(
        shop, sent, lines=[{"productId": nails["id"], "quantity": "4", "lost": "1.5", "reason": "loss"}]
    )
    assert (refusal(too_much), pointers(too_much)) == ((422, "above-transit"), ["/lines/0/quantity"])
    assert too_much.json()["inTransit"] == "5.000"
    elsewhere = await receive(shop, sent, lines=[{"productId": other["id"], "quantity": "1"}])
    assert (refusal(elsewhere), pointers(elsewhere)) == ((422, "unknown-reference"), ["/lines/0/productId"])
    twice = await receive(shop, sent, lines=[{"productId": nails["id"], "quantity": "1"}] * 2)
    assert refusal(twice) == (422, "repeated-product")
    assert (await shelf_at(shop, nails, there))[0] == "0.000"


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ({"quantity": "-1"}, "/lines/0"),
        ({"quantity": "0"}, "/lines/0"),
        ({"quantity": "1", "lost": "1"}, "/lines/0"),
        ({"quantity": "1", "reason": "loss"}, "/lines/0"),
        ({"quantity": "1", "lost": "1", "reason": "theft"}, "/lines/0/reason"),
        ({"quantity": 1.5}, "/lines/0/quantity"),
    ],
    ids=["negative", "nothing", "lost for no reason", "a reason for nothing", "unknown reason", "fraction"],
)
async def test_a_malformed_reception_says_where(
    shop: Shop, places: tuple[str, str], line: dict[str, Any], pointer: str
) -> None:
    nails = await shop.product()
    sent = await send(shop, *places, (nails, "5"))
    answer = await receive(shop, sent, lines=[{"productId": nails["id"]} | line])
    assert (answer.status_code, pointers(answer)) == (400, [pointer]), answer.text


async def test_a_retry_sends_and_receives_once(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product(stock="10")
    chosen = {"id": str(uuid4())}
    first = await try_to_send(shop, here, there, (nails, "4"), **chosen)
    again = await try_to_send(shop, here, there, (nails, "4"), **chosen)
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert refusal(await try_to_send(shop, here, there, (nails, "5"), **chosen)) == (409, "id-taken")
    arrival: dict[str, Any] = {"id": str(uuid4()), "lines": [{"productId": nails["id"], "quantity": "1"}]}
    once, twice = await receive(shop, first.json(), **arrival), await receive(shop, first.json(), **arrival)
    assert once.json() == twice.json()
    assert [found["id"] for found in once.json()["arrivals"]] == [arrival["id"]]
    assert refusal(await receive(shop, first.json(), id=arrival["id"])) == (409, "id-taken")
    assert await shelf_at(shop, nails, here) == ("6.000", "30000.00")
    assert await shelf_at(shop, nails, there) == ("1.000", "5000.00")
    key = uuid4().hex
    path = f"/v1/inventory/transfers/{first.json()['id']}/receive"
    one, two = await shop.post(path, {}, key=key), await shop.post(path, {}, key=key)
    assert (one.content, two.headers["idempotency-replayed"]) == (two.content, "true")
    assert (await shelf_at(shop, nails, there))[0] == "4.000"


async def test_copies_sent_at_once_move_goods_once(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product(stock="10")
    chosen = {"id": str(uuid4())}
    answers = await asyncio.gather(*(try_to_send(shop, here, there, (nails, "1"), **chosen) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert (await shelf_at(shop, nails, here))[0] == "9.000"
    arrival: dict[str, Any] = {"id": str(uuid4())}
    received = await asyncio.gather(*(receive(shop, answers[0].json(), **arrival) for _ in range(5)))
    assert {answer.status_code for answer in received} == {200}
    assert (await shelf_at(shop, nails, there))[0] == "1.000"
    assert await differences(shop) == []


async def test_the_list_turns_its_pages_and_knows_what_is_open(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product()
    made = [await send(shop, here, there, (nails, "1")) for _ in range(4)]
    await receive(shop, made[1])
    back = await send(shop, there, here, (nails, "1"))
    first = (await shop.get("/v1/inventory/transfers", limit=3)).json()
    rest = (await shop.get("/v1/inventory/transfers", limit=3, cursor=first["nextCursor"])).json()
    ids = [one["id"] for one in (*made, back)]
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    closed = (await shop.get("/v1/inventory/transfers", status="closed", warehouseId=there)).json()["items"]
    assert [(item["id"], item["status"]) for item in closed] == [(made[1]["id"], "received")]
    opened = (await shop.get("/v1/inventory/transfers", status="open")).json()["items"]
    assert {item["id"] for item in opened} == set(ids) - {made[1]["id"]}


async def test_goods_on_their_way_are_still_the_companys(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product(stock="10", cost="100")
    sent = await send(shop, here, there, (nails, "4"))

    async def worth(**params: str) -> dict[str, str]:
        answer = (await shop.get("/v1/inventory/valuation", **params)).json()
        assert Decimal(answer["total"]) == sum(Decimal(item["value"]) for item in answer["items"]) == 1000
        return {item["name"]: item["value"] for item in answer["items"]}

    today = {"at": (await shop.get("/v1/inventory/valuation")).json()["at"]}
    for day in ({}, today):
        assert await worth(**day) == {"Sin categoría": "1000.00"}
        by_place = await worth(groupBy="warehouse", **day)
        assert by_place["Bodega principal"] == "600.00"
        assert by_place["En camino entre bodegas"] == "400.00"
    await receive(shop, sent)
    for day in ({}, today):
        assert await worth(groupBy="warehouse", **day) == {"Bodega principal": "600.00", "Bodega norte": "400.00"}


async def test_a_product_on_its_way_goes_on_being_counted(shop: Shop, places: tuple[str, str]) -> None:
    nails = await shop.product(stock="3")
    sent = await send(shop, *places, (nails, "3"))
    refused = await shop.patch(f"/v1/products/{nails['id']}", {"tracksStock": False})
    assert refusal(refused) == (422, "product-has-stock")
    await cancel(shop, sent)
    await adjust(shop, (nails, "-3"))
    assert (await shop.patch(f"/v1/products/{nails['id']}", {"tracksStock": False})).status_code == 200


async def test_what_arrived_is_sold_from_its_new_place(shop: Shop, places: tuple[str, str]) -> None:
    here, there = places
    nails = await shop.product(stock="5", cost="100")
    drawer = await open_drawer_at(shop, there)
    line = [{"productId": nails["id"], "quantity": "2"}]
    assert refusal(await shop.sell(drawer, line, "50000")) == (422, "insufficient-stock")
    sent = await send(shop, here, there, (nails, "5"))
    # On its way it can be sold nowhere.
    assert refusal(await shop.sell(drawer, line, "50000")) == (422, "insufficient-stock")
    await receive(shop, sent)
    sale = await shop.sell(drawer, line, "50000")
    assert sale.status_code == 201, sale.text
    assert sale.json()["lines"][0]["unitCost"] == "100.00"
    assert await differences(shop) == []


async def test_costs_are_hidden_and_a_cashier_transfers_nothing(
    shop: Shop, places: tuple[str, str], admin: asyncpg.Connection
) -> None:
    nails = await shop.product(cost="4321")
    sent = await send(shop, *places, (nails, "2"))
    lost = [{"productId": nails["id"], "quantity": "1", "lost": "0.5", "reason": "damage"}]
    assert (await receive(shop, sent, lines=lost)).status_code == 200
    cashier = await cashier_of(shop, admin)
    for path in (f"/v1/inventory/transfers/{sent['id']}", "/v1/inventory/transfers"):
        text = (await cashier.get(path)).text
        assert "4321" not in text
        assert "2160.5" not in text
    one = (await cashier.get(f"/v1/inventory/transfers/{sent['id']}")).json()
    assert (one["value"], one["transitValue"], one["lines"][0]["value"], one["lines"][0]["unitCost"]) == (None,) * 4
    assert (one["arrivals"][0]["lostValue"], one["arrivals"][0]["lines"][0]["lostValue"]) == (None, None)
    moved = [line for line in await kardex(cashier, nails) if line["kind"].startswith("transfer")]
    assert [(line["unitCost"], line["value"]) for line in moved] == [(None, None)] * 2
    for answer in (
        await try_to_send(cashier, *places, (nails, "1")),
        await receive(cashier, sent),
        await cancel(cashier, sent),
    ):
        assert answer.status_code == 403


async def test_each_step_is_in_the_trail(shop: Shop, places: tuple[str, str], admin: asyncpg.Connection) -> None:
    nails = await shop.product(stock="5", cost="10")
    sent = await send(shop, *places, (nails, "5"))
    await receive(shop, sent, lines=[{"productId": nails["id"], "quantity": "1", "lost": "1", "reason": "loss"}])
    await cancel(shop, sent)
    rows = await admin.fetch(
        "SELECT action, content FROM audit_entry WHERE subject_id = $1 ORDER BY seq", UUID(sent["id"])
    )
    assert [row["action"] for row in rows] == [
        "stock.transferred",
        "stock.transfer-received",
        "stock.transfer-cancelled",
    ]
    assert '"transitValue":"30.00"' in rows[1]["content"]
    assert (await shop.get("/v1/audit/verify")).json()["intact"]


async def test_a_stranger_finds_nothing_and_names_nothing(
    shop: Shop, other_shop: Shop, places: tuple[str, str]
) -> None:
    mine, theirs = await shop.product(), await other_shop.product()
    other_places = await first_warehouse(other_shop), await add_warehouse(other_shop)
    sent = await send(shop, *places, (mine, "1"))
    for answer in (
        await other_shop.get(f"/v1/inventory/transfers/{sent['id']}"),
        await receive(other_shop, sent),
        await cancel(other_shop, sent),
    ):
        assert refusal(answer) == (404, "not-found"), answer.text
    for source, target, product, pointer in (
        (places[0], other_places[1], theirs, "/fromWarehouseId"),
        (other_places[0], places[1], theirs, "/toWarehouseId"),
        (*other_places, mine, "/lines/0/productId"),
    ):
        answer = await try_to_send(other_shop, source, target, (product, "1"))
        assert (refusal(answer), pointers(answer)) == ((422, "unknown-reference"), [pointer])
    assert (await other_shop.get("/v1/inventory/transfers")).json()["items"] == []
    assert (await try_to_send(other_shop, *other_places, (theirs, "1"), id=sent["id"])).status_code == 201


def transfer_of(source: str, target: str, products: list[dict[str, Any]], quantity: str) -> PostTransfer:
    return PostTransfer(
        from_warehouse_id=UUID(source),
        to_warehouse_id=UUID(target),
        lines=[TransferLine(product_id=UUID(product["id"]), quantity=SomeUnits(quantity)) for product in products],
    )


@pytest.mark.parametrize("second", ["receive", "cancel"])
@pytest.mark.parametrize("first", ["receive", "cancel"])
async def test_what_is_on_its_way_arrives_once(
    shop: Shop, database: Database, admin: asyncpg.Connection, places: tuple[str, str], first: str, second: str
) -> None:
    """The first is held open: the second waits for the transfer and then finds nothing on its way."""
    here, there = places
    nails = await shop.product(stock="10", cost="10")
    sent = await send(shop, here, there, (nails, "10"))
    actor, transfer_id = system_actor(UUID(shop.tenant_id)), UUID(sent["id"])

    async def finish(verb: str, service: TransferService) -> None:
        if verb == "receive":
            await service.receive(transfer_id, ReceiveTransfer())
        else:
            await service.cancel(transfer_id, CancelTransfer())

    async def late() -> None:
        async with database.tenant_transaction(actor) as work:
            await finish(second, TransferService(work))

    async with database.tenant_transaction(actor) as work:
        await finish(first, TransferService(work))
        other = asyncio.create_task(late())
        await until_blocked(admin)
    with pytest.raises(TransferClosed):
        await other
    arrived = there if first == "receive" else here
    assert await shelf_at(shop, nails, arrived) == ("10.000", "100.00")
    assert await differences(shop) == []


async def test_opposite_transfers_held_open_at_once_do_not_wait_for_each_other(
    shop: Shop, database: Database, places: tuple[str, str]
) -> None:
    here, there = places
    products = [await shop.product(stock="10", cost="10") for _ in range(3)]
    for product in products:
        await adjust(shop, (product, "10", "30"), warehouseId=there)
    actor = system_actor(UUID(shop.tenant_id))
    async with database.tenant_transaction(actor) as one, database.tenant_transaction(actor) as two:
        out, _ = await TransferService(one).send(transfer_of(here, there, products, "10"))
        back, _ = await asyncio.wait_for(
            TransferService(two).send(transfer_of(there, here, products[::-1], "10")), timeout=2
        )
    assert {(await receive(shop, {"id": str(sent.id)})).status_code for sent in (out, back)} == {200}
    for product in products:
        assert await shelf_at(shop, product, here) == ("10.000", "300.00")
        assert await shelf_at(shop, product, there) == ("10.000", "100.00")
    assert await differences(shop) == []


async def test_many_hands_in_both_directions_neither_lock_up_nor_lose_a_peso(
    shop: Shop, places: tuple[str, str]
) -> None:
    here, there = places
    products = [await shop.product(stock="60", cost="10.01") for _ in range(3)]
    for product in products:
        await adjust(shop, (product, "60", "20.02"), warehouseId=there)
    drawer = await open_drawer_at(shop, there)

    async def back_and_forth(n: int) -> list[int]:
        source, target = (here, there) if n % 2 else (there, here)
        order = products[n % 3 :] + products[: n % 3]
        sent = await try_to_send(shop, source, target, *((product, "1.5") for product in order))
        ends = receive if n % 4 else cancel
        both = await asyncio.gather(ends(shop, sent.json()), receive(shop, sent.json()))
        sold = await shop.sell(drawer, [{"productId": order[0]["id"], "quantity": "1"}], "20000")
        return [sent.status_code, *sorted(answer.status_code for answer in both), sold.status_code]

    answers = await asyncio.gather(*(back_and_forth(n) for n in range(12)))
    assert {tuple(answer) for answer in answers} == {(201, 200, 409, 201)}
    total = sum([Decimal((await shelf_at(shop, p, place))[0]) for p in products for place in places])
    assert total == 360 - 12
    assert (await shop.get("/v1/inventory/transfers", status="open")).json()["items"] == []
    assert await differences(shop) == []
