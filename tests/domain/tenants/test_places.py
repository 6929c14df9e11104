"""Branches, warehouses and registers: opened, renamed, retired, and what holds them open."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Database
from app.domain.cash.schemas import OpenSession
from app.domain.cash.sessions import SessionService
from app.domain.inventory.schemas import AdjustLine, PostAdjustment
from app.domain.inventory.service import AdjustmentService
from app.domain.tenants.models import CashRegister, Warehouse
from app.domain.tenants.place_changes import PlaceChanges
from app.lib.errors import Conflict, RuleBroken
from app.lib.money import Pesos, Units
from tests.domain.inventory.places import act, add_warehouse, first_warehouse, open_count, receive, send, try_to_send
from tests.domain.inventory.race import until_blocked
from tests.domain.inventory.shelf import differences, pointers, refusal
from tests.domain.tenants.places import branch, company, register, second_branch, warehouse
from tests.shop import Shop


async def test_a_second_branch_sells_with_its_own_numbers(shop: Shop) -> None:
    product = await shop.product(stock="5")
    place, shelf, till = await second_branch(shop)
    assert place["code"] == "2"
    stocked = await shop.post(
        "/v1/inventory/adjustments",
        {
            "reason": "opening",
            "warehouseId": shelf["id"],
            "lines": [{"productId": product["id"], "quantity": "3", "unitCost": "5000"}],
        },
    )
    assert stocked.status_code == 201, stocked.text
    opened = await shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "0"})
    assert opened.status_code == 201, opened.text
    line = [{"productId": product["id"], "quantity": "1"}]
    there = await shop.sell(opened.json()["id"], line, "11900")
    here = await shop.sell(await shop.open_drawer(), line, "11900")
    assert (there.json()["number"], here.json()["number"]) == ("V2-1", "V-1")
    shelves = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert {row["warehouseId"]: row["quantity"] for row in shelves}[shelf["id"]] == "2.000"
    assert await differences(shop) == []


async def test_a_product_made_before_and_one_made_after_lie_in_every_warehouse(
    shop: Shop, admin: asyncpg.Connection
) -> None:
    before = await shop.product()
    shelf = await warehouse(shop, (await company(shop))["branches"][0]["id"])
    after = await shop.product()
    rows = await admin.fetch("SELECT product_id FROM stock WHERE warehouse_id = $1", UUID(shelf["id"]))
    assert {str(row["product_id"]) for row in rows} == {before["id"], after["id"]}


async def test_a_product_made_while_a_warehouse_opens_lies_in_it(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    branch_id = UUID((await company(shop))["branches"][0]["id"])
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        shelf = await PlaceChanges(work).add_warehouse(branch_id, "La nueva")
        creating = asyncio.create_task(shop.product(stock=None))
        await until_blocked(admin)
    product = await creating
    rows = await admin.fetch("SELECT warehouse_id FROM stock WHERE product_id = $1", UUID(product["id"]))
    assert shelf.id in {row["warehouse_id"] for row in rows}
    assert len(rows) == 2


async def test_the_same_id_twice_is_one_place_and_another_body_is_refused(shop: Shop) -> None:
    body = {"id": str(uuid4()), "name": "Norte"}
    first, again = [await shop.post("/v1/branches", body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert refusal(await shop.post("/v1/branches", body | {"name": "Sur"})) == (409, "id-taken")
    assert len((await shop.get("/v1/branches")).json()["items"]) == 2


async def test_names_and_codes_are_taken_once(shop: Shop) -> None:
    place = (await company(shop))["branches"][0]["id"]
    await branch(shop, code="NTE")
    assert refusal(await shop.post("/v1/branches", {"name": "Otra", "code": "NTE"})) == (409, "code-taken")
    shelf = await warehouse(shop, place, name="Trastienda")
    taken = await shop.post("/v1/warehouses", {"branchId": place, "name": "Trastienda"})
    assert refusal(taken) == (409, "name-taken")
    till = await register(shop, place, shelf["id"], name="Caja 7")
    assert refusal(await shop.patch(f"/v1/cash/registers/{till['id']}", {"name": "Caja 1"})) == (409, "name-taken")


async def test_a_register_sells_from_a_warehouse_of_its_branch(shop: Shop) -> None:
    here = (await company(shop))["warehouses"][0]["id"]
    place, _, till = await second_branch(shop)
    other = await shop.post("/v1/cash/registers", {"branchId": place["id"], "warehouseId": here, "name": "X"})
    assert refusal(other) == (422, "warehouse-of-other-branch")
    moved = await shop.patch(f"/v1/cash/registers/{till['id']}", {"warehouseId": here})
    assert refusal(moved) == (422, "warehouse-of-other-branch")
    near = await warehouse(shop, place["id"])
    changed = await shop.patch(f"/v1/cash/registers/{till['id']}", {"warehouseId": near["id"], "name": "Caja nueva"})
    assert (changed.json()["warehouseId"], changed.json()["name"]) == (near["id"], "Caja nueva")


async def test_what_is_in_use_is_not_retired(shop: Shop) -> None:
    found = await company(shop)
    first_till, first_shelf = found["registers"][0]["id"], found["warehouses"][0]["id"]
    assert refusal(await shop.post(f"/v1/cash/registers/{first_till}/retire")) == (409, "last-one")
    assert refusal(await shop.post(f"/v1/warehouses/{first_shelf}/retire")) == (409, "last-one")
    assert refusal(await shop.post(f"/v1/branches/{found['branches'][0]['id']}/retire")) == (409, "last-one")
    place, shelf, till = await second_branch(shop)
    assert refusal(await shop.post(f"/v1/warehouses/{first_shelf}/retire")) == (409, "default-warehouse")
    assert refusal(await shop.post(f"/v1/warehouses/{shelf['id']}/retire")) == (409, "warehouse-in-use")
    assert refusal(await shop.post(f"/v1/branches/{place['id']}/retire")) == (409, "branch-in-use")
    opened = (await shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "0"})).json()
    assert refusal(await shop.post(f"/v1/cash/registers/{till['id']}/retire")) == (409, "register-busy")
    closed = await shop.post(f"/v1/cash/sessions/{opened['id']}/close", {"counted": []})
    assert closed.status_code == 200, closed.text
    product = await shop.product(stock=None)
    lines = [{"productId": product["id"], "quantity": "1"}]
    await shop.post("/v1/inventory/adjustments", {"reason": "found", "warehouseId": shelf["id"], "lines": lines})
    assert (await shop.post(f"/v1/cash/registers/{till['id']}/retire")).status_code == 200
    assert refusal(await shop.post(f"/v1/warehouses/{shelf['id']}/retire")) == (409, "warehouse-has-stock")
    lines[0]["quantity"] = "-1"
    await shop.post("/v1/inventory/adjustments", {"reason": "loss", "warehouseId": shelf["id"], "lines": lines})
    for path in (f"/v1/warehouses/{shelf['id']}", f"/v1/branches/{place['id']}"):
        for _ in range(2):
            retired = await shop.post(f"{path}/retire")
            assert retired.status_code == 200, retired.text
            assert retired.json()["retiredAt"] is not None
    now = await company(shop)
    assert [len(now[kind]) for kind in ("branches", "warehouses", "registers")] == [1, 1, 1]
    assert [one["id"] for one in (await shop.get("/v1/branches", retired="true")).json()["items"]] == [place["id"]]
    assert [one["id"] for one in (await shop.get("/v1/cash/registers")).json()["items"]] == [first_till]
    assert await differences(shop) == []


async def test_a_retired_place_is_no_place_for_anything_new(shop: Shop) -> None:
    place, shelf, till = await second_branch(shop)
    for path in (f"/v1/cash/registers/{till['id']}", f"/v1/warehouses/{shelf['id']}", f"/v1/branches/{place['id']}"):
        assert (await shop.post(f"{path}/retire")).status_code == 200
    product = await shop.product(stock=None)
    lines = [{"productId": product["id"], "quantity": "1"}]
    for path, body in (
        ("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "0"}),
        ("/v1/inventory/adjustments", {"reason": "found", "warehouseId": shelf["id"], "lines": lines}),
        ("/v1/warehouses", {"branchId": place["id"], "name": "Otra"}),
        ("/v1/cash/registers", {"branchId": place["id"], "warehouseId": shelf["id"], "name": "Otra"}),
    ):
        assert refusal(await shop.post(path, body)) == (422, "unknown-reference"), path
    default = await shop.patch(f"/v1/warehouses/{shelf['id']}", {"isDefault": True})
    assert refusal(default) == (409, "place-retired")
    for path in (f"/v1/cash/registers/{till['id']}", f"/v1/warehouses/{shelf['id']}"):
        assert refusal(await shop.post(f"{path}/unretire")) == (409, "place-retired")
    for path in (f"/v1/branches/{place['id']}", f"/v1/warehouses/{shelf['id']}", f"/v1/cash/registers/{till['id']}"):
        for _ in range(2):
            back = await shop.post(f"{path}/unretire")
            assert (back.status_code, back.json()["retiredAt"]) == (200, None)
    opened = await shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "0"})
    assert opened.status_code == 201
    assert await differences(shop) == []


async def test_the_default_warehouse_is_one_and_adjustments_go_there(shop: Shop) -> None:
    found = await company(shop)
    other = await warehouse(shop, found["branches"][0]["id"])
    first = found["warehouses"][0]["id"]
    refused = await shop.patch(f"/v1/warehouses/{first}", {"isDefault": False})
    assert refusal(refused) == (422, "default-needed")
    assert (await shop.patch(f"/v1/warehouses/{other['id']}", {"isDefault": True})).json()["isDefault"] is True
    assert {one["id"]: one["isDefault"] for one in (await company(shop))["warehouses"]} == {
        first: False,
        other["id"]: True,
    }
    product = await shop.product(stock=None)
    lines = [{"productId": product["id"], "quantity": "1"}]
    adjusted = await shop.post("/v1/inventory/adjustments", {"reason": "found", "lines": lines})
    assert adjusted.json()["warehouseId"] == other["id"]


async def test_a_shift_cannot_open_on_a_register_that_is_being_retired(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    _, _, till = await second_branch(shop)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await PlaceChanges(work).retire(CashRegister, UUID(till["id"]))
        opening = asyncio.create_task(shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "0"}))
        await until_blocked(admin)
    assert refusal(await opening) == (422, "unknown-reference")


async def test_a_register_on_which_a_shift_opens_is_not_retired(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    _, _, till = await second_branch(shop)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await SessionService(work).open(OpenSession(register_id=UUID(till["id"]), opening_amount=Pesos(0)))
        retiring = asyncio.create_task(shop.post(f"/v1/cash/registers/{till['id']}/retire"))
        await until_blocked(admin)
    assert refusal(await retiring) == (409, "register-busy")


async def test_goods_do_not_come_into_a_warehouse_that_is_being_retired(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    product = await shop.product(stock=None)
    shelf = await warehouse(shop, (await company(shop))["branches"][0]["id"])
    come = PostAdjustment(
        reason="found",
        warehouse_id=UUID(shelf["id"]),
        lines=[AdjustLine(product_id=UUID(product["id"]), quantity=Units(1))],
    )

    async def adjust() -> None:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await AdjustmentService(work).adjust(come)

    async def retire() -> None:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await PlaceChanges(work).retire(Warehouse, UUID(shelf["id"]))

    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await AdjustmentService(work).adjust(come)
        retiring = asyncio.create_task(retire())
        await until_blocked(admin)
    with pytest.raises(Conflict, match="existencias"):
        await retiring
    await shop.post(
        "/v1/inventory/adjustments",
        {
            "reason": "loss",
            "warehouseId": shelf["id"],
            "lines": [{"productId": product["id"], "quantity": "-1"}],
        },
    )
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await PlaceChanges(work).retire(Warehouse, UUID(shelf["id"]))
        adjusting = asyncio.create_task(adjust())
        await until_blocked(admin)
    with pytest.raises(RuleBroken):
        await adjusting


async def test_a_warehouse_with_goods_on_their_way_or_an_open_count_is_not_retired(shop: Shop) -> None:
    nails = await shop.product(stock="4", cost="100")
    home, away = await first_warehouse(shop), await add_warehouse(shop)
    retire = f"/v1/warehouses/{away}/retire"
    coming = await send(shop, home, away, (nails, "4"))
    assert refusal(await shop.post(retire)) == (409, "warehouse-has-stock")
    assert (await receive(shop, coming)).status_code == 200
    going = await send(shop, away, home, (nails, "4"))
    assert refusal(await shop.post(retire)) == (409, "warehouse-has-stock")
    assert (await receive(shop, going)).status_code == 200
    count = await open_count(shop, warehouseId=away)
    assert refusal(await shop.post(retire)) == (409, "warehouse-in-use")
    assert (await act(shop, count, "cancel")).status_code == 200
    assert (await shop.post(retire)).status_code == 200
    refused = await try_to_send(shop, home, away, (nails, "1"))
    assert (refusal(refused), pointers(refused)) == ((422, "unknown-reference"), ["/toWarehouseId"])
    assert await differences(shop) == []


async def test_goods_are_not_sent_to_a_warehouse_that_is_being_retired(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    nails = await shop.product(stock="4", cost="100")
    home, away = await first_warehouse(shop), await add_warehouse(shop)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await PlaceChanges(work).retire(Warehouse, UUID(away))
        sending = asyncio.create_task(try_to_send(shop, home, away, (nails, "1")))
        await until_blocked(admin)
    assert refusal(await sending) == (422, "unknown-reference")


async def test_of_two_registers_retired_at_once_one_stays(shop: Shop) -> None:
    found = await company(shop)
    till = await register(shop, found["branches"][0]["id"], found["warehouses"][0]["id"])
    answers = await asyncio.gather(
        *(shop.post(f"/v1/cash/registers/{one}/retire") for one in (till["id"], found["registers"][0]["id"]))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len((await company(shop))["registers"]) == 1
