"""Modules: a plan's, switched for one company, with an end; asked by the gate of every route that names one."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from app.db.session import Database
from app.domain.tenants.models import TenantModule
from app.domain.tenants.plans import add_up, change_plan, refresh_plan, switch_module
from app.lib import clock
from app.lib.access import Requires, requires
from app.lib.errors import RuleBroken
from app.lib.modules import MODULES, Span, active, is_on
from tests.contract.cases import CASES
from tests.contract.routes import routes_of
from tests.domain.inventory.shelf import refusal
from tests.shop import Shop, sign_up


async def switch(database: Database, shop: Shop, module: str, **how: Any) -> None:
    wanted: dict[str, Any] = {"is_on": True, "reason": "prueba"} | how
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await switch_module(work, module, **wanted)


async def modules(shop: Shop) -> list[str]:
    found: list[str] = (await shop.get("/v1/me")).json()["modules"]
    return found


async def test_a_module_off_closes_its_routes_for_reading_too(shop: Shop, database: Database) -> None:
    assert "imports" in await modules(shop)
    assert (await shop.get("/v1/imports")).status_code == 200
    await switch(database, shop, "imports", is_on=False)
    for path in ("/v1/imports", "/v1/imports/products/template"):
        answer = await shop.get(path)
        assert refusal(answer) == (403, "module-not-included")
        assert answer.json()["module"] == "imports"
    assert "imports" not in await modules(shop)
    assert (await shop.get("/v1/products")).status_code == 200
    await switch(database, shop, "imports", is_on=True)
    assert (await shop.get("/v1/imports")).status_code == 200


async def test_a_module_lent_until_an_instant_ends_at_it(
    app: Litestar, http: httpx.AsyncClient, database: Database
) -> None:
    shop = await sign_up(http, plan="free")
    assert await modules(shop) == ["core", "imports", "invoicing"]
    await switch(database, shop, "api", expires_at=clock.now() + timedelta(days=3))
    assert await modules(shop) == ["core", "imports", "api", "invoicing"]
    notices = (await shop.get("/v1/company/notices")).json()["items"]
    assert "module-ending" in {item["code"] for item in notices}
    later = clock.now() + timedelta(days=3, seconds=1)
    token = app.state.tokens.issue(
        user_id=UUID(shop.user["id"]),
        tenant_id=UUID(shop.tenant_id),
        session_id=app.state.tokens.read(shop.token).session_id,
        at=later,
    )
    clock.stand_at(later)
    try:
        me = await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    finally:
        clock.stand_at(None)
    assert me.json()["modules"] == ["core", "imports", "invoicing"]


NOW = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
LATER = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("plan", "switch_is", "expires_at", "span", "on_now", "on_later"),
    [
        (True, None, None, Span(), True, True),
        (False, None, None, None, False, False),
        (False, True, None, Span(), True, True),
        (False, True, LATER, Span(until=LATER), True, False),
        (True, True, LATER, Span(), True, True),
        (True, False, None, None, False, False),
        (True, False, LATER, Span(since=LATER), False, True),
        (False, False, LATER, None, False, False),
    ],
    ids=[
        "plan",
        "no plan",
        "given",
        "lent",
        "lent though planned",
        "taken",
        "taken for a while",
        "taken though unplanned",
    ],
)
def test_plan_and_switch_add_up(
    *, plan: bool, switch_is: bool | None, expires_at: datetime | None, span: Span | None, on_now: bool, on_later: bool
) -> None:
    switches = [] if switch_is is None else [TenantModule(module="api", is_on=switch_is, expires_at=expires_at)]
    spans = add_up(["api"] if plan else [], switches)
    assert spans.get("api") == span
    assert (is_on(spans, "api", NOW), is_on(spans, "api", LATER)) == (on_now, on_later)
    assert is_on(spans, "core", NOW)
    assert "core" in active(spans, NOW)


@pytest.mark.parametrize(
    ("module", "how"),
    [
        ("core", {"is_on": False}),
        ("invented", {}),
        ("api", {"reason": " "}),
        ("api", {"expires_at": NOW - timedelta(days=400)}),
    ],
    ids=["the counter", "unknown", "no reason", "gone by"],
)
async def test_a_switch_that_makes_no_sense_is_refused(
    shop: Shop, database: Database, module: str, how: dict[str, Any]
) -> None:
    before = await modules(shop)
    with pytest.raises(RuleBroken):
        await switch(database, shop, module, **how)
    assert await modules(shop) == before


async def test_another_plan_brings_its_modules_and_keeps_what_was_switched(shop: Shop, database: Database) -> None:
    await switch(database, shop, "imports", is_on=False)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await change_plan(work, "free", "cambio")
    assert await modules(shop) == ["core", "invoicing"]
    entries = (await shop.get("/v1/audit/entries", subjectId=shop.tenant_id)).json()["items"]
    assert {"company.plan-changed", "company.module-switched"} <= {entry["action"] for entry in entries}


async def test_a_plan_sold_otherwise_reaches_its_companies_at_night(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "INSERT INTO plan (code, name, position, modules, limits) VALUES ('cambiante', 'Cambiante', 9, '[]', '{}') "
        "ON CONFLICT DO NOTHING"
    )
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await change_plan(work, "cambiante", "prueba")
    assert await modules(shop) == ["core"]
    await admin.execute("UPDATE plan SET modules = '[\"api\"]', requests_per_minute = 600 WHERE code = 'cambiante'")
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await refresh_plan(work) is True
        assert await refresh_plan(work) is False
    assert await modules(shop) == ["core", "api"]
    assert (
        await admin.fetchval("SELECT requests_per_minute FROM tenant WHERE tenant_id = $1", UUID(shop.tenant_id)) == 600
    )


def test_every_route_names_one_permission_and_a_known_module(app: Litestar) -> None:
    handlers = routes_of(app)
    for route in CASES:
        (guard,) = [guard for guard in handlers[route].resolve_guards() if isinstance(guard, Requires)]
        assert guard.access.module in MODULES, route
    for module, prefixes in (
        ("imports", ("/v1/imports",)),
        ("transfers", ("/v1/inventory/transfers", "/v1/inventory/counts")),
    ):
        assert {
            route
            for route in CASES
            for guard in handlers[route].resolve_guards()
            if isinstance(guard, Requires) and guard.access.module == module
        } == {route for route in CASES if route[1].startswith(prefixes)}, module


def test_a_module_nobody_knows_stops_the_start() -> None:
    with pytest.raises(ValueError, match="magic"):
        requires("products:read", module="magic")
    with pytest.raises(ValueError, match="fast lane"):
        requires("products:read", module="api", lane=True)
