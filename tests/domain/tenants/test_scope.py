"""People limited to branches: what they see and where they act, from the next request on."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text

from app.db.session import Database, system_actor
from app.domain.accounts.branches import branches_of, limit_to_branches
from app.domain.tenants.scope import BRANCH_ALLOWED, BranchNotAllowed
from app.lib.errors import NotFound, RuleBroken
from tests.domain.cash.counter import cashier_of
from tests.domain.inventory.places import act, cancel, enter, open_count, receive, send, try_to_send
from tests.domain.inventory.race import until_blocked
from tests.domain.inventory.shelf import refusal
from tests.domain.tenants.places import company, limit, made, membership_of, second_branch, warehouse
from tests.shop import Shop


async def owner_of(shop: Shop, admin: asyncpg.Connection, app: Litestar) -> Shop:
    """A second owner, who may do everything and can be limited."""
    person = await cashier_of(shop, admin, app, "Socia")
    await admin.execute(
        "UPDATE membership SET role = 'owner' WHERE tenant_id = $1 AND user_id = $2",
        UUID(shop.tenant_id),
        UUID(person.user["id"]),
    )
    return person


async def test_a_person_of_one_branch_acts_and_sees_there_only(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    product = await shop.product(stock="10")
    first = await company(shop)
    here, home = first["branches"][0]["id"], first["warehouses"][0]["id"]
    place, shelf, till = await second_branch(shop)
    mine = await shop.open_drawer()
    theirs = (await shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "50000"})).json()["id"]
    lines = [{"productId": product["id"], "quantity": "1", "unitCost": "5000"}]
    stocked = await shop.post(
        "/v1/inventory/adjustments", {"reason": "found", "warehouseId": shelf["id"], "lines": lines}
    )
    assert stocked.status_code == 201
    moved = await shop.post(
        f"/v1/cash/sessions/{theirs}/movements", {"kind": "in", "amount": "100", "reason": "sencillo"}
    )
    person = await owner_of(shop, admin, app)
    assert len((await person.get("/v1/branches")).json()["items"]) == 2
    await limit(database, admin, person, [here])

    refused = [
        await person.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "0"}),
        await person.post(
            f"/v1/cash/sessions/{theirs}/movements", {"kind": "in", "amount": "100", "reason": "sencillo"}
        ),
        await person.post(
            "/v1/cash/transfers",
            {"fromSessionId": mine, "toSessionId": theirs, "amount": "100", "reason": "sencillo"},
        ),
        await person.post(f"/v1/cash/sessions/{theirs}/close", {"counted": []}),
        await person.get(f"/v1/cash/sessions/{theirs}"),
        await person.get(f"/v1/cash/sessions/{theirs}/report"),
        await person.get(f"/v1/cash/sessions/{theirs}/movements"),
        await person.get(f"/v1/cash/movements/{moved.json()['id']}/receipt.pdf"),
        await person.post("/v1/inventory/adjustments", {"reason": "found", "warehouseId": shelf["id"], "lines": lines}),
        await person.post(
            "/v1/inventory/revaluations",
            {"warehouseId": shelf["id"], "lines": [{"productId": product["id"], "unitCost": "1"}]},
        ),
        await person.get(f"/v1/inventory/adjustments/{stocked.json()['id']}"),
        await person.post(f"/v1/inventory/adjustments/{stocked.json()['id']}/reverse", {"note": "no"}),
        await person.get(f"/v1/branches/{place['id']}"),
        await person.get(f"/v1/warehouses/{shelf['id']}"),
        await person.get(f"/v1/cash/registers/{till['id']}"),
        await person.patch(f"/v1/branches/{place['id']}", {"name": "Mía"}),
        await person.post(f"/v1/cash/registers/{till['id']}/retire"),
        await person.post("/v1/warehouses", {"branchId": place["id"], "name": "Otra"}),
        await person.post("/v1/branches", {"name": "Otra"}),
    ]
    assert [refusal(answer) for answer in refused] == [(403, "branch-not-allowed")] * len(refused)

    assert [one["id"] for one in (await person.get("/v1/branches")).json()["items"]] == [here]
    assert [one["id"] for one in (await person.get("/v1/warehouses")).json()["items"]] == [home]
    tills = (await person.get("/v1/cash/registers")).json()["items"]
    assert {one["branchId"] for one in tills} == {here}
    assert [one["id"] for one in (await person.get("/v1/cash/sessions")).json()["items"]] == [mine]
    shelves = (await person.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert [one["warehouseId"] for one in shelves] == [home]
    kardex = (await person.get(f"/v1/products/{product['id']}/kardex")).json()["items"]
    assert {line["warehouseId"] for line in kardex} == {home}
    adjustments = (await person.get("/v1/inventory/adjustments")).json()["items"]
    assert {one["warehouseId"] for one in adjustments} == {home}
    for at in ({}, {"at": "2030-01-01"}):
        valued = (await person.get("/v1/inventory/valuation", groupBy="warehouse", **at)).json()
        assert [group["id"] for group in valued["items"]] == [home]
    lost = [{"productId": product["id"], "quantity": "-1"}]
    done = await person.post("/v1/inventory/adjustments", {"reason": "loss", "warehouseId": home, "lines": lost})
    assert done.status_code == 201, done.text

    await limit(database, admin, person, None)
    assert (await person.get(f"/v1/cash/sessions/{theirs}")).status_code == 200


async def test_a_person_of_one_branch_sells_and_takes_back_there_only(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    product = await shop.product(stock="10")
    here = (await company(shop))["branches"][0]["id"]
    _, shelf, till = await second_branch(shop)
    lines = [{"productId": product["id"], "quantity": "1"}]
    stocked = await shop.post(
        "/v1/inventory/adjustments", {"reason": "found", "warehouseId": shelf["id"], "lines": lines}
    )
    assert stocked.status_code == 201
    mine = await shop.open_drawer()
    theirs = (await shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "50000"})).json()["id"]
    own, foreign = [await made(await shop.sell(drawer, lines, "11900")) for drawer in (mine, theirs)]
    waiting = await made(await shop.post("/v1/held-tickets", {"registerId": till["id"], "label": "m", "lines": lines}))
    person = await owner_of(shop, admin, app)
    await limit(database, admin, person, [here])

    def giving_back(sale: dict[str, Any]) -> dict[str, Any]:
        return {
            "saleId": sale["id"],
            "lines": [{"saleLineId": sale["lines"][0]["id"], "quantity": "1"}],
            "refunds": [{"method": "cash", "amount": "11900"}],
            "reason": "no era",
        }

    twice = str(uuid4())
    refused = [
        await person.sell(theirs, lines, "11900"),
        await person.sell(theirs, lines, "11900", id=twice),
        await person.get(f"/v1/sales/{foreign['id']}"),
        await person.get(f"/v1/sales/{foreign['id']}/ticket.pdf"),
        await person.post(f"/v1/sales/{foreign['id']}/void", {"reason": "no era"}),
        await person.post(f"/v1/sales/{own['id']}/void", {"reason": "no era", "sessionId": theirs}),
        await person.post("/v1/returns", giving_back(foreign)),
        await person.post("/v1/held-tickets", {"registerId": till["id"], "label": "m", "lines": lines}),
    ]
    assert [refusal(answer) for answer in refused] == [(403, "branch-not-allowed")] * len(refused)
    assert refusal(await person.post(f"/v1/held-tickets/{waiting['id']}/resume")) == (404, "not-found")
    assert (await person.get("/v1/held-tickets")).json()["items"] == []
    assert [one["id"] for one in (await person.get("/v1/sales")).json()["items"]] == [own["id"]]
    shelves = (await shop.get("/v1/inventory/stock", productId=product["id"], warehouseId=shelf["id"])).json()["items"]
    assert [one["quantity"] for one in shelves] == ["0.000"]

    taken = await made(await shop.post("/v1/returns", giving_back(foreign)))
    assert refusal(await person.get(f"/v1/returns/{taken['id']}")) == (403, "branch-not-allowed")
    assert (await person.get("/v1/returns")).json()["items"] == []
    sold = await made(await person.sell(mine, lines, "11900", id=twice))
    again = await person.sell(mine, lines, "11900", id=twice)
    assert (again.status_code, again.json()["number"]) == (200, sold["number"])
    assert (await person.post(f"/v1/sales/{own['id']}/void", {"reason": "no era"})).status_code == 201

    await limit(database, admin, person, None)
    assert (await person.sell(theirs, lines, "11900")).status_code == 201


async def test_goods_are_sent_from_ones_own_branch_and_received_in_it(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    nails = await shop.product(stock="10", cost="100")
    first = await company(shop)
    here, home = first["branches"][0]["id"], first["warehouses"][0]["id"]
    there, shelf, _ = await second_branch(shop)
    third = await warehouse(shop, there["id"])
    person = await owner_of(shop, admin, app)
    await limit(database, admin, person, [here])

    away = await send(person, home, shelf["id"], (nails, "4"))
    assert refusal(await receive(person, away)) == (403, "branch-not-allowed")
    assert (await receive(shop, away)).status_code == 200
    assert refusal(await try_to_send(person, shelf["id"], home, (nails, "1"))) == (403, "branch-not-allowed")
    back = await send(shop, shelf["id"], home, (nails, "1"))
    assert refusal(await cancel(person, back)) == (403, "branch-not-allowed")
    valued = (await person.get("/v1/inventory/valuation", groupBy="warehouse")).json()
    assert ([group["id"] for group in valued["items"]], valued["total"]) == ([home], "600.00")
    assert (await receive(person, back)).status_code == 200
    inside = await send(shop, shelf["id"], third["id"], (nails, "1"))
    assert refusal(await person.get(f"/v1/inventory/transfers/{inside['id']}")) == (403, "branch-not-allowed")
    listed = (await person.get("/v1/inventory/transfers")).json()["items"]
    assert {one["id"] for one in listed} == {away["id"], back["id"]}

    counted = await open_count(shop, warehouseId=shelf["id"])
    path = f"/v1/inventory/counts/{counted['id']}"
    refused = [
        await person.post("/v1/inventory/counts", {"warehouseId": shelf["id"]}),
        *[await person.get(f"{path}{part}") for part in ("", "/items", "/entries", "/review")],
        await enter(person, counted, (nails, "1")),
        *[await act(person, counted, verb) for verb in ("recount", "close", "cancel")],
    ]
    assert [refusal(answer) for answer in refused] == [(403, "branch-not-allowed")] * len(refused)
    own = await open_count(person)
    assert [one["id"] for one in (await person.get("/v1/inventory/counts")).json()["items"]] == [own["id"]]


async def test_whoever_is_limited_to_no_branch_at_all_acts_nowhere(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    person = await owner_of(shop, admin, app)
    register = (await company(shop))["registers"][0]["id"]
    await limit(database, admin, person, [])
    opened = await person.post("/v1/cash/sessions", {"registerId": register, "openingAmount": "0"})
    assert refusal(opened) == (403, "branch-not-allowed")
    for path in ("/v1/branches", "/v1/warehouses", "/v1/cash/registers", "/v1/inventory/stock"):
        assert (await person.get(path)).json()["items"] == []
    assert (await person.get("/v1/products")).status_code == 200


async def test_branches_are_checked_and_nobody_opens_what_is_closed_to_them(
    shop: Shop, other_shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    person = await owner_of(shop, admin, app)
    here = UUID((await company(shop))["branches"][0]["id"])
    there = UUID((await second_branch(shop))[0]["id"])
    foreign = UUID((await company(other_shop))["branches"][0]["id"])
    member = await membership_of(admin, person)

    async def set_to(*branches: UUID, own: frozenset[UUID] | None = None, everywhere: bool = False) -> None:
        actor = msgspec.structs.replace(system_actor(UUID(shop.tenant_id)), branches=own)
        async with database.tenant_transaction(actor) as work:
            await limit_to_branches(work, member, None if everywhere else list(branches))

    for wrong in (foreign, uuid4()):
        with pytest.raises(RuleBroken) as refused:
            await set_to(here, wrong)
        assert (refused.value.code, refused.value.errors[0].pointer) == ("unknown-reference", "/branchIds/1")
    for _ in range(2):
        await set_to(there, here, there)
    with pytest.raises(BranchNotAllowed):
        await set_to(there, own=frozenset({here}))
    with pytest.raises(BranchNotAllowed):
        await set_to(own=frozenset({here}), everywhere=True)
    await set_to(here, own=frozenset({here}))
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await branches_of(work, member) == [here]
        with pytest.raises(NotFound):
            await limit_to_branches(work, uuid4(), [here])
    actions = [
        entry["action"] for entry in (await shop.get("/v1/audit/entries", subjectId=str(member))).json()["items"]
    ]
    assert actions.count("membership.limited-to-branches") == 2


@pytest.mark.parametrize(
    ("branches", "allowed"), [(None, True), ([0], True), ([1], False), ([0, 1], True), ([], False)], ids=str
)
async def test_the_condition_for_a_sale_says_who_may(
    shop: Shop,
    app: Litestar,
    database: Database,
    admin: asyncpg.Connection,
    branches: list[int] | None,
    *,
    allowed: bool,
) -> None:
    person = await cashier_of(shop, admin, app)
    places = [(await company(shop))["branches"][0]["id"], (await second_branch(shop))[0]["id"]]
    await limit(database, admin, person, None if branches is None else [places[one] for one in branches])
    statement = text(
        f"SELECT {BRANCH_ALLOWED.format(branch='b.id')} FROM membership m, branch b "
        "WHERE m.tenant_id = :t AND m.user_id = :u AND b.tenant_id = :t AND b.id = :b"
    )
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        found = await work.session.scalar(
            statement, {"t": UUID(shop.tenant_id), "u": UUID(person.user["id"]), "b": UUID(places[0])}
        )
    assert found is allowed


async def test_two_limits_at_once_leave_one_of_them_whole(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    person = await owner_of(shop, admin, app)
    here = (await company(shop))["branches"][0]["id"]
    there = (await second_branch(shop))[0]["id"]
    member = await membership_of(admin, person)

    async def second() -> None:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await limit_to_branches(work, member, [UUID(there)])

    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await limit_to_branches(work, member, [UUID(here)])
        other = asyncio.create_task(second())
        await until_blocked(admin)
    await other
    assert [one["id"] for one in (await person.get("/v1/branches")).json()["items"]] == [there]
