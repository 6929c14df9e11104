"""Where a person is logged in, ending it, going over to another company, and what is forgotten afterwards."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx

from app.db.session import Database
from app.domain.accounts.models import Role
from app.lib import clock
from tests.domain.accounts.people import bearer, join
from tests.shop import Shop
from worker.chores import forget_old_sessions


async def test_sessions_are_listed_with_where_they_are_and_the_own_one_is_marked(shop: Shop) -> None:
    await shop.http.post(
        "/v1/auth/login",
        json={"email": shop.email, "password": shop.password},
        headers={"User-Agent": "Caja 2"},
    )
    page = (await shop.get("/v1/me/sessions")).json()
    assert page["nextCursor"] is None
    newest, own = page["items"]
    assert (newest["current"], own["current"]) == (False, True)
    assert newest["agent"] == "Caja 2"
    assert {item["address"] for item in page["items"]} == {"127.0.0.1"}
    assert {item["tenantName"] for item in page["items"]} == {"Tienda de Prueba"}
    first = (await shop.get("/v1/me/sessions", limit=1)).json()
    rest = (await shop.get("/v1/me/sessions", limit=1, cursor=first["nextCursor"])).json()
    assert [first["items"][0]["id"], rest["items"][0]["id"]] == [newest["id"], own["id"]]


async def test_a_renewed_session_was_seen_now(shop: Shop, admin: asyncpg.Connection) -> None:
    await admin.execute(
        "UPDATE auth_session SET last_seen_at = $1, address = '192.0.2.9' WHERE user_id = $2",
        clock.now() - timedelta(days=3),
        UUID(shop.user["id"]),
    )
    (before,) = (await shop.get("/v1/me/sessions")).json()["items"]
    assert (await shop.http.post("/v1/auth/refresh", json={"refreshToken": shop.refresh_token})).status_code == 200
    (now,) = (await shop.get("/v1/me/sessions")).json()["items"]
    assert now["lastSeenAt"] > before["lastSeenAt"]
    assert now["expiresAt"] > before["expiresAt"]
    assert (before["address"], now["address"]) == ("192.0.2.9", "127.0.0.1")


async def test_a_revoked_session_is_out_with_its_next_request(shop: Shop) -> None:
    begun = await shop.log_in()
    other = bearer(begun)
    listed = (await shop.get("/v1/me/sessions")).json()["items"]
    (target,) = (item["id"] for item in listed if not item["current"])
    assert (await shop.http.get("/v1/me", headers=other)).status_code == 200
    assert (await shop.delete(f"/v1/me/sessions/{target}")).status_code == 204
    assert (await shop.http.get("/v1/me", headers=other)).json()["code"] == "session-ended"
    refreshed = await shop.http.post("/v1/auth/refresh", json={"refreshToken": begun.json()["refreshToken"]})
    assert refreshed.status_code == 401
    again = await shop.delete(f"/v1/me/sessions/{target}")
    assert (again.status_code, again.json()["code"]) == (404, "not-found")


async def test_somebody_elses_session_is_not_there(shop: Shop, other_shop: Shop) -> None:
    (theirs,) = (await other_shop.get("/v1/me/sessions")).json()["items"]
    foreign = await shop.delete(f"/v1/me/sessions/{theirs['id']}")
    unknown = await shop.delete(f"/v1/me/sessions/{uuid4()}")
    assert foreign.status_code == unknown.status_code == 404
    assert {**foreign.json(), "instance": ""} == {**unknown.json(), "instance": ""}
    assert (await other_shop.get("/v1/me")).status_code == 200


async def test_all_others_end_at_once(shop: Shop) -> None:
    others = [bearer(await shop.log_in()) for _ in range(3)]
    done = await shop.post("/v1/me/sessions/revoke-all")
    assert done.json() == {"revoked": 3}
    for headers in others:
        assert (await shop.http.get("/v1/company", headers=headers)).status_code == 401
    assert (await shop.get("/v1/company")).status_code == 200


async def test_a_person_goes_over_to_another_of_their_companies_with_the_role_they_have_there(
    shop: Shop, other_shop: Shop, database: Database
) -> None:
    await join(database, other_shop, shop, Role.CASHIER)
    answer = await other_shop.http.post(
        "/v1/auth/switch", json={"tenantId": shop.tenant_id}, headers=other_shop.headers
    )
    assert answer.json()["tenant"]["id"] == shop.tenant_id
    assert {item["tenantId"] for item in answer.json()["memberships"]} == {shop.tenant_id, other_shop.tenant_id}
    me = (await shop.http.get("/v1/me", headers=bearer(answer))).json()
    assert (me["role"], me["tenant"]["id"]) == ("cashier", shop.tenant_id)
    assert {item["tenantId"]: item["role"] for item in me["memberships"]} == {
        shop.tenant_id: "cashier",
        other_shop.tenant_id: "owner",
    }
    assert (await other_shop.get("/v1/me")).json()["role"] == "owner", "the session here goes on"
    renewed = await shop.http.post("/v1/auth/refresh", json={"refreshToken": answer.json()["refreshToken"]})
    assert renewed.json()["tenant"]["id"] == shop.tenant_id


async def test_a_company_of_others_is_as_unknown_as_none(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await join(database, other_shop, shop)
    await admin.execute(
        "UPDATE membership SET is_active = false WHERE tenant_id = $1 AND user_id = $2",
        UUID(shop.tenant_id),
        UUID(other_shop.user["id"]),
    )
    answers = [
        await other_shop.http.post("/v1/auth/switch", json={"tenantId": wanted}, headers=other_shop.headers)
        for wanted in (shop.tenant_id, str(uuid4()))
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
        assert answer.json()["errors"][0]["pointer"] == "/tenantId"
    assert {**answers[0].json(), "instance": ""} == {**answers[1].json(), "instance": ""}


async def test_switching_needs_a_session_that_counts(shop: Shop, http: httpx.AsyncClient) -> None:
    body = {"tenantId": shop.tenant_id}
    assert (await http.post("/v1/auth/switch", json=body)).status_code == 401
    assert (await shop.post("/v1/auth/logout")).status_code == 204
    ended = await http.post("/v1/auth/switch", json=body, headers=shop.headers)
    assert (ended.status_code, ended.json()["code"]) == (401, "session-ended")


async def test_a_person_changes_their_name_as_it_was_read(shop: Shop) -> None:
    read = await shop.get("/v1/me")
    changed = await shop.patch("/v1/me", {"name": " Gloria Torres "}, **{"If-Match": read.headers["etag"]})
    assert changed.json()["user"]["name"] == "Gloria Torres"
    assert (await shop.patch("/v1/me", {"name": "X"}, **{"If-Match": read.headers["etag"]})).status_code == 412
    for name in ("", "   ", "a\u0007b"):
        refused = await shop.patch("/v1/me", {"name": name})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/name"), name
    assert (await shop.get("/v1/me")).json()["user"]["name"] == "Gloria Torres"


async def test_what_ended_long_ago_is_forgotten_and_what_counts_is_kept(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    gone, kept = UUID(shop.user["id"]), UUID(other_shop.user["id"])
    long_ago = clock.now() - timedelta(days=100)
    for table in ("refresh_token", "auth_session"):
        await admin.execute(f"UPDATE {table} SET expires_at = $1 WHERE user_id = $2", long_ago, gone)
    for person, at in ((gone, long_ago), (kept, clock.now())):
        await admin.execute(
            "INSERT INTO one_time_token (id, user_id, purpose, token_hash, expires_at) VALUES ($1, $2, 'verify-email', $3, $4)",
            uuid4(),
            person,
            uuid4().bytes,
            at,
        )
    await forget_old_sessions(database)
    for table in ("refresh_token", "auth_session", "one_time_token"):
        count = f"SELECT count(*) FROM {table} WHERE user_id = $1"
        assert await admin.fetchval(count, gone) == 0, table
        assert await admin.fetchval(count, kept) == 1, table
    assert (await other_shop.get("/v1/me")).status_code == 200
