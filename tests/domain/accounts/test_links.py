"""Mailed links: a proven address, a forgotten password, another address; and nothing told to strangers."""

import asyncio
import statistics
import time
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.lib import clock
from app.settings import Settings
from tests.shop import Shop, forget_tries
from tests.sink import Sink, text_of, token_in

NEW = "otra clave larga y propia"


async def reset_token(shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection) -> str:
    """The token of the link that a forgotten password brings."""
    asked = await shop.http.post("/v1/auth/forgot-password", json={"email": shop.email})
    assert (asked.status_code, asked.content) == (204, b"")
    await sink.deliver(database, admin, shop.tenant_id)
    mail = sink.received(shop.email)[-1]
    assert mail["Subject"] == "Elija otra contraseña para Mostrador"
    return token_in(mail, "restablecer")


async def test_a_forgotten_password_is_chosen_anew_and_every_session_ends(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    token = await reset_token(shop, sink, database, admin)
    done = await shop.http.post("/v1/auth/reset-password", json={"token": token, "password": NEW})
    assert done.status_code == 204, done.text
    assert (await shop.get("/v1/me")).json()["code"] == "session-ended"
    renewed = await shop.http.post("/v1/auth/refresh", json={"refreshToken": shop.refresh_token})
    assert renewed.status_code == 401
    assert (await shop.log_in()).status_code == 401
    assert (await shop.log_in(password=NEW)).status_code == 200
    await sink.deliver(database, admin, shop.tenant_id)
    notice = sink.received(shop.email)[-1]
    assert notice["Subject"] == "Su contraseña cambió"
    assert "127.0.0.1" in text_of(notice)
    assert "127.0.0.1" in text_of(notice, "html")
    again = await shop.http.post("/v1/auth/reset-password", json={"token": token, "password": f"{NEW} 2"})
    assert (again.status_code, again.json()["code"]) == (400, "invalid-token")
    assert await admin.fetchval(
        "SELECT count(*) FROM audit_entry WHERE tenant_id = $1 AND action = 'user.password-reset'", UUID(shop.tenant_id)
    )


async def test_a_refused_password_leaves_the_link_good_and_nothing_changed(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    token = await reset_token(shop, sink, database, admin)
    for password in ("corta", "password1234", shop.email, shop.password):
        weak = await shop.http.post("/v1/auth/reset-password", json={"token": token, "password": password})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak-password"), weak.text
        assert weak.json()["errors"][0]["pointer"] == "/password"
    assert (await shop.get("/v1/me")).status_code == 200
    assert (await shop.log_in()).status_code == 200
    assert (await shop.http.post("/v1/auth/reset-password", json={"token": token, "password": NEW})).status_code == 204


async def test_two_who_use_one_link_at_once_are_one(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    token = await reset_token(shop, sink, database, admin)
    bodies = [{"token": token, "password": f"clave numero {n} larga {uuid4().hex}"} for n in range(4)]
    answers = await asyncio.gather(*(shop.http.post("/v1/auth/reset-password", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]
    (winner,) = (body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 204)
    assert (await shop.log_in(password=winner["password"])).status_code == 200


async def test_a_link_ends_with_its_time_and_serves_no_other_purpose(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    token = await reset_token(shop, sink, database, admin)
    for path in ("/v1/auth/verify-email", "/v1/auth/change-email"):
        other = await shop.http.post(path, json={"token": token})
        assert (other.status_code, other.json()["code"]) == (400, "invalid-token"), path
    await admin.execute(
        "UPDATE one_time_token SET expires_at = $1 WHERE user_id = $2",
        clock.now() - timedelta(seconds=1),
        UUID(shop.user["id"]),
    )
    late = await shop.http.post("/v1/auth/reset-password", json={"token": token, "password": NEW})
    assert (late.status_code, late.json()["code"]) == (400, "invalid-token")
    kept = await admin.fetchval("SELECT string_agg(token_hash::text, '') FROM one_time_token")
    assert kept
    assert token not in kept


async def test_an_unknown_address_is_answered_the_same_and_gets_nothing(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection, http: httpx.AsyncClient
) -> None:
    for path in ("/v1/auth/forgot-password", "/v1/auth/verify-email/resend"):
        known = await http.post(path, json={"email": f" {shop.email.upper()} "})
        unknown = await http.post(path, json={"email": f"nadie-{uuid4().hex}@tienda.test"})
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")
        assert set(known.headers) == set(unknown.headers)
    await sink.deliver(database, admin, shop.tenant_id)
    # The first is from signing up.
    assert [mail["To"] for mail in sink.received()] == [shop.email] * 3


async def test_the_time_of_the_answer_tells_nothing(shop: Shop, http: httpx.AsyncClient, settings: Settings) -> None:
    spent: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(8):
        known = turn % 2 == 0
        await forget_tries(settings)
        started = time.perf_counter()
        email = shop.email if known else f"nadie-{turn}@tienda.test"
        assert (await http.post("/v1/auth/forgot-password", json={"email": email})).status_code == 204
        spent[known].append(time.perf_counter() - started)
    known_time, unknown_time = (statistics.median(spent[known]) for known in (True, False))
    assert abs(known_time / unknown_time - 1) < 0.05, spent


async def test_a_mailbox_is_not_filled_by_asking_again_and_again(shop: Shop, http: httpx.AsyncClient) -> None:
    for email in (shop.email, f"nadie-{uuid4().hex}@tienda.test"):
        answers = [await http.post("/v1/auth/forgot-password", json={"email": email}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [204] * 4 + [429]
        assert int(answers[-1].headers["retry-after"]) > 60


async def test_another_address_counts_once_it_was_proven_and_the_old_one_is_told(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    wanted = f"Nueva-{uuid4().hex}@Tienda.test"
    wrong = await shop.post("/v1/me/email", {"email": wanted, "currentPassword": "no es la clave"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong-password")
    asked = await shop.post("/v1/me/email", {"email": wanted, "currentPassword": shop.password})
    assert asked.status_code == 204, asked.text
    await sink.deliver(database, admin, shop.tenant_id)
    (mail,) = sink.received(wanted)
    assert (await shop.get("/v1/me")).json()["user"]["email"] == shop.email
    done = await shop.http.post("/v1/auth/change-email", json={"token": token_in(mail, "cambiar-correo")})
    assert done.status_code == 204, done.text
    user = (await shop.get("/v1/me")).json()["user"]
    assert (user["email"], user["emailVerified"]) == (wanted, True)
    assert (await shop.log_in(email=wanted.lower())).status_code == 200
    assert (await shop.log_in()).status_code == 401
    await sink.deliver(database, admin, shop.tenant_id)
    assert sink.received(shop.email)[-1]["Subject"] == "El correo de su cuenta cambió"


async def test_an_address_of_somebody_else_is_not_told_and_not_taken(
    shop: Shop, other_shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    asked = await shop.post("/v1/me/email", {"email": other_shop.email.upper(), "currentPassword": shop.password})
    assert asked.status_code == 204
    await sink.deliver(database, admin, shop.tenant_id)
    (mail,) = sink.received(other_shop.email.upper())
    assert mail["Subject"] == "Este correo ya tiene cuenta en Mostrador"
    assert "http" not in text_of(mail)


async def test_an_address_taken_meanwhile_is_a_conflict(
    shop: Shop, other_shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    wanted = f"nueva-{uuid4().hex}@tienda.test"
    for each in (shop, other_shop):
        assert (await each.post("/v1/me/email", {"email": wanted, "currentPassword": each.password})).status_code == 204
        await sink.deliver(database, admin, each.tenant_id)
    tokens = [token_in(mail, "cambiar-correo") for mail in sink.received(wanted)]
    answers = [await shop.http.post("/v1/auth/change-email", json={"token": token}) for token in tokens]
    assert [answer.status_code for answer in answers] == [204, 409]
    assert answers[1].json()["code"] == "email-taken"


async def test_a_link_to_an_address_that_was_left_proves_nothing(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    await sink.deliver(database, admin, shop.tenant_id)
    verification = token_in(sink.received(shop.email)[0], "verificar")
    reset = await reset_token(shop, sink, database, admin)
    await admin.execute(
        "UPDATE app_user SET email = $1, email_norm = $1 WHERE id = $2", f"{uuid4().hex}@t.test", UUID(shop.user["id"])
    )
    for path, body in (
        ("/v1/auth/verify-email", {"token": verification}),
        ("/v1/auth/reset-password", {"token": reset, "password": NEW}),
    ):
        answer = await shop.http.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-token"), path


@pytest.mark.parametrize("token", ["", "x", "á" * 30, "A" * 64, "A" * 200])
async def test_what_is_no_token_is_refused(http: httpx.AsyncClient, token: str) -> None:
    for path in ("verify-email", "reset-password", "change-email"):
        body = {"token": token} | ({"password": NEW} if path == "reset-password" else {})
        answer = await http.post(f"/v1/auth/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-token"), path
