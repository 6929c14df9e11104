"""A person's sample company, over HTTP and with real workers."""

import asyncio
import os
import signal
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from app.domain.sample.goods import GOODS
from app.domain.sample.service import DAYS, MOST_A_DAY
from app.lib import clock
from tests.domain.sample.estate import PATIENT, Estate
from tests.shop import Shop, sign_up
from tests.worker.house import eventually


async def _books_are_clean(inside: Shop) -> None:
    books = (await inside.get("/v1/audit/reconciliation")).json()
    assert books["isClean"], books["differences"]
    drawers = (await inside.get("/v1/cash/sessions", limit=200)).json()["items"]
    assert {each["status"] for each in drawers} == {"closed"}
    assert {each["difference"] for each in drawers} == {"0.00"}


async def test_a_person_looks_around_in_a_sample_of_their_own(estate: Estate, short_history: int) -> None:
    shop = await sign_up(estate.http)
    assert (await shop.get("/v1/demo")).json()["code"] == "no-sample"
    asked = await shop.post("/v1/demo")
    assert asked.status_code == 202, asked.text
    sample = asked.json()
    assert (sample["status"], sample["progress"], sample["readyAt"]) == ("filling", 0, None)
    assert sample["id"] != shop.tenant_id
    seen: set[int] = set()
    async with estate.house.worker(pace=PATIENT):

        async def ready() -> bool:
            # The history has its own time, and nobody else's moves.
            assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5
            found = (await shop.get("/v1/demo")).json()
            seen.add(found["progress"])
            assert found["status"] != "failed", await estate.last_error()
            return bool(found["status"] == "ready")

        await eventually(ready, 60)
        done = (await shop.get("/v1/demo")).json()
    assert (done["id"], done["progress"]) == (sample["id"], 100)
    assert len(seen) > 2
    again = await shop.post("/v1/demo")
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (202, sample["id"], "ready")

    inside = await estate.switched(shop, sample["id"])
    assert (inside.tenant["isSample"], inside.tenant["isDemo"], inside.tenant["status"]) == (True, False, "active")
    me = (await inside.get("/v1/me")).json()
    assert (me["role"], me["tenant"]["isSample"]) == ("owner", True)
    assert [(one["tenantId"], one["isSample"]) for one in me["memberships"]] == [
        (shop.tenant_id, False),
        (sample["id"], True),
    ]
    assert (await inside.get("/v1/company")).json()["isSample"] is True
    await _books_are_clean(inside)
    sales, cursor = [], None
    while True:
        page = (await inside.get("/v1/sales", limit=200, **({"cursor": cursor} if cursor else {}))).json()
        sales += page["items"]
        if (cursor := page["nextCursor"]) is None:
            break
    days = {date.fromisoformat(sale["businessDay"]) for sale in sales}
    today = clock.business_day(clock.now(), "America/Bogota")
    assert (len(days), (today - max(days)).days) == (short_history, 1)
    assert len((await inside.get("/v1/products", limit=200)).json()["items"]) == len(GOODS)
    assert (await inside.get("/v1/dian/documents")).json()["items"] == []

    # It reaches nobody outside.
    settings = {"environment": "production", "softwareId": str(uuid4()), "isEnabled": True}
    refused = await estate.http.put("/v1/dian/settings", json=settings, headers=inside.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "sample-company"), refused.text
    refused = await inside.post("/v1/invitations", {"email": "x@tienda.test", "name": "X", "role": "cashier"})
    assert (refused.status_code, refused.json()["code"]) == (422, "sample-company"), refused.text
    kinds = await estate.house.admin.fetch("SELECT DISTINCT kind FROM outbox WHERE tenant_id = $1", sample["id"])
    assert {row["kind"] for row in kinds} == {"sample.fill"}
    assert await estate.house.admin.fetchval("SELECT count(*) FROM document WHERE tenant_id = $1", sample["id"]) == 0

    # And the real company is what it was.
    use = (await shop.get("/v1/company/plan")).json()["limits"]
    assert (use["users"]["used"], use["products"]["used"], use["registers"]["used"]) == (1, 0, 1)
    assert (await shop.log_in()).json()["tenant"]["id"] == shop.tenant_id
    devices = (await shop.get("/v1/me/sessions")).json()["items"]
    assert "Empresa de muestra" not in {each["agent"] for each in devices}


async def test_clicks_at_once_make_one_company(estate: Estate) -> None:
    shop = await sign_up(estate.http)
    answers = await asyncio.gather(*(shop.post("/v1/demo") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await estate.house.admin.fetchval("SELECT count(*) FROM tenant WHERE is_sample") == 1
    assert await estate.house.admin.fetchval("SELECT count(*) FROM outbox WHERE kind = 'sample.fill'") == 1
    first = await shop.post("/v1/demo", key="una")
    replayed = await shop.post("/v1/demo", key="una")
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert replayed.json() == first.json()


async def test_a_worker_killed_in_the_middle_is_followed_by_another(estate: Estate, tmp_path: Path) -> None:
    shop = await sign_up(estate.http)
    tenant_id = (await shop.post("/v1/demo")).json()["id"]
    environ = tmp_path / "environ.json"
    environ.write_bytes(msgspec.json.encode(estate.house.environ))
    victim = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.domain.sample.victim", str(environ))
    try:
        await estate.until_days(tenant_id, 4)
    finally:
        os.kill(victim.pid, signal.SIGKILL)
        await victim.wait()
    begun, sold = await estate.days(tenant_id), await estate.sales(tenant_id)
    assert (begun < DAYS, sold > 0) == (True, True)
    assert await estate.status(shop) == "filling"
    await estate.lose_worker(tenant_id)
    async with estate.house.worker(pace=PATIENT):
        await estate.until_ready(shop)
        await estate.until_done(tenant_id)
    assert (await estate.job(tenant_id))["attempts"] == 2
    assert await estate.sales(tenant_id) > sold
    inside = await estate.switched(shop, tenant_id)
    await _books_are_clean(inside)
    days = await estate.house.admin.fetch("SELECT DISTINCT business_day FROM sale WHERE tenant_id = $1", tenant_id)
    assert DAYS - 1 <= len(days) <= DAYS
    assert len((await inside.get("/v1/products", limit=200)).json()["items"]) == len(GOODS)


async def test_of_two_runs_the_later_one_writes(estate: Estate, short_history: int) -> None:
    shop = await sign_up(estate.http)
    tenant_id = (await shop.post("/v1/demo")).json()["id"]
    async with estate.house.worker(pace=PATIENT):
        await estate.until_days(tenant_id, 2)
        # As after a worker that was frozen for longer than its job may take.
        await estate.lose_worker(tenant_id)
        await estate.until_ready(shop)
        await estate.until_done(tenant_id)
    assert (await estate.job(tenant_id))["attempts"] == 2
    inside = await estate.switched(shop, tenant_id)
    await _books_are_clean(inside)
    sessions = await estate.house.admin.fetchrow(
        "SELECT count(*) AS made, count(*) FILTER (WHERE revoked_at IS NULL) AS live FROM auth_session "
        "WHERE tenant_id = $1 AND agent = 'Empresa de muestra'",
        tenant_id,
    )
    assert (sessions["made"], sessions["live"]) == (2, 0)
    numbers = await estate.house.admin.fetch("SELECT sequence FROM sale WHERE tenant_id = $1 ORDER BY 1", tenant_id)
    assert [row["sequence"] for row in numbers] == list(range(1, len(numbers) + 1))


async def test_a_sample_deleted_while_it_fills_is_gone_and_another_can_be_had(
    estate: Estate, short_history: int
) -> None:
    shop = await sign_up(estate.http)
    first = (await shop.post("/v1/demo")).json()["id"]
    inside = await estate.switched(shop, first)
    async with estate.house.worker(pace=PATIENT):
        await estate.until_days(first, 2)
        for _ in range(2):
            gone = await shop.delete("/v1/demo")
            assert gone.status_code == 204, gone.text
        sold = await estate.sales(first)
        assert (await shop.get("/v1/demo")).status_code == 404
        assert (await inside.get("/v1/me")).json()["code"] == "session-ended"
        refused = await shop.http.post("/v1/auth/switch", json={"tenantId": first}, headers=shop.headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown-reference")
        await estate.until_done(first)
        assert (await estate.job(first))["attempts"] == 1
        second = (await shop.post("/v1/demo")).json()["id"]
        assert second != first
        await estate.until_ready(shop)
    assert await estate.sales(first) == sold
    row = await estate.house.admin.fetchrow(
        "SELECT t.status, u.used FROM tenant t JOIN tenant_usage u USING (tenant_id) "
        "WHERE tenant_id = $1 AND u.resource = 'users'",
        first,
    )
    assert tuple(row) == ("closed", 0)


async def test_one_that_failed_says_so_until_it_is_deleted(estate: Estate) -> None:
    shop = await sign_up(estate.http)
    first = (await shop.post("/v1/demo")).json()["id"]
    await estate.house.admin.execute("UPDATE outbox SET status = 'dead' WHERE tenant_id = $1", first)
    assert await estate.status(shop) == "failed"
    again = (await shop.post("/v1/demo")).json()
    assert (again["id"], again["status"]) == (first, "failed")
    assert (await shop.delete("/v1/demo")).status_code == 204
    another = (await shop.post("/v1/demo")).json()
    assert (another["id"] != first, another["status"]) == (True, "filling")


async def test_from_inside_the_sample_it_is_closed_as_well(estate: Estate) -> None:
    shop = await sign_up(estate.http)
    tenant_id = (await shop.post("/v1/demo")).json()["id"]
    inside = await estate.switched(shop, tenant_id)
    assert (await inside.post("/v1/demo")).json()["id"] == tenant_id
    assert (await inside.delete("/v1/demo")).status_code == 204
    assert (await inside.get("/v1/me")).status_code == 401
    assert (await shop.get("/v1/me")).status_code == 200


async def test_a_stranger_has_a_sample_of_their_own_and_sees_no_other(estate: Estate) -> None:
    shop, stranger = await sign_up(estate.http), await sign_up(estate.http)
    tenant_id = (await shop.post("/v1/demo")).json()["id"]
    assert (await stranger.get("/v1/demo")).status_code == 404
    assert (await stranger.delete("/v1/demo")).status_code == 204
    refused = await stranger.http.post("/v1/auth/switch", json={"tenantId": tenant_id}, headers=stranger.headers)
    assert refused.status_code == 422
    assert (await stranger.post("/v1/demo")).json()["id"] != tenant_id
    assert (await shop.get("/v1/demo")).json()["id"] == tenant_id
    nobody = await estate.http.post("/v1/demo")
    assert nobody.status_code == 401


async def test_the_books_of_closed_samples_are_kept_so_nobody_asks_for_many(estate: Estate) -> None:
    shop = await sign_up(estate.http)
    for _ in range(MOST_A_DAY):
        assert (await shop.post("/v1/demo")).status_code == 202
        assert (await shop.delete("/v1/demo")).status_code == 204
    refused = await shop.post("/v1/demo")
    assert (refused.status_code, refused.json()["code"]) == (422, "too-many-samples")
    assert (await shop.get("/v1/demo")).status_code == 404
    assert await estate.house.admin.fetchval("SELECT count(*) FROM tenant WHERE is_sample") == MOST_A_DAY


@pytest.mark.parametrize("status", ["read-only", "suspended"])
async def test_whatever_the_state_of_the_real_company(estate: Estate, status: str) -> None:
    from app.db.session import system_actor
    from app.domain.tenants.lifecycle import move
    from app.domain.tenants.models import TenantStatus

    shop = await sign_up(estate.http)
    async with estate.house.database.tenant_transaction(system_actor(UUID(shop.tenant["id"]))) as work:
        await move(work, TenantStatus(status), "prueba")
    assert (await shop.post("/v1/demo")).status_code == 202
