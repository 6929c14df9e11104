"""Companies as the operator makes, finds, suspends and closes them."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.locks import AdvisoryLock
from app.db.session import Database
from app.lib.nit import check_digit
from tests.domain.inventory.race import until_blocked
from tests.people import PASSWORD, owner_of
from tests.shop import Shop, forget_tries
from tests.sink import Sink, text_of, token_in
from tests.staff import StaffPerson, staff


def a_company(**changed: Any) -> dict[str, Any]:
    nit = str(900_000_000 + uuid4().int % 99_999_999)
    return {
        "company": {"name": f"Ferretería {uuid4().hex[:8]}", "nit": f"{nit}-{check_digit(nit)}"},
        "owner": {"name": "Ana Gómez", "email": f"{uuid4().hex}@tienda.test"},
    } | changed


@pytest.fixture
async def boss(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    return await staff(http, database)


async def test_a_company_is_made_and_its_owner_comes_in_by_mail(
    boss: StaffPerson, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, sink: Sink
) -> None:
    body = a_company(plan="pro")
    made = await boss.post("/v1/provider/tenants", body)
    assert made.status_code == 201, made.text
    company = made.json()
    assert (company["status"], company["plan"], company["usage"]["registers"]) == ("trial", "pro", 1)
    assert company["ownerInvitation"]["status"] == "pending"
    assert company["history"][0]["actorName"] == "Marta Ruiz"
    await sink.deliver(database, admin, company["id"])
    (mail,) = sink.received(body["owner"]["email"])
    assert "Mostrador le invita" in text_of(mail)
    assert "propietario" in text_of(mail)
    token = token_in(mail, "invitacion")
    await forget_tries(database.settings)
    came = await http.post("/v1/auth/accept-invitation", json={"token": token, "password": PASSWORD})
    assert came.status_code == 201, came.text
    owner = Shop(http, came.json()["accessToken"], {"id": company["id"]}, came.json()["user"], "", "", PASSWORD)
    session, product = await owner.open_drawer(), await owner.product()
    sold = await owner.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")
    assert sold.status_code == 201, "ready to sell"
    terms = await admin.fetchval("SELECT count(*) FROM terms_acceptance WHERE tenant_id = $1", UUID(company["id"]))
    assert terms == 1
    trail = (await owner.get("/v1/audit/entries", action="company.created")).json()["items"]
    assert [(entry["actor"]["name"], entry["actor"]["role"]) for entry in trail] == [("Marta Ruiz", "provider")]
    seen = (await boss.get(f"/v1/provider/tenants/{company['id']}")).json()
    assert (seen["ownerInvitation"]["status"], seen["usage"]["users"]) == ("accepted", 1)
    closed = await boss.post(f"/v1/provider/tenants/{company['id']}/owner-invitation/resend")
    assert (closed.status_code, closed.json()["code"]) == (409, "invitation-closed")


async def test_a_company_is_made_once(boss: StaffPerson, admin: asyncpg.Connection) -> None:
    body = a_company(id=str(uuid4()))
    first = await boss.post("/v1/provider/tenants", body, key="one")
    replayed = await boss.post("/v1/provider/tenants", body, key="one")
    by_id = await boss.post("/v1/provider/tenants", body, key="two")
    other = await boss.post("/v1/provider/tenants", a_company(id=body["id"]), key="three")
    misused = await boss.post("/v1/provider/tenants", a_company(), key="one")
    assert [a.status_code for a in (first, replayed, by_id, other, misused)] == [201, 201, 200, 409, 422]
    assert replayed.headers["idempotency-replayed"] == "true"
    assert first.json() == replayed.json() == by_id.json()
    assert (other.json()["code"], misused.json()["code"]) == ("id-taken", "idempotency-mismatch")
    without_id = a_company()
    twice = [await boss.post("/v1/provider/tenants", without_id, key="four") for _ in range(2)]
    assert twice[0].json()["id"] == twice[1].json()["id"]
    mails = await admin.fetchval(
        "SELECT count(*) FROM outbox WHERE tenant_id = $1 AND kind LIKE 'members.%'", UUID(body["id"])
    )
    assert mails == 1


async def test_twins_with_one_id_make_one_company(boss: StaffPerson, admin: asyncpg.Connection) -> None:
    body = a_company(id=str(uuid4()))
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", body["id"], int(AdvisoryLock.COMPANY_OF_AN_ID)
    )
    racing = [asyncio.create_task(boss.post("/v1/provider/tenants", body)) for _ in range(3)]
    await until_blocked(admin, 3)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201], [answer.text for answer in answers]


async def test_what_is_wrong_makes_nothing(boss: StaffPerson, admin: asyncpg.Connection, shop: Shop) -> None:
    before = await admin.fetchval("SELECT count(*) FROM tenant")
    entries = await admin.fetchval("SELECT count(*) FROM provider_entry")
    right = a_company()
    nit = right["company"]["nit"]
    wrong_digit = nit[:-1] + str((int(nit[-1]) + 1) % 10)
    for body, status, code in (
        (a_company(company=right["company"] | {"nit": wrong_digit}), 422, "invalid-nit"),
        (a_company(company=right["company"] | {"name": "   "}), 400, "malformed"),
        (a_company(plan="regalado"), 422, "unknown-plan"),
        (a_company(owner={"name": "Ana", "email": "no es correo"}), 400, "malformed"),
        (a_company(id=shop.tenant_id), 409, "id-taken"),
    ):
        answer = await boss.post("/v1/provider/tenants", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await admin.fetchval("SELECT count(*) FROM tenant") == before
    assert await admin.fetchval("SELECT count(*) FROM provider_entry") == entries


async def test_an_invitation_goes_again_with_a_new_link(
    boss: StaffPerson, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, sink: Sink
) -> None:
    body = a_company()
    company = (await boss.post("/v1/provider/tenants", body)).json()
    await sink.deliver(database, admin, company["id"])
    await admin.execute("UPDATE invitation SET expires_at = now() WHERE tenant_id = $1", UUID(company["id"]))
    path = f"/v1/provider/tenants/{company['id']}"
    assert (await boss.get(path)).json()["ownerInvitation"]["status"] == "expired"
    again = await boss.post(f"{path}/owner-invitation/resend")
    assert (again.status_code, again.json()["status"]) == (200, "pending"), again.text
    await sink.deliver(database, admin, company["id"])
    old, new = (token_in(mail, "invitacion") for mail in sink.received(body["owner"]["email"]))
    await forget_tries(database.settings)
    gone = await http.post("/v1/auth/accept-invitation", json={"token": old, "password": PASSWORD})
    came = await http.post("/v1/auth/accept-invitation", json={"token": new, "password": PASSWORD})
    assert (gone.status_code, came.status_code) == (400, 201)


async def test_companies_are_found_by_name_nit_status_and_plan(boss: StaffPerson) -> None:
    body = a_company(plan="pro")
    company = (await boss.post("/v1/provider/tenants", body)).json()
    name, nit = body["company"]["name"], body["company"]["nit"]

    async def found(**params: str) -> list[str]:
        answer = await boss.get("/v1/provider/tenants", **params)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["items"]]

    assert await found(search=name.upper()) == [company["id"]]
    assert await found(search=nit) == [company["id"]]
    assert await found(search=nit[:9]) == [company["id"]]
    assert await found(search=name, status="trial", plan="pro") == [company["id"]]
    assert await found(search=name, status="closed") == []
    assert await found(search="%") == []
    assert await found(search=uuid4().hex) == []
    first = (await boss.get("/v1/provider/tenants", limit=1)).json()
    assert [row["id"] for row in first["items"]] == [company["id"]], "the newest first"
    second = (await boss.get("/v1/provider/tenants", limit=1, cursor=first["nextCursor"])).json()
    assert second["items"][0]["createdAt"] < company["createdAt"]
    assert (await boss.get("/v1/provider/tenants", status="alegre")).status_code == 400


async def test_a_suspended_company_stops_at_once_and_comes_back(boss: StaffPerson, shop: Shop) -> None:
    path = f"/v1/provider/tenants/{shop.tenant_id}"
    before = (await boss.get(path)).json()
    session, product = await shop.open_drawer(), await shop.product()
    line = [{"productId": product["id"], "quantity": "1"}]
    assert (await shop.sell(session, line, "11900")).status_code == 201
    suspended = await boss.post(f"{path}/suspend", {"reason": "cheque devuelto"})
    assert (suspended.status_code, suspended.json()["status"]) == (200, "suspended"), suspended.text
    refused = await shop.sell(session, line, "11900")
    assert (refused.status_code, refused.json()["code"]) == (403, "company-suspended")
    again = await boss.post(f"{path}/suspend", {"reason": "otra vez"})
    assert again.status_code == 200, "again: nothing happens"
    back = await boss.post(f"{path}/reactivate", {"reason": "pagó"})
    assert back.json()["status"] == "trial", "what was left of it"
    assert back.json()["trialEndsAt"] == before["trialEndsAt"]
    await boss.post(f"{path}/suspend", {"reason": "otra vez"})
    unpaid = await boss.post(f"{path}/reactivate", {"reason": "amigo", "status": "active"})
    assert (unpaid.status_code, unpaid.json()["code"]) == (409, "not-paid")
    assert (await boss.post(f"{path}/reactivate", {"reason": "pagó"})).json()["status"] == "trial"
    assert (await shop.sell(session, line, "11900")).status_code == 201
    idle = await boss.post(f"{path}/reactivate", {"reason": "pagó"})
    assert (idle.status_code, idle.json()["code"]) == (409, "not-suspended")
    closed = await boss.post(f"{path}/close", {"reason": "terminó el contrato"})
    assert closed.json()["status"] == "closed"
    never = await boss.post(f"{path}/suspend", {"reason": "x"})
    assert (never.status_code, never.json()["code"]) == (409, "move-not-allowed")
    full = await boss.post(f"{path}/reactivate", {"reason": "x", "status": "active"})
    assert (full.status_code, full.json()["code"]) == (409, "move-not-allowed")
    again = await boss.post(f"{path}/close", {"reason": "otra vez"})
    assert again.status_code == 200, "again: nothing happens"
    assert (await boss.post(f"{path}/reactivate", {"reason": "x"})).json()["status"] == "read-only"
    kept = (await shop.get("/v1/backups")).json()["items"]
    assert [(one["kind"], one["reason"]) for one in kept] == [("export", "closing")], "what it takes with it"
    await boss.post(f"{path}/suspend", {"reason": "x"})
    assert (await boss.post(f"{path}/reactivate", {"reason": "x"})).json()["status"] == "read-only", "as it was"
    blank = await boss.post(f"{path}/close", {"reason": "  "})
    assert (blank.status_code, blank.json()["code"]) == (422, "blank")
    steps = (await shop.get("/v1/company/history")).json()["items"]
    assert (steps[-2]["toStatus"], steps[-2]["reason"], steps[-2]["actorName"]) == (
        "suspended",
        "cheque devuelto",
        "Marta Ruiz",
    )
    moved = (await owner_of(shop).get("/v1/audit/entries", action="company.moved")).json()["items"]
    noted = (await boss.get("/v1/provider/trail", tenantId=shop.tenant_id)).json()["items"]
    assert len(moved) == len([entry for entry in noted if entry["action"] == "company.moved"]) == 8
    assert noted[-1]["after"] == {"from": "trial", "to": "suspended", "reason": "cheque devuelto"}


@pytest.mark.parametrize("what", ["suspend", "reactivate", "close", "owner-invitation/resend"])
async def test_a_company_that_is_not_there_is_not_found(boss: StaffPerson, shop: Shop, what: str) -> None:
    body = {} if "/" in what else {"reason": "x"}
    answer = await boss.post(f"/v1/provider/tenants/{uuid4()}/{what}", body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    if "/" in what:
        signed_up = await boss.post(f"/v1/provider/tenants/{shop.tenant_id}/{what}", body)
        assert signed_up.status_code == 404
