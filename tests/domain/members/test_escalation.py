"""Ways to more than one was given, each of them closed."""

from uuid import UUID, uuid4

from app.db.session import Database
from tests.domain.cash.counter import Admin
from tests.people import PASSWORD, hire, mailed_token, owner_of, with_pin
from tests.shop import Shop, forget_tries

PIN = "740286"


async def test_an_operators_session_does_not_become_a_login(shop: Shop, database: Database) -> None:
    owner = await with_pin(owner_of(shop), PIN, shop.password)
    cashier = await hire(shop, database)
    entered = await cashier.post("/v1/auth/operator", {"userId": owner.id, "pin": PIN})
    assert entered.status_code == 200, entered.text
    headers = {"Authorization": f"Bearer {entered.json()['accessToken']}"}
    switched = await shop.http.post("/v1/auth/switch", json={"tenantId": shop.tenant_id}, headers=headers)
    assert (switched.status_code, switched.json()["code"]) == (403, "login-required")


async def test_nobody_is_forgotten_by_somebody_below_them(shop: Shop, database: Database) -> None:
    boss = await hire(shop, database, "admin")
    role = {"code": "privado", "name": "P", "permissions": ["company:read", "privacy:read", "privacy:write"]}
    assert (await shop.post("/v1/roles", role)).status_code == 201
    weak = await hire(shop, database, "privado")
    for above in (boss.id, shop.user["id"]):
        answer = await weak.post(f"/v1/privacy/members/{above}/anonymise", {"reason": "request"})
        assert (answer.status_code, answer.json()["code"]) == (403, "cannot-manage")
    assert (await boss.get("/v1/me")).status_code == 200


async def test_no_hash_of_a_pin_is_kept_with_an_approval(shop: Shop, database: Database, admin: Admin) -> None:
    owner = await with_pin(owner_of(shop), PIN, shop.password)
    cashier = await hire(shop, database)
    body = {"kind": "void", "subject": {"saleId": str(uuid4())}, "approverId": owner.id, "pin": PIN}
    given = await cashier.post("/v1/approvals", body, key="approval")
    assert given.status_code == 201, given.text
    kept = await admin.fetchval("SELECT count(*) FROM idempotency WHERE user_id = $1", UUID(cashier.id))
    assert kept == 0


async def test_what_somebody_could_grant_once_ends_with_their_role(shop: Shop, database: Database) -> None:
    boss = await hire(shop, database, "admin")
    sent = await boss.post("/v1/invitations", {"email": f"{uuid4().hex}@x.test", "name": "Yo", "role": "admin"})
    assert sent.status_code == 201, sent.text
    assert (await shop.patch(f"/v1/members/{boss.id}", {"role": "cashier"})).status_code == 200
    token = await mailed_token(database, shop.tenant_id, sent.json()["id"])
    await forget_tries(database.settings)
    late = await shop.http.post("/v1/auth/accept-invitation", json={"token": token, "password": PASSWORD})
    assert (late.status_code, late.json()["code"]) == (422, "invitation-expired")


async def test_who_is_limited_to_branches_lets_nobody_in_everywhere(shop: Shop, database: Database) -> None:
    boss = await hire(shop, database, "admin")
    home = (await shop.get("/v1/branches")).json()["items"][0]["id"]
    assert (await shop.patch(f"/v1/members/{boss.id}", {"branchIds": [home]})).status_code == 200
    refused = await boss.post("/v1/invitations", {"email": f"{uuid4().hex}@x.test", "name": "Yo", "role": "cashier"})
    assert (refused.status_code, refused.json()["code"]) == (403, "branch-not-allowed")


async def test_who_is_limited_to_branches_gives_and_sees_nothing_beyond_them(shop: Shop, database: Database) -> None:
    boss = await hire(shop, database, "admin")
    cashier = await hire(shop, database)
    gone = await hire(shop, database)
    assert (await shop.patch(f"/v1/members/{gone.id}", {"active": False})).status_code == 200
    pending = await shop.post("/v1/invitations", {"email": f"{uuid4().hex}@x.test", "name": "Yo", "role": "cashier"})
    home = (await shop.get("/v1/branches")).json()["items"][0]["id"]
    assert (await shop.patch(f"/v1/members/{boss.id}", {"branchIds": [home]})).status_code == 200
    refused = [
        await boss.patch(f"/v1/members/{cashier.id}", {"role": "admin"}),
        await boss.patch(f"/v1/members/{cashier.id}", {"active": False}),
        await boss.patch(f"/v1/members/{gone.id}", {"active": True}),
        await boss.post(f"/v1/invitations/{pending.json()['id']}/resend"),
        await boss.get("/v1/audit/entries"),
        await boss.get("/v1/audit/export"),
        await boss.get("/v1/webhooks/deliveries"),
        await boss.post("/v1/webhooks/endpoints", {"url": "http://127.0.0.1:9/", "events": ["*"]}),
    ]
    assert [(one.status_code, one.json()["code"]) for one in refused] == [(403, "branch-not-allowed")] * len(refused)
    assert (await shop.patch(f"/v1/members/{cashier.id}", {"branchIds": [home]})).status_code == 200
    assert (await boss.patch(f"/v1/members/{cashier.id}", {"role": "seller"})).status_code == 200


async def test_a_person_who_has_just_chosen_a_password_is_left_alone(shop: Shop, database: Database) -> None:
    cashier = await hire(shop, database)
    path = f"/v1/members/{cashier.id}/require-password-change"
    assert (await shop.post(path)).status_code == 204
    other = "cuatro gatos duermen al sol"
    assert (await cashier.post("/v1/me/password", {"currentPassword": PASSWORD, "password": other})).status_code == 204
    again = await shop.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "changed-recently")
    assert (await cashier.get("/v1/me")).status_code == 200
