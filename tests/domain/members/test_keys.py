"""API keys: shown once, hashed, no more than their maker, ended at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.db.api_keys import KeyParts, read_key
from app.db.session import Database
from app.lib import clock
from app.lib.permissions import FOR_KEYS
from tests.people import Person, hire
from tests.shop import Shop


async def key_of(shop: Shop, *scopes: str, **body: Any) -> tuple[dict[str, Any], Person]:
    """A key and a program that uses it."""
    answer = await shop.post("/v1/api-keys", {"name": "Tienda en línea", "scopes": list(scopes)} | body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made, Person(shop.http, shop.user["id"], "", made["key"], "")


async def test_a_key_may_what_its_scopes_say(shop: Shop) -> None:
    made, program = await key_of(shop, "products:read", "sales:read")
    assert made["key"].startswith("msk_")
    assert made["key"].endswith(made["hint"])
    assert (await program.get("/v1/products")).status_code == 200
    # The look-up runs on the fast lane.
    assert (await program.get("/v1/products", barcode="1")).status_code == 200
    refused = await program.get("/v1/customers")
    assert (refused.status_code, refused.json()["permission"]) == (403, "customers:read")
    me = (await program.get("/v1/me")).json()
    assert (me["role"], me["permissions"]) == ("api-key", ["products:read", "sales:read"])


async def test_a_key_tells_nothing_of_the_account_behind_it(shop: Shop) -> None:
    _, program = await key_of(shop, "products:read")
    answer = await program.get("/v1/me")
    me = answer.json()
    assert (me["user"]["name"], me["user"]["email"], me["memberships"]) == ("Tienda en línea", "", [])
    assert shop.email not in answer.text
    assert me["tenant"]["id"] == shop.tenant_id
    own = (await shop.get("/v1/me")).json()
    assert (own["user"]["email"], len(own["memberships"])) == (shop.email, 1)


async def test_a_key_is_shown_once_and_stored_as_a_hash(shop: Shop, admin: asyncpg.Connection) -> None:
    body = {"name": "Contabilidad", "scopes": ["sales:read"]}
    first, replay = [await shop.post("/v1/api-keys", body, key="same") for _ in range(2)]
    assert replay.headers["idempotency-replayed"] == "true"
    assert replay.json() == first.json() | {"key": None}
    secret = first.json()["key"]
    (listed,) = (await shop.get("/v1/api-keys")).json()["items"]
    assert "key" not in listed
    for table in ("api_key", "auth_session", "idempotency", "audit_entry", "outbox"):
        rows = await admin.fetch(f"SELECT t::text AS whole FROM {table} t")
        assert not any(secret in row["whole"] for row in rows), table
    stored = await admin.fetchval("SELECT secret_hash FROM api_key WHERE id = $1", UUID(first.json()["id"]))
    parts = read_key(secret)
    assert parts is not None
    assert stored == parts.secret_hash


async def test_a_revoked_key_is_refused_with_its_next_request(shop: Shop) -> None:
    made, program = await key_of(shop, "sales:read", "products:read")
    assert (await program.get("/v1/sales")).status_code == 200
    assert (await shop.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
    assert (await shop.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
    for path in ("/v1/sales", "/v1/products"):
        assert (await program.get(path)).status_code == 401
    assert (await program.get("/v1/products", barcode="1")).status_code == 401
    (listed,) = (await shop.get("/v1/api-keys")).json()["items"]
    assert listed["revokedAt"] is not None
    assert listed["lastUsedAt"] is not None


async def test_a_key_expires(shop: Shop, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    end = clock.now() + timedelta(hours=1)
    _, program = await key_of(shop, "sales:read", expiresAt=end.isoformat())
    assert (await program.get("/v1/sales")).status_code == 200
    monkeypatch.setattr("app.db.api_keys.clock.now", lambda: end)
    late = await program.get("/v1/sales")
    assert (late.status_code, late.json()["code"]) == (401, "key-expired")


async def test_a_key_ends_with_its_maker_and_shrinks_with_their_role(shop: Shop, database: Database) -> None:
    maker = await hire(shop, database, "owner")
    made = await maker.post("/v1/api-keys", {"name": "Robot", "scopes": ["sales:read", "audit:read"]})
    program = Person(shop.http, maker.id, "", made.json()["key"], "")
    assert (await program.get("/v1/audit/entries")).status_code == 200
    await shop.patch(f"/v1/members/{maker.id}", {"role": "cashier"})
    assert (await program.get("/v1/audit/entries")).status_code == 403
    assert (await program.get("/v1/sales")).status_code == 200
    await shop.patch(f"/v1/members/{maker.id}", {"active": False})
    assert (await program.get("/v1/sales")).status_code == 401
    await shop.patch(f"/v1/members/{maker.id}", {"active": True})
    assert (await program.get("/v1/sales")).status_code == 401


async def test_a_key_does_not_manage_people_roles_keys_or_passwords(shop: Shop, database: Database) -> None:
    for scope in ("members:write", "members:read", "roles:write", "keys:write", "sales:approve"):
        answer = await shop.post("/v1/api-keys", {"name": "X", "scopes": ["sales:read", scope]})
        assert (answer.status_code, answer.json()["code"]) == (422, "not-for-keys"), scope
        assert answer.json()["errors"][0]["pointer"] == "/scopes/1"
    _, program = await key_of(shop, *FOR_KEYS)
    other = await hire(shop, database)
    for answer in (
        await program.get("/v1/members"),
        await program.patch(f"/v1/members/{other.id}", {"active": False}),
        await program.post("/v1/api-keys", {"name": "X", "scopes": ["sales:read"]}),
        await program.put("/v1/me/pin", {"password": shop.password, "pin": "740286"}),
        await program.post("/v1/auth/operator", {"userId": other.id, "pin": "740286"}),
    ):
        assert answer.status_code == 403, answer.text
    mine = {"kind": "void", "subject": {"saleId": other.id}, "requestedBy": other.id}
    assert (await program.post("/v1/approvals", mine)).json()["code"] == "may-not-approve"


async def test_a_bad_key_is_never_made(shop: Shop, database: Database) -> None:
    body: dict[str, Any] = {"name": "X", "scopes": ["sales:read"]}
    unknown = await shop.post("/v1/api-keys", body | {"scopes": ["sales:invent"]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown-permission")
    past = await shop.post("/v1/api-keys", body | {"expiresAt": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["code"]) == (422, "expires-in-the-past")
    assert (await shop.post("/v1/api-keys", body | {"scopes": []})).status_code == 400
    boss = await hire(shop, database, "admin")
    assert (await boss.post("/v1/api-keys", body)).status_code == 403
    # A role of the company's own that may make keys, and nothing else: it makes none.
    await shop.post("/v1/roles", {"code": "llavero", "name": "Llavero", "permissions": ["keys:write"]})
    keeper = await hire(shop, database, "llavero")
    above = await keeper.post("/v1/api-keys", body)
    assert (above.status_code, above.json()["code"]) == (403, "cannot-grant")


async def test_a_wrong_key_is_refused_whatever_is_wrong(shop: Shop, other_shop: Shop, http: httpx.AsyncClient) -> None:
    made, _ = await key_of(shop, "sales:read")
    parts = read_key(made["key"])
    assert parts is not None
    wrong = [
        "msk_",
        "msk_" + "A" * 86,
        made["key"] + "A",
        made["key"][:-4] + "AAAA",
        KeyParts(UUID(other_shop.tenant_id), parts.key_id, parts.secret).text,
        KeyParts(parts.tenant_id, UUID(int=1), parts.secret).text,
        "msk_ñ",
    ]
    for key in wrong:
        answer = await http.get("/v1/sales", headers=[(b"Authorization", f"Bearer {key}".encode())])
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid-key"), key


async def test_guessing_keys_is_slowed_down(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.lib.ratelimit.KEY_CHECKS", 3)
    headers = {"Authorization": "Bearer msk_x"}
    monkeypatch.setattr("app.db.unit_of_work.client_address", lambda _scope: "203.0.113.77")
    statuses = [(await http.get("/v1/sales", headers=headers)).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


async def test_a_program_sells_and_the_trail_names_its_key(shop: Shop) -> None:
    _, program = await key_of(shop, "sales:post")
    product, session = await shop.product(), await shop.open_drawer()
    sold = await program.post(
        "/v1/sales",
        {
            "sessionId": session,
            "lines": [{"productId": product["id"], "quantity": "1"}],
            "payments": [{"method": "cash", "amount": "11900.00"}],
        },
    )
    assert sold.status_code == 201, sold.text
    assert sold.json()["lines"][0]["unitCost"] is None
    entries = (await shop.get("/v1/audit/entries", subjectId=sold.json()["id"])).json()["items"]
    assert "Tienda en línea" in str(entries)


async def test_a_key_is_of_its_company(shop: Shop, other_shop: Shop) -> None:
    made, program = await key_of(shop, "sales:read")
    assert (await other_shop.delete(f"/v1/api-keys/{made['id']}")).status_code == 404
    assert (await program.get("/v1/sales")).status_code == 200
    assert (await other_shop.get("/v1/api-keys")).json()["items"] == []
