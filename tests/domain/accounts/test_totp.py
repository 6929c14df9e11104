"""Second factors: enrolled, asked for, good once, compulsory where the company says so."""

import asyncio
import os
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.db.session import Database
from app.domain.accounts.totp import SecondFactor
from app.lib import clock
from app.settings import Settings
from tests.domain.accounts.people import bearer, join
from tests.shop import Shop, code_now, forget_tries
from tests.sink import Sink


async def test_a_second_factor_is_asked_for_once_it_was_confirmed(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    other = bearer(await shop.log_in())
    secret = await shop.begin_totp()
    assert (await shop.log_in()).status_code == 200, "not confirmed yet"
    wrong = await shop.post("/v1/me/totp/confirm", {"code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "totp-invalid")
    done = await shop.post("/v1/me/totp/confirm", {"code": code_now(secret)})
    assert done.status_code == 200, done.text
    assert len(set(done.json()["recoveryCodes"])) == 10
    assert (await shop.http.get("/v1/me", headers=other)).json()["code"] == "session-ended"
    me = await shop.get("/v1/me")
    assert me.json()["user"]["totpEnabled"] is True

    asked = await shop.log_in()
    assert (asked.status_code, asked.json()["code"]) == (401, "totp-required")
    wrong = await shop.log_in(totp="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "totp-invalid")
    blind = await shop.log_in(password="no es la clave", totp=code_now(secret, 1))
    assert blind.json()["code"] == "wrong-credentials"
    assert (await shop.log_in(totp=code_now(secret, 1))).status_code == 200
    await sink.deliver(database, admin, shop.tenant_id)
    assert sink.received(shop.email)[-1]["Subject"] == "Segundo factor activado"
    kept = await admin.fetchval("SELECT sealed FROM totp_factor WHERE user_id = $1", UUID(shop.user["id"]))
    assert kept
    assert secret.encode() not in kept


async def test_a_code_counts_once_and_an_older_one_not_at_all(shop: Shop) -> None:
    secret, _ = await shop.enable_totp()
    assert (await shop.log_in(totp=code_now(secret))).json()["code"] == "totp-invalid", "it confirmed the enrolment"
    later = code_now(secret, 1)
    assert (await shop.log_in(totp=later)).status_code == 200
    for used in (later, code_now(secret), code_now(secret, -1), code_now(secret, 5)):
        assert (await shop.log_in(totp=used)).json()["code"] == "totp-invalid"


async def test_of_two_logins_with_one_code_one_is_let_in(shop: Shop, settings: Settings) -> None:
    secret, codes = await shop.enable_totp()
    for code in (code_now(secret, 1), codes[0]):
        await forget_tries(settings)
        answers = await asyncio.gather(*(shop.log_in(totp=code) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401], code


@pytest.mark.parametrize("drift", [-1, 0, 1])
async def test_a_clock_half_a_minute_off_is_forgiven(shop: Shop, admin: asyncpg.Connection, drift: int) -> None:
    secret, _ = await shop.enable_totp()
    await admin.execute("UPDATE totp_factor SET last_step = NULL WHERE user_id = $1", UUID(shop.user["id"]))
    standing = clock.now().replace(second=10)
    clock.stand_at(standing)
    try:
        assert (await shop.log_in(totp=code_now(secret, 2))).json()["code"] == "totp-invalid"
        assert (await shop.log_in(totp=code_now(secret, drift))).status_code == 200
    finally:
        clock.stand_at(None)


async def test_a_recovery_code_opens_once_however_it_is_written(shop: Shop) -> None:
    _, codes = await shop.enable_totp()
    assert (await shop.log_in(totp=codes[0].lower().replace("-", " "))).status_code == 200
    assert (await shop.log_in(totp=codes[0])).json()["code"] == "totp-invalid"
    assert (await shop.get("/v1/me/totp")).json() == {"enabled": True, "required": False, "recoveryCodesLeft": 9}
    renewed = await shop.post("/v1/me/totp/recovery-codes", {"currentPassword": shop.password, "code": codes[1]})
    assert renewed.status_code == 200, renewed.text
    assert (await shop.log_in(totp=codes[2])).json()["code"] == "totp-invalid"
    assert (await shop.log_in(totp=renewed.json()["recoveryCodes"][0])).status_code == 200


async def test_it_is_given_up_only_with_the_password_and_a_code(shop: Shop) -> None:
    secret, codes = await shop.enable_totp()
    for body, code in (
        ({"currentPassword": "no es la clave", "code": codes[0]}, "wrong-password"),
        ({"currentPassword": shop.password, "code": "000000"}, "totp-invalid"),
    ):
        refused = await shop.post("/v1/me/totp/disable", body)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await shop.post("/v1/me/totp", {"currentPassword": shop.password})).json()["code"] == "totp-enabled"
    done = await shop.post("/v1/me/totp/disable", {"currentPassword": shop.password, "code": code_now(secret, 1)})
    assert done.status_code == 204, done.text
    assert (await shop.log_in()).status_code == 200
    gone = await shop.post("/v1/me/totp/disable", {"currentPassword": shop.password, "code": codes[0]})
    assert (gone.status_code, gone.json()["code"]) == (409, "totp-not-enabled")


async def test_a_company_that_demands_it_lets_members_without_it_only_enrol(
    shop: Shop, other_shop: Shop, database: Database
) -> None:
    await join(database, other_shop, shop)
    there = bearer(
        await other_shop.http.post("/v1/auth/switch", json={"tenantId": shop.tenant_id}, headers=other_shop.headers)
    )
    assert (await shop.http.get("/v1/products", headers=there)).status_code == 200
    assert (await shop.patch("/v1/company", {"totpRequired": True})).json()["totpRequired"] is True
    for path in ("/v1/products", "/v1/products?barcode=1", "/v1/me/sessions"):
        refused = await shop.http.get(path, headers=there)
        assert (refused.status_code, refused.json()["code"]) == (403, "totp-enrolment-required"), path
    sold = await shop.http.post(
        "/v1/sales",
        json={"sessionId": shop.tenant_id, "lines": [{"productId": shop.tenant_id, "quantity": "1"}], "payments": []},
        headers=there | {"Idempotency-Key": "x"},
    )
    assert (sold.status_code, sold.json()["code"]) == (403, "totp-enrolment-required")
    assert (await other_shop.get("/v1/products")).status_code == 200, "their own company does not ask for it"
    assert (await shop.http.get("/v1/me", headers=there)).status_code == 200
    assert (await shop.http.get("/v1/me/totp", headers=there)).json()["required"] is True
    body = {"currentPassword": other_shop.password}
    begun = await shop.http.post("/v1/me/totp", json=body, headers=there)
    secret = begun.json()["secret"]
    done = await shop.http.post("/v1/me/totp/confirm", json={"code": code_now(secret)}, headers=there)
    assert done.status_code == 200, done.text
    assert (await shop.http.get("/v1/products", headers=there)).status_code == 200


async def test_guesses_at_the_code_end_soon_even_with_the_right_password(shop: Shop, settings: Settings) -> None:
    secret, _ = await shop.enable_totp()
    await forget_tries(settings)
    answers = [await shop.log_in(totp=f"{guess:06}") for guess in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 60
    assert (await shop.log_in(totp=code_now(secret, 1))).status_code == 429


async def test_nothing_of_the_secret_is_kept_for_a_retry(shop: Shop, admin: asyncpg.Connection) -> None:
    key = "the-same-key"
    begun = await shop.post("/v1/me/totp", {"currentPassword": shop.password}, key=key)
    done = await shop.post("/v1/me/totp/confirm", {"code": code_now(begun.json()["secret"])}, key=key)
    assert done.status_code == 200, done.text
    assert await admin.fetchval("SELECT count(*) FROM idempotency WHERE tenant_id = $1", UUID(shop.tenant_id)) == 0


async def test_a_secret_sealed_under_a_former_key_is_sealed_anew_when_it_is_used(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, codes = await shop.enable_totp()
    person = UUID(shop.user["id"])
    turned = msgspec.structs.replace(
        database.settings, secret_key=os.urandom(32), former_secret_keys=(database.settings.secret_key,)
    )
    monkeypatch.setattr(database, "settings", turned)
    async with database.person_transaction(user_id=person) as work:
        assert await SecondFactor(work, person).accept(code_now(secret, 1))
        assert await SecondFactor(work, person).accept(codes[0])
    monkeypatch.setattr(database, "settings", msgspec.structs.replace(turned, former_secret_keys=()))
    async with database.person_transaction(user_id=person) as work:
        assert not await SecondFactor(work, person).accept(code_now(secret, 1)), "it opens, and was used"
