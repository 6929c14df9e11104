"""Support's look into a company: reading only, seen by the company, over when either says so or its time is up."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar

from app.db.session import Database
from app.lib import clock
from app.lib.matrix import rows_of
from app.lib.staff import SUPPORT_PERMISSIONS
from tests.contract.cases import CASES
from tests.contract.company import Company, new_company
from tests.contract.routes import Case, send
from tests.people import hire
from tests.shop import Shop
from tests.sink import Sink, text_of
from tests.staff import StaffPerson, Visitor, staff

pytestmark = pytest.mark.usefixtures("stripe_process")
"""The routes of billing talk to it."""


@pytest.fixture
async def helper(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    return await staff(http, database, "support")


@pytest.fixture(scope="module")
async def company(http: httpx.AsyncClient, database: Database) -> Company:
    return await new_company(http, database)


@pytest.fixture(scope="module")
async def visitor(company: Company, http: httpx.AsyncClient, database: Database) -> Visitor:
    return await (await staff(http, database, "support")).open(company.shop.tenant_id, 60)


async def rows_of_company(admin: asyncpg.Connection, tenant_id: str) -> Counter[str]:
    """A print of every row of a company but what says that support looked."""
    fenced = await admin.fetch("SELECT tablename FROM pg_policies WHERE policyname = 'tenant_fence'")
    own = {"support_route", "audit_entry", "audit_head"}
    found: Counter[str] = Counter()
    for name in {row["tablename"] for row in fenced} - own:
        rows = await admin.fetch(f"SELECT t::text AS whole FROM {name} t WHERE tenant_id = $1", UUID(tenant_id))
        found.update(f"{name} {row['whole']}" for row in rows)
    return found


@pytest.mark.parametrize("case", list(CASES.values()), ids=lambda case: case.name)
async def test_support_reads_what_an_auditor_does_and_writes_nothing(
    app: Litestar, company: Company, visitor: Visitor, admin: asyncpg.Connection, case: Case
) -> None:
    permission = {(row.method, row.path): row.permission for row in rows_of(app.routes)}[case.route]
    call = await case.make(company)
    before = await rows_of_company(admin, company.shop.tenant_id)
    answer = await send(company, case.route, call, token=visitor.token)
    if case.route[0] != "GET":
        assert (answer.status_code, answer.json()["code"]) == (403, "support-read-only"), answer.text
        assert "solo puede consultar" in answer.json()["detail"]
    elif permission in SUPPORT_PERMISSIONS or case.route[1] == "/v1/me":
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == 403, answer.text
    after = await rows_of_company(admin, company.shop.tenant_id)
    assert (before - after, after - before) == (Counter(), Counter())


async def test_every_code_path_of_a_sale_is_closed(helper: StaffPerson, shop: Shop) -> None:
    visitor = await helper.open(shop.tenant_id)
    session, product = await shop.open_drawer(), await shop.product()
    right = {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "11900"}],
    }
    for body, headers in (
        (right, {"Idempotency-Key": "a"}),
        (right, {}),
        (right | {"approvalIds": [str(uuid4())]}, {"Idempotency-Key": "b"}),
        ({"nonsense": True}, {"Idempotency-Key": "c"}),
    ):
        answer = await shop.http.post("/v1/sales", json=body, headers=visitor.headers | headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "support-read-only"), answer.text
    for path in ("/v1/auth/switch", "/v1/auth/operator", "/v1/auth/logout"):
        answer = await visitor.post(path, {"tenantId": shop.tenant_id})
        assert answer.status_code in {401, 403}, path
    assert (await visitor.get("/v1/sales")).json()["items"] == []
    assert (await visitor.get("/v1/provider/me")).status_code == 401
    me = (await visitor.get("/v1/me")).json()
    assert (me["user"]["name"], me["user"]["email"], me["role"], me["memberships"]) == (
        "Marta Ruiz",
        "",
        "provider",
        [],
    )


async def test_the_company_sees_who_why_when_and_what(
    helper: StaffPerson, shop: Shop, database: Database, admin: asyncpg.Connection, sink: Sink
) -> None:
    second_owner = await hire(shop, database, "owner", "Otro dueño")
    visitor = await helper.open(shop.tenant_id, 30, "caso 4512: no cuadra la caja")
    for _ in range(3):
        assert (await visitor.get("/v1/customers")).status_code == 200
    assert (await visitor.get("/v1/products", search="tornillo")).status_code == 200
    assert (await visitor.get(f"/v1/sales/{uuid4()}")).status_code == 404
    (seen,) = (await shop.get("/v1/support-accesses")).json()["items"]
    assert (seen["staffName"], seen["reason"], seen["isOpen"], seen["endedAt"]) == (
        "Marta Ruiz",
        "caso 4512: no cuadra la caja",
        True,
        None,
    )
    assert {route["route"]: route["times"] for route in seen["routes"]} == {
        "GET /v1/customers": 3,
        "GET /v1/products": 1,
        "GET /v1/sales/{sale_id}": 1,
    }
    trail = (await shop.get("/v1/audit/entries", action="support.")).json()["items"]
    assert [entry["action"] for entry in trail] == ["support.read"] * 3 + ["support.opened"], "one a route"
    assert {(entry["actor"]["name"], entry["actor"]["role"]) for entry in trail} == {("Marta Ruiz", "provider")}
    assert trail[-1]["after"]["reason"] == "caso 4512: no cuadra la caja"
    noted = (await staff_trail(helper, database, shop))[0]
    assert (noted["action"], noted["after"]["reason"]) == ("support.opened", "caso 4512: no cuadra la caja")
    (notice,) = (n for n in (await shop.get("/v1/company/notices")).json()["items"] if n["code"] == "support-open")
    assert "Marta Ruiz" in notice["detail"]
    # One job asks for a mail an owner; each is a job of its own.
    for _ in range(2):
        await sink.deliver(database, admin, shop.tenant_id)
    for address in (shop.email, second_owner.email):
        (mail,) = (each for each in sink.received(address) if "soporte" in each["Subject"])
        assert "caso 4512: no cuadra la caja" in text_of(mail)
        assert "Marta Ruiz" in text_of(mail)


async def staff_trail(person: StaffPerson, database: Database, shop: Shop) -> list[dict[str, Any]]:
    boss = await staff(person.http, database)
    found: list[dict[str, Any]] = (await boss.get("/v1/provider/trail", tenantId=shop.tenant_id)).json()["items"]
    return found


async def test_either_side_ends_it_at_once(
    helper: StaffPerson, shop: Shop, other_shop: Shop, database: Database
) -> None:
    by_company, by_staff = await helper.open(shop.tenant_id), await helper.open(shop.tenant_id)
    for visitor in (by_company, by_staff):
        assert (await visitor.get("/v1/sales")).status_code == 200
    cashier = await hire(shop, database)
    path = f"/v1/support-accesses/{by_company.access_id}/end"
    assert (await cashier.post(path)).status_code == 403
    assert (await other_shop.post(path)).status_code == 404
    ended = await shop.post(path)
    assert (ended.status_code, ended.json()["endedBy"], ended.json()["isOpen"]) == (200, "company", False)
    assert (await by_company.get("/v1/sales")).json()["code"] == "session-ended"
    assert (await by_company.get("/v1/products")).status_code == 401
    assert (await by_staff.get("/v1/sales")).status_code == 200
    own = f"/v1/provider/support-accesses/{by_staff.access_id}"
    assert (await helper.post(f"{own}/end")).status_code == 204
    assert (await by_staff.get("/v1/sales")).status_code == 401
    late = await helper.post(f"{own}/token")
    assert (late.status_code, late.json()["code"]) == (409, "access-ended")
    again = await shop.post(path)
    assert (again.status_code, again.json()["endedAt"]) == (200, ended.json()["endedAt"])
    assert (await helper.post(f"/v1/provider/support-accesses/{uuid4()}/end")).status_code == 404
    both = (await shop.get("/v1/support-accesses")).json()["items"]
    assert {row["endedBy"] for row in both} == {"company", "provider"}


async def test_it_ends_by_itself(helper: StaffPerson, shop: Shop, admin: asyncpg.Connection) -> None:
    visitor = await helper.open(shop.tenant_id, 1)
    assert (await visitor.get("/v1/sales")).status_code == 200
    began = clock.now() - timedelta(minutes=2)
    await admin.execute(
        "UPDATE support_access SET opened_at = $1, expires_at = $2 WHERE id = $3",
        began,
        began + timedelta(minutes=1),
        UUID(visitor.access_id),
    )
    for path in ("/v1/sales", "/v1/products"):
        refused = await visitor.get(path)
        assert (refused.status_code, refused.json()["code"]) == (401, "session-ended"), path
    (row,) = (await shop.get("/v1/support-accesses")).json()["items"]
    assert (row["isOpen"], row["endedBy"]) == (False, None)


async def test_who_leaves_the_staff_or_support_sees_nothing_more(
    helper: StaffPerson, shop: Shop, http: httpx.AsyncClient, database: Database
) -> None:
    boss = await staff(http, database)
    visitor = await helper.open(shop.tenant_id)
    assert (await boss.patch(f"/v1/provider/staff/{helper.id}", {"role": "billing"})).status_code == 200
    assert (await visitor.get("/v1/sales")).status_code == 401
    (row,) = (await shop.get("/v1/support-accesses")).json()["items"]
    assert (row["isOpen"], row["endedBy"]) == (False, "provider")
    await boss.patch(f"/v1/provider/staff/{helper.id}", {"role": "support"})
    assert (await visitor.get("/v1/sales")).status_code == 401, "it does not come back"
    another = await helper.open(shop.tenant_id)
    assert (await boss.patch(f"/v1/provider/staff/{helper.id}", {"active": False})).status_code == 200
    assert (await another.get("/v1/sales")).status_code == 401


async def test_a_token_is_of_one_company_and_one_person(
    helper: StaffPerson, shop: Shop, other_shop: Shop, app: Litestar, http: httpx.AsyncClient, database: Database
) -> None:
    visitor = await helper.open(shop.tenant_id)
    colleague = await staff(http, database, "support")
    mine = f"/v1/provider/support-accesses/{visitor.access_id}/token"
    assert (await colleague.post(mine)).status_code == 404
    renewed = await helper.post(mine)
    assert renewed.status_code == 200, renewed.text
    assert 0 < renewed.json()["expiresIn"] <= 600
    tokens = app.state.tokens
    for user, tenant, session in (
        (helper.id, other_shop.tenant_id, visitor.access_id),
        (colleague.id, shop.tenant_id, visitor.access_id),
        (helper.id, shop.tenant_id, str(uuid4())),
        (shop.user["id"], shop.tenant_id, visitor.access_id),
    ):
        forged = tokens.issue(user_id=UUID(user), tenant_id=UUID(tenant), session_id=UUID(session), kind="support")
        for path in ("/v1/sales", "/v1/products"):
            answer = await http.get(path, headers={"Authorization": f"Bearer {forged}"})
            assert answer.status_code == 401, answer.text


async def test_opening_is_idempotent_and_bounded(helper: StaffPerson, shop: Shop, admin: asyncpg.Connection) -> None:
    path = "/v1/provider/support-accesses"
    body = {"id": str(uuid4()), "tenantId": shop.tenant_id, "reason": "caso 1", "minutes": 60}
    first, replayed, by_id = (
        await helper.post(path, body, key="one"),
        await helper.post(path, body, key="one"),
        await helper.post(path, body, key="two"),
    )
    assert [a.status_code for a in (first, replayed, by_id)] == [201, 201, 200]
    assert replayed.json() == first.json() | {"accessToken": None}, "no token is stored"
    assert (await helper.post(path, body | {"reason": "otro"})).json()["code"] == "id-taken"
    for changed, status, code in (
        ({"minutes": 61}, 400, "malformed"),
        ({"minutes": 0}, 400, "malformed"),
        ({"reason": "   "}, 422, "blank"),
        ({"reason": ""}, 400, "malformed"),
        ({"tenantId": str(uuid4())}, 422, "unknown-reference"),
    ):
        answer = await helper.post(path, body | {"id": str(uuid4())} | changed)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    count = await admin.fetchval("SELECT count(*) FROM support_access WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert count == 1
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute("UPDATE support_access SET expires_at = expires_at + interval '1 second'")


async def test_a_suspended_or_closed_company_can_be_looked_into(
    helper: StaffPerson, shop: Shop, http: httpx.AsyncClient, database: Database
) -> None:
    boss = await staff(http, database)
    await boss.post(f"/v1/provider/tenants/{shop.tenant_id}/close", {"reason": "terminó el contrato"})
    visitor = await helper.open(shop.tenant_id)
    assert (await visitor.get("/v1/sales")).status_code == 200
    assert (await visitor.get("/v1/products")).status_code == 200
    assert (await shop.get("/v1/support-accesses")).status_code == 200


async def test_postgresql_itself_refuses_what_a_reading_route_would_write(
    helper: StaffPerson, shop: Shop, database: Database, app: Litestar
) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from app.db.session import Work
    from app.db.support import enter_support
    from app.lib.actor import Access

    visitor = await helper.open(shop.tenant_id)
    claims = app.state.tokens.read(visitor.token, "support")

    class Connection:
        scope = {"type": "http", "method": "GET", "path": "/v1/customers", "path_template": "/v1/customers"}

    work = Work(database, database.session())
    try:
        connection: Any = Connection()
        connection.scope |= {"client": ("127.0.0.1", 1), "headers": [], "state": {}}
        await enter_support(connection, work, claims, Access("customers:read", writes=False, in_read_only=False))
        assert await work.session.scalar(text("SELECT count(*) FROM customer")) == 1
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await work.session.execute(
                text("UPDATE customer SET name = 'x' WHERE tenant_id = :t"), {"t": claims.tenant_id}
            )
    finally:
        await work.close()


@pytest.mark.parametrize("way", ["logout", "reset"])
async def test_a_look_ends_with_the_login_of_its_person(
    http: httpx.AsyncClient, database: Database, shop: Shop, way: str
) -> None:
    boss, helper = await staff(http, database), await staff(http, database, "support")
    visitor = await helper.open(shop.tenant_id)
    assert (await visitor.get("/v1/products")).status_code == 200
    if way == "logout":
        assert (await helper.post("/v1/auth/provider/logout")).status_code == 204
    else:
        assert (await boss.post(f"/v1/provider/staff/{helper.id}/reset")).status_code == 200
        seen = (await shop.get("/v1/support-accesses")).json()["items"]
        assert [one["isOpen"] for one in seen if one["id"] == visitor.access_id] == [False]
    assert (await visitor.get("/v1/products")).status_code in {401, 403}


async def test_one_id_is_one_look(http: httpx.AsyncClient, database: Database, shop: Shop, other_shop: Shop) -> None:
    helper = await staff(http, database, "support")
    wanted = {"id": str(uuid4()), "reason": "caso 1", "minutes": 10}
    assert (
        await helper.post("/v1/provider/support-accesses", wanted | {"tenantId": shop.tenant_id})
    ).status_code == 201
    taken = await helper.post("/v1/provider/support-accesses", wanted | {"tenantId": other_shop.tenant_id})
    assert (taken.status_code, taken.json()["code"]) == (409, "id-taken")
