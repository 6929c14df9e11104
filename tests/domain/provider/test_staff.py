"""The operator's staff: their own door, their roles, their trail."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from app.asgi import create_litestar, dressed
from app.db.locks import AdvisoryLock
from app.db.provider_trail import broken_links
from app.db.session import Database
from app.settings import Settings
from tests.cli.test_commands import mostrador
from tests.domain.inventory.race import until_blocked
from tests.shop import Shop, code_now, forget_tries
from tests.staff import PASSWORD, StaffPerson, log_in, new_staff, staff
from worker.leader import Leadership


async def test_a_first_password_opens_nothing_but_its_change(http: httpx.AsyncClient, database: Database) -> None:
    made = await new_staff(database, "admin")
    assert made.password is not None
    await forget_tries(database.settings)
    person = await log_in(http, made.email, made.password)
    refused = await person.get("/v1/provider/tenants")
    assert (refused.status_code, refused.json()["code"]) == (403, "password-change-required")
    assert (await person.get("/v1/provider/me")).json()["passwordChangeRequired"] is True
    weak = await person.post("/v1/provider/me/password", {"currentPassword": made.password, "password": "corta"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak-password")
    same = {"currentPassword": made.password, "password": made.password}
    assert (await person.post("/v1/provider/me/password", same)).json()["code"] == "weak-password"
    wrong = await person.post("/v1/provider/me/password", {"currentPassword": "otra", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong-password")
    right = {"currentPassword": made.password, "password": PASSWORD}
    assert (await person.post("/v1/provider/me/password", right)).status_code == 204
    assert (await person.get("/v1/provider/tenants")).status_code == 200


async def test_nobody_knows_who_is_of_the_staff(http: httpx.AsyncClient, database: Database) -> None:
    person = await staff(http, database)
    await forget_tries(database.settings)
    answers = [
        await http.post("/v1/auth/provider/login", json={"email": email, "password": "no es esta clave"})
        for email in (person.email, f"{uuid4().hex}@operador.test")
    ]
    told = [answer.json() | {"instance": ""} for answer in answers]
    assert told[0] == told[1]
    assert (told[0]["status"], told[0]["code"]) == (401, "wrong-credentials")


async def test_tokens_of_staff_and_of_companies_do_not_serve_each_other(
    http: httpx.AsyncClient, database: Database, shop: Shop
) -> None:
    person = await staff(http, database)
    for path in ("/v1/sales", "/v1/products", "/v1/me", "/v1/company", "/v1/members"):
        answer = await person.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong-token"), path
    sale = await person.post("/v1/sales", {"sessionId": str(uuid4()), "lines": [], "payments": []})
    assert sale.status_code == 401
    switched = await person.post("/v1/auth/switch", {"tenantId": shop.tenant_id})
    assert switched.status_code == 401
    for path in ("/v1/provider/tenants", "/v1/provider/me", "/v1/provider/staff"):
        answer = await shop.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong-token"), path
    # Their own accounts are no accounts of companies, and theirs none of the staff.
    await forget_tries(database.settings)
    as_owner = await http.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    as_staff = await http.post("/v1/auth/provider/login", json={"email": shop.email, "password": shop.password})
    assert as_owner.status_code == as_staff.status_code == 401


async def test_a_session_goes_on_by_its_newest_token_alone(
    http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection
) -> None:
    person = await staff(http, database)

    async def refresh(token: str) -> httpx.Response:
        return await http.post("/v1/auth/provider/refresh", json={"refreshToken": token})

    second = await refresh(person.refresh_token)
    lost = await refresh(person.refresh_token)
    assert second.status_code == lost.status_code == 200
    assert second.json()["refreshToken"] == lost.json()["refreshToken"]
    third = await refresh(second.json()["refreshToken"])
    assert (await http.get("/v1/provider/me", headers=bearer(third))).status_code == 200
    stolen = await refresh(person.refresh_token)
    assert (stolen.status_code, stolen.json()["code"]) == (401, "invalid-refresh")
    assert (await refresh(third.json()["refreshToken"])).status_code == 401, "a copy ended the session"
    assert (await http.get("/v1/provider/me", headers=bearer(third))).status_code == 401
    for token in ("", "x", person.refresh_token[:-4] + "AAAA"):
        assert (await refresh(token)).status_code == 401


def bearer(answer: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


async def test_a_logout_ends_it_at_once(http: httpx.AsyncClient, database: Database) -> None:
    person = await staff(http, database)
    assert (await http.post("/v1/auth/provider/logout", headers=person.headers)).status_code == 204
    refused = await person.get("/v1/provider/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "session-ended")


async def test_a_second_factor_is_asked_for_once_it_is_there(http: httpx.AsyncClient, database: Database) -> None:
    person = await staff(http, database)
    secret = (await person.post("/v1/provider/me/totp", {"currentPassword": PASSWORD})).json()["secret"]
    await forget_tries(database.settings)
    wrong = await person.post("/v1/provider/me/totp/confirm", {"code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "totp-invalid")
    assert (await person.post("/v1/provider/me/totp/confirm", {"code": code_now(secret)})).status_code == 204
    again = await person.post("/v1/provider/me/totp", {"currentPassword": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "totp-enabled")
    await forget_tries(database.settings)
    login = {"email": person.email, "password": PASSWORD}
    for body, code in (({}, "totp-required"), ({"totp": code_now(secret)}, "totp-invalid")):
        answer = await http.post("/v1/auth/provider/login", json=login | body)
        assert (answer.status_code, answer.json()["code"]) == (401, code), "the code that confirmed it is spent"
    entered = await log_in(http, person.email, totp=code_now(secret, 1))
    assert (await entered.get("/v1/provider/tenants")).status_code == 200


async def test_in_production_nothing_works_before_the_second_factor(
    http: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    person = await staff(http, database)
    app = create_litestar(msgspec.structs.replace(settings, environment="production"))
    async with app.lifespan():
        transport = httpx.ASGITransport(app=dressed(app, settings))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as production:
            there = StaffPerson(production, person.id, person.email, person.token, "")
            refused = await there.get("/v1/provider/tenants")
            assert (refused.status_code, refused.json()["code"]) == (403, "totp-enrolment-required")
            assert (await there.get("/v1/provider/me")).json()["totpRequired"] is True
            secret = (await there.post("/v1/provider/me/totp", {"currentPassword": PASSWORD})).json()["secret"]
            assert (await there.post("/v1/provider/me/totp/confirm", {"code": code_now(secret)})).status_code == 204
            assert (await there.get("/v1/provider/tenants")).status_code == 200


async def test_staff_is_made_changed_and_put_out_by_administrators(http: httpx.AsyncClient, database: Database) -> None:
    boss = await staff(http, database)
    email = f"{uuid4().hex}@operador.test"
    made = await boss.post("/v1/provider/staff", {"email": email, "name": "Luis", "role": "support"})
    assert made.status_code == 201, made.text
    taken = await boss.post("/v1/provider/staff", {"email": email.upper(), "name": "Otro", "role": "ops"})
    assert (taken.status_code, taken.json()["code"]) == (409, "email-taken")
    await forget_tries(database.settings)
    luis = await log_in(http, email, made.json()["password"])
    body = {"currentPassword": made.json()["password"], "password": PASSWORD}
    assert (await luis.post("/v1/provider/me/password", body)).status_code == 204
    assert (await luis.get("/v1/provider/trail")).status_code == 403
    path = f"/v1/provider/staff/{luis.id}"
    assert (await boss.patch(path, {"role": "ops"})).json()["role"] == "ops"
    assert (await luis.get("/v1/provider/trail")).status_code == 200, "a role holds from the next request on"
    assert (await boss.patch(path, {"active": False})).status_code == 200
    refused = await luis.get("/v1/provider/trail")
    assert (refused.status_code, refused.json()["code"]) == (401, "session-ended")
    assert (await boss.patch(path, {"active": True})).status_code == 200
    assert (await luis.get("/v1/provider/trail")).status_code == 401, "an ended session does not come back"
    reset = await boss.post(f"{path}/reset")
    assert reset.status_code == 200, reset.text
    await forget_tries(database.settings)
    old = await http.post("/v1/auth/provider/login", json={"email": email, "password": PASSWORD})
    assert old.status_code == 401
    assert (await log_in(http, email, reset.json()["password"])).id == luis.id
    for nobody in (
        await boss.patch(f"/v1/provider/staff/{uuid4()}", {"name": "X"}),
        await boss.post(f"/v1/provider/staff/{uuid4()}/reset"),
    ):
        assert nobody.status_code == 404
    for own in (
        await boss.patch(f"/v1/provider/staff/{boss.id}", {"role": "ops"}),
        await boss.post(f"/v1/provider/staff/{boss.id}/reset"),
    ):
        assert (own.status_code, own.json()["code"]) == (422, "own-account")
    listed = (await boss.get("/v1/provider/staff", limit=200)).json()["items"]
    assert email in {row["email"] for row in listed}
    told = (await boss.get("/v1/provider/trail", staffId=boss.id)).json()["items"]
    assert [entry["action"] for entry in told][:4] == ["staff.reset", "staff.changed", "staff.changed", "staff.changed"]
    assert all(entry["staff"] == {"id": boss.id, "name": "Marta Ruiz", "role": "admin"} for entry in told)
    assert told[-1]["action"] == "staff.logged-in", "when and from where somebody came in"


async def test_two_administrators_cannot_put_each_other_out_at_once(
    http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection
) -> None:
    first, second = await staff(http, database), await staff(http, database)
    others = await admin.fetch(
        "UPDATE provider_user SET is_active = false WHERE role = 'admin' AND is_active AND id <> ALL ($1) RETURNING id",
        [UUID(first.id), UUID(second.id)],
    )
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute("SELECT pg_advisory_xact_lock($1)", int(AdvisoryLock.STAFF))
    racing = [
        asyncio.create_task(first.patch(f"/v1/provider/staff/{second.id}", {"active": False})),
        asyncio.create_task(second.patch(f"/v1/provider/staff/{first.id}", {"active": False})),
    ]
    await until_blocked(admin, 2)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    await admin.execute("UPDATE provider_user SET is_active = true WHERE id = ANY ($1)", [row["id"] for row in others])
    assert sorted(answer.status_code for answer in answers) == [200, 409], [answer.text for answer in answers]
    assert next(a for a in answers if a.status_code == 409).json()["code"] == "last-admin"


async def test_a_change_in_the_trail_is_found(
    http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection
) -> None:
    boss = await staff(http, database)
    await boss.post("/v1/provider/staff", {"email": f"{uuid4().hex}@operador.test", "name": "A", "role": "ops"})

    async def broken() -> list[int]:
        async with database.platform_transaction() as session:
            return (await broken_links(session, database.audit_keys))[1]

    assert await broken() == []
    last = await admin.fetchval("SELECT max(seq) FROM provider_entry")
    assert last is not None
    for change, found in (
        (f"UPDATE provider_entry SET content = replace(content, 'ops', 'OPS') WHERE seq = {last}", [last]),
        (f"DELETE FROM provider_entry WHERE seq = {last}", [last]),
        (f"DELETE FROM provider_entry WHERE seq = {last - 1}", [last - 1, last]),
    ):
        kept = await admin.fetch("SELECT * FROM provider_entry WHERE seq >= $1", last - 1)
        await admin.execute(change)
        assert await broken() == found, change
        await admin.execute("DELETE FROM provider_entry WHERE seq >= $1", last - 1)
        for row in kept:
            places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
            await admin.execute(f"INSERT INTO provider_entry VALUES ({places})", *row.values())
    assert await broken() == []


async def test_a_companys_request_cannot_read_the_operators_trail_or_staff(
    database: Database, shop: Shop, http: httpx.AsyncClient
) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    await staff(http, database)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        for table in ("provider_user", "provider_session", "provider_answer"):
            assert await work.session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await work.session.execute(text("SELECT 1 FROM provider_entry"))


async def test_the_command_line_makes_the_first_and_lets_the_lost_in_again(
    http: httpx.AsyncClient, database: Database, environ: dict[str, str]
) -> None:
    email = f"{uuid4().hex}@operador.test"
    made = await asyncio.to_thread(mostrador, "provider-user", email, "--name", "Marta", environ=environ)
    assert made.returncode == 0, made.stderr
    label, address, password = made.stdout.split()
    assert (label, address) == ("provider:", email)
    again = await asyncio.to_thread(mostrador, "provider-user", email, environ=environ)
    assert (again.returncode, again.stdout) == (1, "")
    assert "--reset" in again.stderr
    await forget_tries(database.settings)
    person = await log_in(http, email, password)
    reset = await asyncio.to_thread(mostrador, "provider-user", email, "--reset", environ=environ)
    assert reset.returncode == 0, reset.stderr
    assert (await person.get("/v1/provider/me")).status_code == 401
    assert (await log_in(http, email, reset.stdout.split()[2])).id == person.id
    for words in ((f"{uuid4().hex}@operador.test", "--reset"), ("no es un correo",)):
        wrong = await asyncio.to_thread(mostrador, "provider-user", *words, environ=environ)
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert "Traceback" not in wrong.stderr


async def test_the_staff_changes_while_a_monitor_leads(
    http: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    boss, other = await staff(http, database), await staff(http, database, "ops")
    leader = Leadership(settings)
    stop = asyncio.Event()
    leading = asyncio.create_task(leader.run(stop))
    try:
        async with asyncio.timeout(10):
            while not leader.leads:
                await asyncio.sleep(0.05)
        out = await boss.patch(f"/v1/provider/staff/{other.id}", {"active": False})
        assert out.status_code == 200, out.text
    finally:
        stop.set()
        await leading
