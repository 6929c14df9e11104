"""One's own password: changed, not repeated, forced to change, hashed as today's parameters say."""

from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest
from argon2 import PasswordHasher

from app.db.session import Database
from app.domain.accounts.passwords import require_password_change
from app.lib.errors import NotFound
from app.lib.passwords import POLICY_SINCE, is_outdated
from app.settings import Settings
from tests.domain.accounts.people import bearer, join
from tests.shop import Shop, forget_tries
from tests.sink import Sink

NEW = "otra clave larga y propia"


async def test_a_changed_password_ends_every_other_session_and_is_told(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    other = bearer(await shop.log_in())
    done = await shop.post("/v1/me/password", {"currentPassword": shop.password, "password": NEW})
    assert done.status_code == 204, done.text
    assert (await shop.get("/v1/me")).status_code == 200
    assert (await shop.http.get("/v1/me", headers=other)).json()["code"] == "session-ended"
    assert (await shop.log_in()).status_code == 401
    assert (await shop.log_in(password=NEW)).status_code == 200
    await sink.deliver(database, admin, shop.tenant_id)
    assert sink.received(shop.email)[-1]["Subject"] == "Su contraseña cambió"
    trail = await shop.get("/v1/audit/entries", subjectId=shop.user["id"])
    assert "user.password-changed" in trail.text
    assert NEW not in trail.text


@pytest.mark.parametrize(
    "password", ["corta", "password1234", "TiendaDePrueba 1", "una clave larga y propia"], ids=lambda word: word[:8]
)
async def test_a_weak_or_former_password_is_refused_and_changes_nothing(shop: Shop, password: str) -> None:
    refused = await shop.post("/v1/me/password", {"currentPassword": shop.password, "password": password})
    assert (refused.status_code, refused.json()["code"]) == (422, "weak-password")
    assert refused.json()["errors"][0]["pointer"] == "/password"
    assert (await shop.log_in()).status_code == 200


async def test_the_last_five_passwords_are_not_chosen_again(shop: Shop, settings: Settings) -> None:
    used = [shop.password, *(f"clave larga numero {n} azul" for n in range(5))]
    for before, after in pairwise(used):
        answer = await shop.post("/v1/me/password", {"currentPassword": before, "password": after})
        assert answer.status_code == 204, answer.text
    await forget_tries(settings)
    for again in used[1:]:
        answer = await shop.post("/v1/me/password", {"currentPassword": used[-1], "password": again})
        assert answer.json()["errors"][0]["code"] == "password-reused", again
    oldest = await shop.post("/v1/me/password", {"currentPassword": used[-1], "password": used[0]})
    assert oldest.status_code == 204, oldest.text


async def test_a_wrong_current_password_is_refused_and_counted_like_a_login(shop: Shop) -> None:
    body = {"currentPassword": "no es la clave", "password": NEW}
    answers = [await shop.post("/v1/me/password", body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert answers[0].json()["errors"][0]["pointer"] == "/currentPassword"


async def test_whoever_must_change_the_password_may_do_nothing_else(
    shop: Shop, other_shop: Shop, database: Database
) -> None:
    await join(database, other_shop, shop)
    person = UUID(other_shop.user["id"])
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await require_password_change(work, person)
    for path in ("/v1/products", "/v1/products?barcode=1", "/v1/company", "/v1/me/sessions", "/v1/me/totp"):
        refused = await other_shop.get(path)
        assert (refused.status_code, refused.json()["code"]) == (403, "password-change-required"), path
    switched = await other_shop.http.post(
        "/v1/auth/switch", json={"tenantId": shop.tenant_id}, headers=other_shop.headers
    )
    assert (switched.status_code, switched.json()["code"]) == (403, "password-change-required")
    assert (await other_shop.get("/v1/me")).json()["user"]["passwordChangeRequired"] is True
    again = await other_shop.log_in()
    assert again.json()["user"]["passwordChangeRequired"] is True
    assert (await other_shop.http.get("/v1/products", headers=bearer(again))).status_code == 403
    done = await other_shop.post("/v1/me/password", {"currentPassword": other_shop.password, "password": NEW})
    assert done.status_code == 204, done.text
    assert (await other_shop.get("/v1/products")).status_code == 200
    trail = await shop.get("/v1/audit/entries", subjectId=str(person))
    assert "member.password-change-required" in trail.text


async def test_only_a_members_password_change_can_be_required(shop: Shop, other_shop: Shop, database: Database) -> None:
    with pytest.raises(NotFound):
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await require_password_change(work, UUID(other_shop.user["id"]))
    assert (await other_shop.get("/v1/products")).status_code == 200


async def test_logging_in_brings_an_old_hash_up_to_todays_parameters(shop: Shop, admin: asyncpg.Connection) -> None:
    person = UUID(shop.user["id"])
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(shop.password)
    await admin.execute("UPDATE app_user SET password_hash = $1 WHERE id = $2", old, person)
    assert (await shop.log_in(password="no es la clave")).status_code == 401
    assert await admin.fetchval("SELECT password_hash FROM app_user WHERE id = $1", person) == old
    assert (await shop.log_in()).status_code == 200
    new = await admin.fetchval("SELECT password_hash FROM app_user WHERE id = $1", person)
    assert new is not None
    assert not is_outdated(new)
    assert (await shop.log_in()).status_code == 200


async def test_a_password_that_is_on_a_list_by_now_must_be_changed(shop: Shop, admin: asyncpg.Connection) -> None:
    leaked = "q1w2e3r4t5y6"
    await admin.execute(
        "UPDATE app_user SET password_hash = $1, created_at = $2 WHERE id = $3",
        PasswordHasher().hash(leaked),
        POLICY_SINCE - timedelta(days=1),
        UUID(shop.user["id"]),
    )
    answer = await shop.log_in(password=leaked)
    assert answer.json()["user"]["passwordChangeRequired"] is True
    refused = await shop.http.get("/v1/products", headers=bearer(answer))
    assert refused.json()["code"] == "password-change-required"
