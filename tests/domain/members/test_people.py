"""Roles and people: who may change whom, what ends at once, and that an owner always stays."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.lib.permissions import PERMISSIONS, ROLE_NAMES, ROLES
from tests.domain.inventory.race import until_blocked
from tests.people import PASSWORD, Person, hire, invited, owner_of
from tests.shop import Shop


async def role_of(shop: Shop, *permissions: str, code: str | None = None) -> dict[str, Any]:
    body = {"code": code or f"rol-{uuid4().hex[:8]}", "name": "Jefe de caja", "permissions": list(permissions)}
    answer = await shop.post("/v1/roles", body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_role_change_is_in_force_with_the_next_request(shop: Shop, database: Database) -> None:
    person = await hire(shop, database, "seller")
    assert (await person.get("/v1/inventory/valuation")).status_code == 403
    changed = await shop.patch(f"/v1/members/{person.id}", {"role": "accountant", "displayName": "Ana"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["roleName"], changed.json()["displayName"]) == ("Contador", "Ana")
    me = (await person.get("/v1/me")).json()
    assert set(me["permissions"]) == ROLES["accountant"]


async def test_who_is_put_out_is_out_with_the_next_request_and_stays_out_after_coming_back(
    shop: Shop, database: Database, http: httpx.AsyncClient
) -> None:
    person = await hire(shop, database)
    assert (await person.get("/v1/me")).status_code == 200
    assert (await shop.patch(f"/v1/members/{person.id}", {"active": False})).json()["active"] is False
    assert (await person.get("/v1/me")).status_code == 401
    assert (await http.post("/v1/auth/refresh", json={"refreshToken": person.refresh_token})).status_code == 401
    assert (await shop.patch(f"/v1/members/{person.id}", {"active": True})).json()["active"] is True
    assert (await person.get("/v1/me")).status_code == 401, "an old session does not come back with its person"


async def test_sessions_in_another_company_go_on(
    shop: Shop, other_shop: Shop, database: Database, http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    person = await hire(shop, database)
    # The same person works in the other shop, with a session there.
    await admin.execute(
        "INSERT INTO membership (tenant_id, id, user_id, role, display_name) VALUES ($1, $2, $3, 'cashier', 'Ana')",
        UUID(other_shop.tenant_id),
        uuid4(),
        UUID(person.id),
    )
    await admin.execute(
        "INSERT INTO auth_session (id, user_id, tenant_id, address, agent) VALUES ($1, $2, $3, '', '')",
        there := uuid4(),
        UUID(person.id),
        UUID(other_shop.tenant_id),
    )
    await shop.patch(f"/v1/members/{person.id}", {"active": False})
    assert await admin.fetchval("SELECT revoked_at IS NULL FROM auth_session WHERE id = $1", there)


async def test_nobody_changes_their_own_place(shop: Shop, database: Database) -> None:
    boss = await hire(shop, database, "admin")
    for body in ({"role": "cashier"}, {"active": False}, {"role": "owner"}):
        answer = await boss.patch(f"/v1/members/{boss.id}", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "own-membership"), body
    named = await boss.patch(f"/v1/members/{boss.id}", {"displayName": "Doña Ana"})
    assert (named.status_code, named.json()["displayName"]) == (200, "Doña Ana")


async def test_nobody_grants_or_takes_what_they_lack(shop: Shop, database: Database) -> None:
    boss, cashier = await hire(shop, database, "admin"), await hire(shop, database)
    above = await boss.patch(f"/v1/members/{cashier.id}", {"role": "owner"})
    assert (above.status_code, above.json()["code"]) == (403, "cannot-grant")
    for body in ({"active": False}, {"role": "cashier"}, {"displayName": "X"}):
        owner = await boss.patch(f"/v1/members/{shop.user['id']}", body)
        assert (owner.status_code, owner.json()["code"]) == (403, "cannot-manage"), body
    assert (await boss.patch(f"/v1/members/{cashier.id}", {"role": "seller"})).status_code == 200


async def test_an_unknown_role_changes_nothing(shop: Shop, database: Database) -> None:
    person = await hire(shop, database)
    answer = await shop.patch(f"/v1/members/{person.id}", {"role": "jefe", "displayName": "Otra"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-role")
    assert (await shop.get(f"/v1/members/{person.id}")).json()["displayName"] == "Persona de Prueba"


async def test_if_match_guards_a_change(shop: Shop, database: Database) -> None:
    person = await hire(shop, database)
    tag = (await shop.get(f"/v1/members/{person.id}")).headers["etag"]
    assert (await shop.patch(f"/v1/members/{person.id}", {"role": "seller"}, **{"If-Match": tag})).status_code == 200
    stale = await shop.patch(f"/v1/members/{person.id}", {"role": "cashier"}, **{"If-Match": tag})
    assert stale.status_code == 412


async def test_the_last_owner_cannot_go(shop: Shop, database: Database) -> None:
    second = await hire(shop, database, "owner")
    assert (await second.patch(f"/v1/members/{shop.user['id']}", {"role": "admin"})).status_code == 200
    assert (await shop.patch(f"/v1/members/{second.id}", {"active": False})).status_code == 403
    only = [m for m in (await second.get("/v1/members")).json()["items"] if m["role"] == "owner"]
    assert [m["userId"] for m in only] == [second.id]


@pytest.mark.parametrize("change", [{"role": "cashier"}, {"active": False}], ids=["demoted", "put out"])
async def test_of_two_owners_who_remove_each_other_at_once_one_stays(
    shop: Shop, database: Database, admin: asyncpg.Connection, change: dict[str, Any]
) -> None:
    first, second = owner_of(shop), await hire(shop, database, "owner")
    # Both have been let in as owners and stand before the company's row.
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute("SELECT 1 FROM tenant WHERE tenant_id = $1 FOR UPDATE", shop.tenant["id"])
    racing = [
        asyncio.create_task(actor.patch(f"/v1/members/{target.id}", change))
        for actor, target in ((first, second), (second, first))
    ]
    await until_blocked(admin, 2)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    assert sorted(a.status_code for a in answers) == [200, 403], [a.text for a in answers]
    owners = await admin.fetchval(
        "SELECT count(*) FROM membership WHERE tenant_id = $1 AND role = 'owner' AND is_active", shop.tenant["id"]
    )
    assert owners == 1


async def test_a_role_of_the_companys_own_is_what_its_people_may(shop: Shop, database: Database) -> None:
    role = await role_of(shop, "sales:read", "products:read")
    person = await hire(shop, database, role["code"])
    me = (await person.get("/v1/me")).json()
    assert (me["role"], me["permissions"]) == (role["code"], ["products:read", "sales:read"])
    assert (await person.get("/v1/customers")).status_code == 403
    changed = await shop.patch(f"/v1/roles/{role['id']}", {"permissions": ["customers:read"]})
    assert changed.status_code == 200, changed.text
    assert (await person.get("/v1/customers")).status_code == 200
    assert (await person.get("/v1/sales")).status_code == 403
    # The look-up on the fast lane reads the same columns.
    assert (await person.get("/v1/products", barcode="1")).status_code == 403


async def test_a_role_that_somebody_holds_or_is_invited_to_stays(shop: Shop, database: Database) -> None:
    held, wanted, free = [await role_of(shop, "sales:read") for _ in range(3)]
    await hire(shop, database, held["code"])
    invitation = await invited(shop, wanted["code"])
    for role in (held, wanted):
        answer = await shop.delete(f"/v1/roles/{role['id']}")
        assert (answer.status_code, answer.json()["code"]) == (409, "role-in-use")
    assert (await shop.delete(f"/v1/roles/{free['id']}")).status_code == 204
    assert (await shop.get(f"/v1/roles/{free['id']}")).status_code == 404
    await shop.delete(f"/v1/invitations/{invitation['id']}")
    assert (await shop.delete(f"/v1/roles/{wanted['id']}")).status_code == 204


async def test_a_role_is_checked_before_it_is_kept(shop: Shop, database: Database) -> None:
    body = {"code": "jefe", "name": "Jefe", "permissions": ["sales:read"]}
    unknown = await shop.post("/v1/roles", body | {"permissions": ["sales:read", "sales:invent"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/permissions/1")
    for code in ("owner", "cashier"):
        taken = await shop.post("/v1/roles", body | {"code": code})
        assert (taken.status_code, taken.json()["code"]) == (409, "role-exists")
    assert (await shop.post("/v1/roles", body)).status_code == 201
    assert (await shop.post("/v1/roles", body)).status_code == 409
    for code in ("Jefe", "j", "jefe de caja", "-x"):
        assert (await shop.post("/v1/roles", body | {"code": code})).status_code == 400
    boss = await hire(shop, database, "admin")
    above = await boss.post("/v1/roles", body | {"code": "todo", "permissions": ["sales:read", "keys:write"]})
    assert (above.status_code, above.json()["permissions"]) == (403, ["keys:write"])


async def test_nobody_widens_or_narrows_the_role_they_hold(shop: Shop, database: Database) -> None:
    role = await role_of(shop, "roles:write", "members:read", "members:write")
    person = await hire(shop, database, role["code"])
    for permissions in (["roles:write", "members:read"], ["roles:write"]):
        answer = await person.patch(f"/v1/roles/{role['id']}", {"permissions": permissions})
        assert (answer.status_code, answer.json()["code"]) == (422, "own-role")
    above = await role_of(shop, "sales:void")
    answer = await person.patch(f"/v1/roles/{above['id']}", {"permissions": ["members:read"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "cannot-grant")


async def test_another_companys_role_is_unknown(shop: Shop, other_shop: Shop) -> None:
    role = await role_of(shop, "sales:read")
    answer = await other_shop.post("/v1/invitations", {"email": "a@b.co", "name": "A", "role": role["code"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-role")


async def test_every_change_is_in_the_trail(shop: Shop, database: Database) -> None:
    person = await hire(shop, database)
    await shop.patch(f"/v1/members/{person.id}", {"role": "seller"})
    actions = [e["action"] for e in (await shop.get("/v1/audit/entries")).json()["items"]]
    assert {"invitation.sent", "invitation.accepted", "membership.created", "membership.changed"} <= set(actions)
    assert (await shop.get("/v1/audit/verify")).json()["intact"]


async def test_an_auditor_reads_people_and_changes_nothing(shop: Shop, database: Database) -> None:
    auditor: Person = await hire(shop, database, "auditor")
    assert (await auditor.get("/v1/members", active=True)).status_code == 200
    assert (await auditor.patch(f"/v1/members/{shop.user['id']}", {"displayName": "X"})).status_code == 403


def test_house_roles_hold_known_permissions_and_names() -> None:
    assert ROLES.keys() == ROLE_NAMES.keys()
    assert all(permissions <= PERMISSIONS.keys() for permissions in ROLES.values())
    assert ROLES["admin"] < ROLES["owner"]
    assert not any(name.endswith(":write") for name in ROLES["auditor"])


async def test_somebody_is_limited_to_branches_and_opened_again(shop: Shop, database: Database) -> None:
    cashier, boss = await hire(shop, database), await hire(shop, database, "admin")
    home = (await shop.get("/v1/branches")).json()["items"][0]["id"]
    other = await shop.post("/v1/branches", {"name": "Sede Norte"})
    assert other.status_code == 201, other.text
    session = await shop.open_drawer()
    product = await shop.product()
    ticket = {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "11900.00"}],
    }
    path = f"/v1/members/{cashier.id}"
    limited = await boss.patch(path, {"branchIds": [other.json()["id"]]})
    assert (limited.status_code, limited.json()["branchIds"]) == (200, [other.json()["id"]])
    refused = await cashier.post("/v1/sales", ticket)
    assert (refused.status_code, refused.json()["code"]) == (403, "branch-not-allowed")
    assert (await boss.patch(path, {"branchIds": [home]})).json()["branchIds"] == [home]
    assert (await cashier.post("/v1/sales", ticket)).status_code == 201
    assert (await boss.patch(path, {"branchIds": None})).json()["branchIds"] is None
    own = await boss.patch(f"/v1/members/{boss.id}", {"branchIds": [home]})
    assert (own.status_code, own.json()["code"]) == (422, "own-membership")
    assert (await boss.patch(f"/v1/members/{shop.user['id']}", {"branchIds": [home]})).json()["code"] == "cannot-manage"


async def test_a_password_that_must_be_changed_lets_nothing_else_through(shop: Shop, database: Database) -> None:
    cashier, boss = await hire(shop, database), await hire(shop, database, "admin")
    path = f"/v1/members/{cashier.id}/require-password-change"
    assert (await boss.post(path)).status_code == 204
    refused = await cashier.get("/v1/sales")
    assert (refused.status_code, refused.json()["code"]) == (403, "password-change-required")
    changed = await cashier.post(
        "/v1/me/password", {"currentPassword": PASSWORD, "password": "una tercera clave bien larga"}
    )
    assert changed.status_code == 204, changed.text
    assert (await cashier.get("/v1/sales")).status_code == 200
    assert (await cashier.post(path)).status_code == 403
    above = await boss.post(f"/v1/members/{shop.user['id']}/require-password-change")
    assert (above.status_code, above.json()["code"]) == (403, "cannot-manage")
