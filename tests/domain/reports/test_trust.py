"""Figures of one instant while tills sell, totals of all rows, links that lead where they say, and only what somebody may see now."""

import asyncio
from contextlib import aclosing
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from litestar import Litestar

from app.db.session import Database
from app.domain.reports import cash, live
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import TooMany
from tests.domain.reports.counter import added, report
from tests.domain.tenants.places import company, limit, second_branch
from tests.domain.tenants.test_scope import owner_of
from tests.shop import Shop

BRAND = "Johnson & Johnson #1 + 2 %"


async def sold(shop: Shop, **product: Any) -> dict[str, Any]:
    made = await shop.product(**product)
    answer = await shop.sell(await shop.open_drawer(), [{"productId": made["id"], "quantity": "1"}], "20000")
    assert answer.status_code == 201, answer.text
    return made


async def actor_of(shop: Shop, database: Database, admin: Any, *permissions: str) -> Actor:
    session = "SELECT id FROM auth_session WHERE user_id = $1"
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        return msgspec.structs.replace(
            work.actor,
            user_id=UUID(shop.user["id"]),
            session_id=await admin.fetchval(session, UUID(shop.user["id"])),
            permissions=frozenset(permissions),
        )


async def test_a_dashboard_is_of_one_instant_while_tills_sell(shop: Shop) -> None:
    product, session = await shop.product(stock="20000"), await shop.open_drawer()
    done = asyncio.Event()

    async def sell() -> None:
        while not done.is_set():
            answer = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
            assert answer.status_code == 201, answer.text

    tills = [asyncio.create_task(sell()) for _ in range(2)]
    totals = set()
    for _ in range(20):
        body = (await shop.get("/v1/reports/dashboard")).json()
        total = Decimal(body["today"]["figures"]["total"])
        assert sum(Decimal(one["total"]) for one in body["tenders"]) == total
        assert sum(Decimal(one["total"]) for one in body["topProducts"]) == total
        assert sum(Decimal(value) for value in body["series"][0]["values"]) == total
        totals.add(total)
    done.set()
    await asyncio.gather(*tills)
    assert len(totals) > 3, "nothing was sold between looks"


async def test_a_link_leads_to_its_documents_whatever_a_brand_is_called(shop: Shop) -> None:
    await sold(shop, brand=BRAND)
    row = (await report(shop, "sales", by="brand"))["items"][0]
    behind = await shop.http.get(row["link"], headers=shop.headers)
    assert added(behind.json()) == Decimal(row["total"]) == 11900


@pytest.mark.parametrize("what", ["brand=X", "taxClass=iva19", "taxRate=0.19", "ownCategoryId=none", "productId"])
async def test_a_tender_and_goods_together_are_refused(shop: Shop, what: str) -> None:
    product = await sold(shop)
    asked = f"productId={product['id']}" if what == "productId" else what
    answer = await shop.http.get(f"/v1/reports/sales/documents?method=cash&{asked}", headers=shop.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "filter-not-possible")
    assert answer.json()["errors"][0]["pointer"] == "/method"


async def test_totals_of_cash_are_of_all_rows_also_of_those_left_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await shop.product()
    for counted in ("111900", "111800"):
        session = await shop.open_drawer()
        assert (await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")).status_code == 201
        closed = await shop.post(
            f"/v1/cash/sessions/{session}/close", {"counted": [{"method": "cash", "amount": counted}]}
        )
        assert closed.status_code in (200, 201), closed.text
    whole = await report(shop, "cash")
    assert whole["totals"]["counted"] == "223700.00"
    monkeypatch.setattr(cash, "MAX_ROWS", 1)
    cut = await report(shop, "cash")
    assert cut["hasMore"]
    assert len(cut["items"]) == 1
    assert cut["totals"] == whole["totals"]


async def test_a_file_is_out_of_sight_for_whoever_may_no_longer_see_what_it_holds(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    here = (await company(shop))["branches"][0]["id"]
    place, _, _ = await second_branch(shop)
    person = await owner_of(shop, admin, app)
    today = str(clock.business_day(clock.now(), "America/Bogota"))
    body = {"report": "lines", "format": "csv", "from": today, "to": today}
    everywhere = (await person.post("/v1/reports/exports", body)).json()["id"]
    await limit(database, admin, person, [here, place["id"]])
    both = (await person.post("/v1/reports/exports", body)).json()["id"]
    await limit(database, admin, person, [here])
    mine = (await person.post("/v1/reports/exports", body)).json()["id"]
    assert [one["id"] for one in (await person.get("/v1/reports/exports")).json()["items"]] == [mine]
    for gone in (everywhere, both):
        assert (await person.get(f"/v1/reports/exports/{gone}")).status_code == 404
        assert (await shop.get(f"/v1/reports/exports/{gone}")).status_code == 200
    await admin.execute(
        "UPDATE membership SET role = 'cashier', permissions = NULL WHERE user_id = $1", UUID(person.user["id"])
    )
    assert (await person.get(f"/v1/reports/exports/{mine}")).status_code in (403, 404)


async def test_live_figures_show_what_the_person_may_see_at_each_look(
    shop: Shop, app: Litestar, database: Database, admin: asyncpg.Connection
) -> None:
    await sold(shop)
    place, _, _ = await second_branch(shop)
    person = await owner_of(shop, admin, app)
    actor = await actor_of(person, database, admin, "reports:read", "costs:read")
    async with aclosing(live.events(database, actor, 60, every=0.01)) as stream:
        await anext(stream)
        assert b'"total":"11900.00"' in await anext(stream)
        await limit(database, admin, person, [place["id"]])
        while not (following := await anext(stream)).startswith(b"event"):
            pass
    assert b"11900" not in following


async def test_one_person_keeps_a_few_streams_open_and_no_more(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    actor = await actor_of(shop, database, admin, "reports:read")
    streams = [live.events(database, actor, 60) for _ in range(live.MOST)]
    for stream in streams:
        live.check_streams(actor)
        await anext(stream)
    with pytest.raises(TooMany):
        live.check_streams(actor)
    answer = await shop.get("/v1/reports/live")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    await streams[0].aclose()
    assert (await shop.get("/v1/reports/live")).status_code == 200
    for stream in streams:
        await stream.aclose()
    assert not live._open


async def test_what_is_not_sold_any_more_is_not_to_be_ordered(shop: Shop) -> None:
    product = await shop.product(stock="1", minStock="5")

    async def wanted() -> list[str]:
        body = (await shop.get("/v1/reports/indicators")).json()
        return [item["id"] for one in body["items"] if one["code"] == "reorder" for item in one["items"]]

    assert await wanted() == [product["id"]]
    assert (await shop.post(f"/v1/products/{product['id']}/retire")).status_code == 200
    assert await wanted() == []
