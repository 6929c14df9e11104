"""What the operator watches over all companies: full plans, DIAN's queues; and correcting a company, a trial that goes on."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.domain.tenants.lifecycle import end_trial
from app.lib import clock
from app.lib.nit import check_digit
from tests.shop import Shop, sign_up
from tests.staff import StaffPerson, staff


@pytest.fixture
async def boss(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    return await staff(http, database)


async def all_of(person: StaffPerson, path: str, **params: object) -> list[dict[str, object]]:
    """Every page of a list, three at a time."""
    items: list[dict[str, object]] = []
    cursor: dict[str, object] = {}
    while True:
        page = await person.get(path, limit=3, **params, **cursor)
        assert page.status_code == 200, page.text
        items += page.json()["items"]
        if page.json()["nextCursor"] is None:
            return items
        cursor = {"cursor": page.json()["nextCursor"]}


async def test_full_plans_come_first_and_each_once(
    boss: StaffPerson, http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    shops = [await sign_up(http) for _ in range(4)]
    limits = await admin.fetchval("SELECT (limits ->> 'registers')::int FROM plan WHERE code = 'pro'")
    assert limits is not None
    for used, shop in zip((limits, limits * 3, 1, limits), shops, strict=True):
        await admin.execute(
            "UPDATE tenant_usage SET used = $2 WHERE tenant_id = $1 AND resource = 'registers'",
            UUID(shop.tenant_id),
            used,
        )
    seen = await all_of(boss, "/v1/provider/usage", atLeast=90)
    keys = [(one["tenantId"], one["resource"]) for one in seen]
    assert len(keys) == len(set(keys))
    shares = [float(str(one["share"])) for one in seen]
    assert shares == sorted(shares, reverse=True)
    mine = {one["tenantId"]: one for one in seen if one["resource"] == "registers"}
    assert mine[shops[1].tenant_id]["share"] == "300.00"
    assert (mine[shops[0].tenant_id]["used"], mine[shops[0].tenant_id]["limit"]) == (limits, limits)
    assert shops[2].tenant_id not in mine
    assert shops[2].tenant_id in {one["tenantId"] for one in await all_of(boss, "/v1/provider/usage", atLeast=1)}
    await admin.execute("UPDATE tenant_usage SET used = 1 WHERE resource = 'registers'")
    for wrong in ({"atLeast": 0}, {"cursor": "x"}, {"cursor": "WzFd"}):
        assert (await boss.get("/v1/provider/usage", **wrong)).status_code == 400


async def test_dians_queues_of_all_companies(
    boss: StaffPerson, http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    silent, quiet = await sign_up(http), await sign_up(http)
    now = clock.now()
    await admin.execute(
        "INSERT INTO dian_circuit (tenant_id, failures, failing_since, last_error) VALUES ($1, 9, $2, 'no contesta')",
        UUID(silent.tenant_id),
        now - timedelta(hours=2),
    )
    page = (await boss.get("/v1/provider/dian/queues", limit=200)).json()
    mine = next(one for one in page["items"] if one["tenantId"] == silent.tenant_id)
    assert (mine["lastError"], mine["pending"], mine["name"]) == ("no contesta", 0, "Tienda de Prueba")
    assert quiet.tenant_id not in {one["tenantId"] for one in page["items"]}
    assert page["totals"]["silent"] >= 1
    assert page["totals"]["companies"] == len(await all_of(boss, "/v1/provider/dian/queues"))
    for name in ("pending", "signed", "sent", "unknown", "rejected"):
        assert page["totals"][name] == sum(one[name] for one in page["items"])


async def test_a_company_is_corrected_by_the_operator_and_both_trails_know(
    boss: StaffPerson, shop: Shop, admin: asyncpg.Connection
) -> None:
    path, nit = f"/v1/provider/tenants/{shop.tenant_id}", str(900_000_000 + uuid4().int % 99_999_999)
    before = await boss.get(path)
    body = {"name": "Nombre bueno S.A.S.", "nit": f"{nit}-{check_digit(nit)}", "email": "bueno@tienda.test"}
    stale = await boss.http.patch(path, json=body, headers=boss.headers | {"If-Match": '"otra"'})
    assert stale.status_code == 412
    headers = boss.headers | {"If-Match": before.headers["etag"]}
    changed = await boss.http.patch(path, json=body, headers=headers)
    assert (changed.status_code, changed.json()["name"], changed.json()["nit"]) == (200, body["name"], nit), (
        changed.text
    )
    assert (await shop.get("/v1/company")).json()["email"] == body["email"]
    noted = (await boss.get("/v1/provider/trail", tenantId=shop.tenant_id)).json()["items"]
    assert (noted[0]["action"], noted[0]["after"]) == ("company.changed", {"fields": ["email", "name", "nit"]})
    told = (await shop.get("/v1/audit/entries", action="company.nit-changed")).json()["items"]
    assert [one["actor"]["role"] for one in told] == ["provider"]
    for wrong, status, code in (
        ({"nit": f"{nit}-{(int(check_digit(nit)) + 1) % 10}"}, 422, "invalid-nit"),
        ({"name": "  "}, 400, "malformed"),
        ({"email": "no es"}, 400, "malformed"),
        ({"plan": "enterprise"}, 400, "malformed"),
    ):
        answer = await boss.patch(path, wrong)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    helper = await boss.get("/v1/provider/trail", tenantId=shop.tenant_id)
    assert len(helper.json()["items"]) == 1


async def test_a_trial_that_is_over_goes_on_when_the_operator_says_so(
    boss: StaffPerson, shop: Shop, database: Database
) -> None:
    clock.stand_at(clock.now() + timedelta(days=60))
    try:
        person = await staff(boss.http, database)
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            assert await end_trial(work)
        until = clock.now() + timedelta(days=10)
        path = f"/v1/provider/subscriptions/{shop.tenant_id}/extend-trial"
        gone = await person.post(path, {"until": (clock.now() - timedelta(days=1)).isoformat(), "reason": "x"})
        assert gone.status_code in {409, 422}
        longer = await person.post(path, {"until": until.isoformat(), "reason": "lo pidió"})
        assert (longer.status_code, longer.json()["subscription"]["status"]) == (200, "trialing"), longer.text
        company = (await person.get(f"/v1/provider/tenants/{shop.tenant_id}")).json()
        assert (company["status"], company["history"][0]["reason"]) == ("trial", "lo pidió")
        assert [step["toState"] for step in longer.json()["timeline"]] == ["trialing", "read_only"]
    finally:
        clock.stand_at(None)
