"""What a plan allows: exactly as many as it says, however many come at once; warned of before; documents never stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.accounts.models import AppUser, Role
from app.domain.accounts.service import add_member
from app.domain.tenants.limits import PlanLimit, Resource, claim, read_limits, release
from tests.domain.inventory.race import until_blocked
from tests.domain.inventory.shelf import differences, refusal
from tests.domain.tenants.places import company, on_plan
from tests.shop import Shop, sign_up

AT_ONCE = 20
PRODUCTS = "sku;nombre;precio\n" + "".join(f"IMP-{n};Importado {n};1000\n" for n in range(5))


async def used(shop: Shop, resource: str) -> int:
    return int((await shop.get("/v1/company/plan")).json()["limits"][resource]["used"])


def new_product() -> dict[str, Any]:
    sku = uuid4().hex[:12]
    return {"sku": sku, "name": f"Producto {sku}", "price": "1000", "taxClass": "iva19"}


Make = Callable[[Shop, dict[str, Any]], Awaitable[httpx.Response]]
MAKERS: dict[str, Make] = {
    "products": lambda shop, _: shop.post("/v1/products", new_product()),
    "branches": lambda shop, _: shop.post("/v1/branches", {"name": f"Sede {uuid4().hex[:6]}"}),
    "warehouses": lambda shop, place: shop.post(
        "/v1/warehouses", {"branchId": place["branches"][0]["id"], "name": f"Bodega {uuid4().hex[:6]}"}
    ),
    "registers": lambda shop, place: shop.post(
        "/v1/cash/registers",
        {
            "branchId": place["branches"][0]["id"],
            "warehouseId": place["warehouses"][0]["id"],
            "name": f"Caja {uuid4().hex[:6]}",
        },
    ),
}


@pytest.mark.parametrize("resource", MAKERS)
async def test_twenty_at_once_make_exactly_what_the_plan_has_room_for(
    shop: Shop, database: Database, admin: asyncpg.Connection, resource: str
) -> None:
    await on_plan(shop, database, admin, **{resource: 7})
    place = await company(shop)
    before = await used(shop, resource)
    answers = await asyncio.gather(*(MAKERS[resource](shop, place) for _ in range(AT_ONCE)))
    made = [answer for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code != 201]
    print(f"{resource}: limit 7, {before} there, {AT_ONCE} at once: {len(made)} made, {len(refused)} refused")
    assert len(made) == 7 - before
    assert {(one["status"], one["code"], one["resource"], one["limit"], one["used"]) for one in refused} == {
        (422, "plan-limit", resource, 7, 7)
    }
    assert all("El plan de la empresa incluye 7" in one["detail"] for one in refused)
    assert await used(shop, resource) == 7
    assert await differences(shop) == []


async def test_the_last_seat_goes_to_one_of_two_people(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await on_plan(shop, database, admin, users=2)
    tenant_id, people = UUID(shop.tenant_id), [uuid7(), uuid7()]
    for user_id in people:
        async with database.person_transaction(user_id=user_id) as work:
            email = f"{user_id}@tienda.test"
            work.session.add(AppUser(id=user_id, email=email, email_norm=email, name="Ana", password_hash=""))

    async def second() -> None:
        async with database.job_transaction(tenant_id) as work:
            await add_member(work, people[1], Role.CASHIER, "Ana")

    async with database.job_transaction(tenant_id) as work:
        await add_member(work, people[0], Role.CASHIER, "Ana")
        late = asyncio.create_task(second())
        await until_blocked(admin)
    with pytest.raises(PlanLimit):
        await late
    assert await used(shop, "users") == 2
    assert await differences(shop) == []


async def test_what_was_rolled_back_gives_its_room_back(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await on_plan(shop, database, admin, products=1)
    body = new_product()
    wrong = body | {"taxClass": "nothing"}
    assert (await shop.post("/v1/products", wrong)).status_code == 422
    first = await shop.post("/v1/products", body)
    assert first.status_code == 201
    assert refusal(await shop.post("/v1/products", new_product())) == (422, "plan-limit")
    # A retry of what is there takes no room.
    assert (await shop.post("/v1/products", body | {"id": first.json()["id"]})).status_code == 409
    assert await used(shop, "products") == 1


async def test_retired_products_make_room_and_come_back_only_into_room(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await on_plan(shop, database, admin, products=2)
    one, _ = [(await shop.post("/v1/products", new_product())).json() for _ in range(2)]
    for _ in range(2):
        assert (await shop.post(f"/v1/products/{one['id']}/retire")).status_code == 200
    assert await used(shop, "products") == 1
    assert (await shop.post("/v1/products", new_product())).status_code == 201
    assert refusal(await shop.post(f"/v1/products/{one['id']}/unretire")) == (422, "plan-limit")
    assert (await shop.get(f"/v1/products/{one['id']}")).json()["retiredAt"] is not None
    assert await differences(shop) == []


async def test_an_import_fits_whole_or_not_at_all_and_undoing_it_makes_room(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    async def bring() -> httpx.Response:
        headers = shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": "text/csv"}
        return await shop.http.post("/v1/imports/products", content=PRODUCTS.encode(), headers=headers)

    await on_plan(shop, database, admin, products=4)
    refused = await bring()
    assert refusal(refused) == (422, "plan-limit")
    assert "se necesitan 5 más" in refused.json()["detail"]
    assert await used(shop, "products") == 0
    assert (await shop.get("/v1/products")).json()["items"] == []
    await on_plan(shop, database, admin, products=5)
    brought = await bring()
    assert brought.status_code == 201, brought.text
    retired = (await shop.get("/v1/products")).json()["items"][0]["id"]
    assert (await shop.post(f"/v1/products/{retired}/retire")).status_code == 200
    undone = await shop.post(f"/v1/imports/{brought.json()['id']}/undo")
    assert undone.status_code == 200, undone.text
    assert await used(shop, "products") == 0
    assert await differences(shop) == []


async def test_a_smaller_plan_takes_nothing_away_and_adds_nothing(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    for _ in range(3):
        await shop.post("/v1/products", new_product())
    await on_plan(shop, database, admin, products=2)
    limit = (await shop.get("/v1/company/plan")).json()["limits"]["products"]
    assert limit == {"used": 3, "limit": 2, "isNear": True, "over": 1}
    product = (await shop.get("/v1/products")).json()["items"][0]
    assert (await shop.patch(f"/v1/products/{product['id']}", {"price": "2000"})).status_code == 200
    assert refusal(await shop.post("/v1/products", new_product())) == (422, "plan-limit")


async def test_a_company_is_warned_at_four_fifths(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    await on_plan(shop, database, admin, products=5)

    async def told() -> list[str]:
        items = (await shop.get("/v1/company/notices")).json()["items"]
        return [item["code"] for item in items if item["code"].startswith("products")]

    seen = [await told()]
    for _ in range(5):
        await shop.post("/v1/products", new_product())
        seen.append(await told())
    assert seen == [[], [], [], [], ["products-near"], ["products-full"]]
    me = (await shop.get("/v1/me")).json()
    assert me["limits"]["products"] == {"used": 5, "limit": 5, "isNear": True, "over": 0}
    assert set(me["limits"]) == {*Resource, "documents"}


async def test_documents_beyond_the_plan_are_told_and_never_stopped(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await on_plan(shop, database, admin, documents=1)
    product, session = await shop.product(), await shop.open_drawer()
    sold = [await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900") for _ in range(3)]
    assert [answer.status_code for answer in sold] == [201, 201, 201]
    back = await shop.post(f"/v1/sales/{sold[-1].json()['id']}/void", {"reason": "error"})
    assert back.status_code == 201
    limit = (await shop.get("/v1/me")).json()["limits"]["documents"]
    assert limit == {"used": 4, "limit": 1, "isNear": True, "over": 3}
    notices = {item["code"]: item for item in (await shop.get("/v1/company/notices")).json()["items"]}
    assert "Puede seguir vendiendo" in notices["documents-over"]["detail"]


async def test_a_plan_is_chosen_at_sign_up(http: httpx.AsyncClient, admin: asyncpg.Connection) -> None:
    shop = await sign_up(http, plan="basic")
    assert (shop.tenant["plan"], shop.tenant["status"]) == ("basic", "trial")
    plan = (await shop.get("/v1/company/plan")).json()
    name = await admin.fetchval("SELECT name FROM plan WHERE code = 'basic'")
    assert (plan["plan"], plan["planName"], plan["limits"]["registers"]["limit"]) == ("basic", name, 3)
    answer = await http.post(
        "/v1/auth/signup",
        json={
            "company": {"name": "Tienda", "nit": "901555123-8"},
            "owner": {"name": "Ana", "email": f"{uuid4().hex}@tienda.test", "password": "una clave larga y propia"},
            "plan": "platino",
        },
    )
    assert refusal(answer) == (422, "unknown-plan")


async def test_room_of_one_company_is_no_room_of_another(shop: Shop, other_shop: Shop, database: Database) -> None:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await claim(work, Resource.STORAGE, 1_000)
        await release(work, Resource.STORAGE, 400)
    for each, expected in ((shop, 600), (other_shop, 0)):
        async with database.job_transaction(UUID(each.tenant_id)) as work:
            assert (await read_limits(work))[Resource.STORAGE].used == expected
