"""Signing up, logging in, staying in, being put out."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.domain.accounts import service
from app.lib import clock
from app.lib.passwords import verify_password
from app.settings import Settings
from tests.shop import Shop, forget_tries, sign_up


async def test_a_new_company_can_say_who_it_is(shop: Shop) -> None:
    me = (await shop.get("/v1/me")).json()
    assert me["tenant"]["id"] == shop.tenant_id
    assert me["tenant"]["status"] == "trial"
    assert me["role"] == "owner"
    assert "sales:post" in me["permissions"]


async def test_a_new_company_has_one_branch_warehouse_and_register(shop: Shop) -> None:
    company = (await shop.get("/v1/company")).json()
    assert [len(company[places]) for places in ("branches", "warehouses", "registers")] == [1, 1, 1]
    assert company["dv"] == shop.tenant["dv"]


async def test_a_wrong_check_digit_is_refused_in_spanish(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/v1/auth/signup",
        json={
            "company": {"name": "Tienda", "nit": "901555123-7"},
            "owner": {"name": "Ana", "email": f"{uuid4().hex}@tienda.test", "password": "una clave larga y propia"},
        },
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-nit"
    assert answer.json()["errors"][0]["pointer"] == "/company/nit"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_taken_address_and_a_weak_password_are_refused(http: httpx.AsyncClient, shop: Shop) -> None:
    company = {"name": "Otra", "nit": "901555123"}
    taken = await http.post(
        "/v1/auth/signup",
        json={"company": company, "owner": {"name": "A", "email": shop.email.upper(), "password": "otra clave larga"}},
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "email-taken")
    for password in ("corta", "aaaaaaaaaaaaaaa", "password1234"):
        weak = await http.post(
            "/v1/auth/signup",
            json={"company": company, "owner": {"name": "A", "email": f"{uuid4().hex}@t.test", "password": password}},
        )
        assert (weak.status_code, weak.json()["code"]) == (422, "weak-password"), password


async def test_logging_in_answers_the_companies_of_the_person(http: httpx.AsyncClient, shop: Shop) -> None:
    answer = await http.post("/v1/auth/login", json={"email": shop.email, "password": shop.password})
    assert answer.status_code == 200
    assert [item["tenantId"] for item in answer.json()["memberships"]] == [shop.tenant_id]


async def test_an_unknown_person_and_a_wrong_password_look_alike(http: httpx.AsyncClient, shop: Shop) -> None:
    wrong = await http.post("/v1/auth/login", json={"email": shop.email, "password": "no es la clave"})
    unknown = await http.post("/v1/auth/login", json={"email": "nadie@tienda.test", "password": "no es la clave"})
    assert wrong.status_code == unknown.status_code == 401
    assert {**wrong.json(), "instance": ""} == {**unknown.json(), "instance": ""}


async def test_ten_wrong_passwords_in_a_row_are_slowed_down(http: httpx.AsyncClient, shop: Shop) -> None:
    body = {"email": shop.email, "password": "no es la clave"}
    statuses = [(await http.post("/v1/auth/login", json=body)).status_code for _ in range(11)]
    assert statuses[:10] == [401] * 10
    assert statuses[10] == 429
    limited = await http.post("/v1/auth/login", json=body)
    assert int(limited.headers["retry-after"]) >= 1


async def test_a_lost_answer_to_a_refresh_gets_the_same_successor(http: httpx.AsyncClient, shop: Shop) -> None:
    body = {"refreshToken": shop.refresh_token}
    first, again = [await http.post("/v1/auth/refresh", json=body) for _ in range(2)]
    assert first.status_code == again.status_code == 200
    assert first.json()["refreshToken"] == again.json()["refreshToken"] != shop.refresh_token


async def test_parallel_refreshes_agree_on_one_successor(http: httpx.AsyncClient, shop: Shop) -> None:
    body = {"refreshToken": shop.refresh_token}
    answers = await asyncio.gather(*(http.post("/v1/auth/refresh", json=body) for _ in range(5)))
    assert len({answer.json()["refreshToken"] for answer in answers}) == 1


async def test_a_stolen_refresh_token_ends_the_whole_session(
    http: httpx.AsyncClient, shop: Shop, admin: asyncpg.Connection
) -> None:
    successor = (await http.post("/v1/auth/refresh", json={"refreshToken": shop.refresh_token})).json()
    await admin.execute(
        "UPDATE refresh_token SET used_at = $1 WHERE used_at IS NOT NULL AND user_id = $2",
        clock.now() - timedelta(seconds=11),
        shop.user["id"],
    )
    late = await http.post("/v1/auth/refresh", json={"refreshToken": shop.refresh_token})
    assert late.status_code == 401
    heir = await http.post("/v1/auth/refresh", json={"refreshToken": successor["refreshToken"]})
    assert heir.status_code == 401
    ended = await http.get("/v1/me", headers={"Authorization": f"Bearer {successor['accessToken']}"})
    assert (ended.status_code, ended.json()["code"]) == (401, "session-ended")


async def test_logging_out_ends_the_access_token_at_once(shop: Shop) -> None:
    assert (await shop.post("/v1/auth/logout")).status_code == 204
    assert (await shop.get("/v1/me")).status_code == 401


async def test_a_deactivated_person_is_out_with_the_next_request(shop: Shop, admin: asyncpg.Connection) -> None:
    await admin.execute("UPDATE membership SET is_active = false WHERE tenant_id = $1", shop.tenant["id"])
    answer = await shop.get("/v1/company")
    assert (answer.status_code, answer.json()["code"]) == (403, "membership-inactive")


async def test_no_token_a_foreign_token_and_a_broken_one_are_refused(http: httpx.AsyncClient, shop: Shop) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {shop.token[:-4]}AAAA"}):
        answer = await http.get("/v1/me", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["status"] == 401


async def test_the_company_changes_only_as_it_was_read(shop: Shop) -> None:
    read = await shop.get("/v1/company")
    changed = await shop.patch("/v1/company", {"ticketFooter": "¡Gracias!"}, **{"If-Match": read.headers["etag"]})
    assert changed.status_code == 200, changed.text
    stale = await shop.patch("/v1/company", {"ticketFooter": "otra"}, **{"If-Match": read.headers["etag"]})
    assert stale.status_code == 412
    assert (await shop.http.get("/v1/company", headers=shop.headers | {"If-None-Match": "x"})).status_code == 200
    fresh = (await shop.get("/v1/company")).headers["etag"]
    cached = await shop.http.get("/v1/company", headers=shop.headers | {"If-None-Match": fresh})
    assert (cached.status_code, cached.content) == (304, b"")


async def test_a_second_company_sees_nothing_of_the_first(shop: Shop, http: httpx.AsyncClient) -> None:
    other = await sign_up(http, "Otra Tienda")
    assert (await other.get("/v1/company")).json()["id"] == other.tenant_id != shop.tenant_id


async def test_a_login_that_a_new_password_overtakes_is_no_login(
    shop: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(password: str, stored: str | None) -> bool:
        right = await verify_password(password, stored)
        compared.set()
        await go_on.wait()
        return right

    await forget_tries(settings)
    monkeypatch.setattr(service, "verify_password", slowly)
    login = asyncio.create_task(shop.http.post("/v1/auth/login", json={"email": shop.email, "password": shop.password}))
    await compared.wait()
    changed = await shop.post(
        "/v1/me/password", {"currentPassword": shop.password, "password": "cuatro gatos duermen al sol"}
    )
    go_on.set()
    assert changed.status_code == 204, changed.text
    late = await login
    assert (late.status_code, late.json()["code"]) == (401, "wrong-credentials")
