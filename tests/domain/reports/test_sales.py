"""Reports say what tickets say, however they are told apart, folded or not."""

import asyncio
import csv
import io
import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pypdfium2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from sqlalchemy import text

from app.db.session import Database
from app.domain.reports.folding import fold, rebuild
from app.domain.reports.reconcile import differences
from app.lib import clock
from tests.domain.reports.counter import GROUPINGS, added, ago, at, give_back, report
from tests.shop import Shop, sign_up

BOGOTA = ZoneInfo("America/Bogota")


async def folded(database: Database, shop: Shop) -> None:
    more = True
    while more:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            more = await fold(work)


async def wrong(database: Database, shop: Shop) -> list[Any]:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        return list(await differences(work))


async def history(shop: Shop, database: Database, seed: int) -> Decimal:
    """Tickets at random, some taken back or voided, folded now and then; answers the pesos that are left."""
    draw = random.Random(seed)
    category = (await shop.post("/v1/categories", {"name": "Aseo"})).json()["id"]
    goods = [
        await shop.product(price=price, taxClass=tax, categoryId=category if n % 2 else None, brand="Fiel" if n else "")
        for n, (price, tax) in enumerate(
            (("11900", "iva19"), ("3333.33", "iva5"), ("1700", "exempt"), ("999.99", "inc8"))
        )
    ]
    session, left = await shop.open_drawer("900000"), Decimal(0)
    for _ in range(draw.randint(3, 9)):
        lines: list[dict[str, Any]] = [
            {"productId": draw.choice(goods)["id"], "quantity": str(draw.randint(1, 3))}
            for _ in range(draw.randint(1, 3))
        ]
        if draw.random() < 0.3:
            lines[0]["discount"] = "100"
        sold = await shop.sell(session, lines, "200000")
        assert sold.status_code == 201, sold.text
        sale = sold.json()
        left += Decimal(sale["total"])
        what = draw.random()
        if what < 0.25:
            left -= Decimal((await give_back(shop, sale, "1", session))["total"])
        elif what < 0.4:
            assert (await shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})).status_code == 201
            left -= Decimal(sale["total"])
        if draw.random() < 0.3:
            await folded(database, shop)
    return left


async def agree(shop: Shop, database: Database, left: Decimal) -> None:
    """Every report, the dashboard, the documents and the close say the same."""
    today = clock.business_day(clock.now(), "America/Bogota")
    days = {"first": today - timedelta(days=1), "last": today}
    for by in GROUPINGS:
        body = await report(shop, "sales", by=by, **days)
        assert added(body) == Decimal(body["totals"]["total"]) == left, by
        if by != "tender":
            assert added(body, "base") + added(body, "tax") == left, by
    taxes = await report(shop, "taxes", **days)
    assert added(taxes) == added(await report(shop, "tax-documents", **days)) == left
    documents = await report(shop, "sales/documents", limit=200, **days)
    assert added(documents) == left
    dashboard = (await shop.get("/v1/reports/dashboard")).json()
    assert Decimal(dashboard["month"]["figures"]["total"]) == left
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert left == await work.session.scalar(
            text(
                "SELECT coalesce((SELECT sum(total) FROM sale), 0) - coalesce((SELECT sum(total) FROM sale_return), 0)"
            )
        )
    books = await report(shop, "accounting", **days)
    assert books["totals"]["debit"] == books["totals"]["credit"]
    inventory = await report(shop, "inventory")
    assert inventory["totals"]["value"] == (await shop.get("/v1/inventory/valuation")).json()["total"]
    kardex = [await report(shop, f"products/{item['productId']}/kardex") for item in inventory["items"]]
    assert sum(Decimal(one["items"][-1]["balanceValue"]) for one in kardex) == Decimal(inventory["totals"]["value"])
    assert await wrong(database, shop) == []
    for item in (await report(shop, "sales", by="product", **days))["items"]:
        behind = await shop.http.get(f"{item['link']}&limit=200", headers=shop.headers)
        assert added(behind.json()) == Decimal(item["total"]), item


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_all_reports_agree_to_the_cent(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database
) -> None:
    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
    )
    @given(st.integers(0, 2**32))
    def run(seed: int) -> None:
        async def one() -> None:
            shop = await sign_up(http)
            left = await history(shop, database, seed)
            await agree(shop, database, left)
            await folded(database, shop)
            await agree(shop, database, left)

        loop.run_until_complete(one())

    run()


async def test_cash_is_what_the_close_stored(shop: Shop, database: Database) -> None:
    left = await history(shop, database, 5)
    session = (await shop.get("/v1/cash/sessions")).json()["items"][0]["id"]
    expected = Decimal(900000) + left
    closed = await shop.post(
        f"/v1/cash/sessions/{session}/close", {"counted": [{"method": "cash", "amount": str(expected - 1000)}]}
    )
    assert closed.status_code == 200, closed.text
    body = await report(shop, "cash")
    (row,) = [item for item in body["items"] if item["method"] == "cash"]
    assert (row["expected"], row["difference"]) == (str(expected), "-1000.00")
    assert row["zNumber"] == closed.json()["zNumber"]
    assert Decimal(body["totals"]["difference"]) == Decimal("-1000.00")


async def test_kardex_value_is_the_valuation(shop: Shop, database: Database) -> None:
    await history(shop, database, 7)
    body = await report(shop, "inventory")
    valuation = (await shop.get("/v1/inventory/valuation")).json()
    assert body["totals"]["value"] == valuation["total"]
    for item in body["items"]:
        lines = await report(shop, f"products/{item['productId']}/kardex")
        assert added(lines, "value") == Decimal(item["value"])
        assert lines["items"][-1]["balanceValue"] == item["value"]


async def test_an_evening_sale_belongs_to_its_day_also_over_new_year(shop: Shop) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    year = clock.now().year
    for instant in (
        clock.day_begun(date(year, 1, 1), "America/Bogota") - timedelta(hours=3, minutes=30),
        clock.day_begun(date(year, 1, 1), "America/Bogota") + timedelta(minutes=1),
    ):
        with at(instant):
            assert (
                await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
            ).status_code == 201
    body = await report(shop, "sales", by="day", first=date(year - 1, 12, 31), last=date(year, 1, 1))
    assert [(item["day"], item["total"]) for item in body["items"]] == [
        (f"{year - 1}-12-31", "11900.00"),
        (f"{year}-01-01", "11900.00"),
    ]
    hours = await report(shop, "sales", by="hour", first=date(year - 1, 12, 31), last=date(year - 1, 12, 31))
    assert [item["name"] for item in hours["items"]] == ["20:00"]


async def test_a_period_is_compared_with_the_one_before(shop: Shop) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    for days, units in ((10, "1"), (3, "3")):
        with at(ago(days)):
            await shop.sell(session, [{"productId": product["id"], "quantity": units}], "90000")
    last = ago(0).date()
    body = await report(shop, "sales", by="product", compare="previous", first=last - timedelta(days=6), last=last)
    assert body["comparison"]["totals"]["total"] == "11900.00"
    assert body["comparison"]["change"] == "2.0000"
    assert body["items"][0]["previousTotal"] == "11900.00"


async def test_whole_months_and_their_edges_add_up_to_their_days(shop: Shop, database: Database) -> None:
    goods = [await shop.product(price=price, stock="500") for price in ("11900", "7000")]
    session = await shop.open_drawer()
    months = [
        date(2026, 1, 31),
        date(2026, 2, 1),
        date(2026, 2, 28),
        date(2026, 3, 1),
        date(2026, 3, 15),
        date(2026, 4, 2),
    ]
    for n, day in enumerate(months):
        with at(clock.day_begun(day, "America/Bogota") + timedelta(hours=22)):
            lines = [{"productId": one["id"], "quantity": str(n + 1)} for one in goods[: 1 + n % 2]]
            sale = (await shop.sell(session, lines, "900000")).json()
            if n in {1, 4}:
                await give_back(shop, sale, "1", session)
    spans = [
        (first, last)
        for first in (date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 2), date(2026, 3, 1))
        for last in (date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 31), date(2026, 4, 2))
        if first <= last
    ]
    for _ in range(2):
        for first, last in spans:
            days = await report(shop, "sales", by="day", first=first, last=last)
            for by in ("product", "category", "brand"):
                body = await report(shop, "sales", by=by, first=first, last=last)
                assert added(body) == added(days) == Decimal(days["totals"]["total"]), (first, last, by)
            best = await report(shop, "top-products", first=first, last=last)
            assert added(best) == added(days), (first, last)
        await folded(database, shop)
    assert await wrong(database, shop) == []


@pytest.mark.parametrize(
    "path",
    [
        *(f"sales?by={by}" for by in GROUPINGS),
        *("sales/documents?limit=50", "top-products?", "taxes?", "tax-documents?", "cash?", "exceptions?"),
        *("customers/rfm?", "customers/clusters?", "inventory?", "rotation?", "abc?", "forecast?", "accounting?"),
    ],
)
async def test_every_paper_has_its_chart(shop: Shop, path: str) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    person = {"identificationType": "13", "identification": "1020304050", "name": "Ana Gómez"}
    customer = (await shop.post("/v1/customers", person)).json()["id"]
    lines = [{"productId": product["id"], "quantity": "2"}]
    sale = (await shop.sell(session, lines, "90000", customerId=customer)).json()
    await give_back(shop, sale, "1", session)
    counted = {"counted": [{"method": "cash", "amount": "111900"}]}
    closed = await shop.post(f"/v1/cash/sessions/{session}/close", counted)
    assert closed.status_code == 200, closed.text
    name, _, query = path.partition("?")
    params = dict([query.split("=")]) if query else {}
    drawn = (await report(shop, name, **params))["series"]
    assert drawn
    assert all(len(one["labels"]) == len(one["values"]) > 0 for one in drawn)
    paper = await shop.get(f"/v1/reports/{name}", format="pdf", **params)
    assert paper.status_code == 200, paper.text
    document = pypdfium2.PdfDocument(paper.content)
    assert drawn[0]["name"] in document[0].get_textpage().get_text_range()


async def test_a_ticket_is_in_the_roll_ups_once_whoever_folds(shop: Shop, database: Database) -> None:
    product = await shop.product(stock="1000")
    session = await shop.open_drawer()

    async def sell() -> None:
        for _ in range(10):
            assert (
                await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
            ).status_code == 201

    async def keep() -> None:
        for _ in range(10):
            await folded(database, shop)

    await asyncio.gather(sell(), sell(), keep(), keep(), keep())
    await folded(database, shop)
    assert await wrong(database, shop) == []
    assert (await report(shop, "sales"))["totals"]["total"] == "238000.00"
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await work.session.scalar(text("SELECT sum(tickets) FROM report_sales")) == 20


async def test_a_spoilt_roll_up_is_found_and_made_anew(shop: Shop, database: Database) -> None:
    await history(shop, database, 3)
    await folded(database, shop)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await work.session.execute(text("UPDATE report_product SET total = total + 1"))
    found = await wrong(database, shop)
    assert {one.check for one in found} == {"report-product"}
    told = (await shop.get("/v1/audit/reconciliation")).json()
    assert not told["isClean"]
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await rebuild(work)
    assert await wrong(database, shop) == []
    await folded(database, shop)
    assert await wrong(database, shop) == []


async def test_files_say_what_the_json_says_and_run_nothing(shop: Shop) -> None:
    evil = await shop.product(name='=HYPERLINK("http://x")')
    session = await shop.open_drawer()
    await shop.sell(session, [{"productId": evil["id"], "quantity": "2"}], "90000")
    answers = {form: await shop.get("/v1/reports/sales", by="product", format=form) for form in ("csv", "xlsx", "pdf")}
    assert {answer.status_code for answer in answers.values()} == {200}
    rows = list(csv.reader(io.StringIO(answers["csv"].content.decode("utf-8-sig"))))
    assert rows[1][0] == '\'=HYPERLINK("http://x")'
    assert rows[1][rows[0].index("Total")] == "23800.00"
    sheet = load_workbook(io.BytesIO(answers["xlsx"].content)).active
    assert sheet is not None
    assert sheet["A2"].data_type == "s"
    assert str(sheet["A2"].value).startswith("'=")
    assert answers["pdf"].content.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"from": "2026-13-01"}, 400, None),
        ({"from": "2026-02-10", "to": "2026-02-01"}, 422, "dates-reversed"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, 422, "range-too-long"),
        ({"branchId": "0197f2a4-7a3c-7bb0-9d2e-3f5a6b7c8d9e"}, 422, "unknown-reference"),
        ({"format": "docx"}, 400, None),
        ({"by": "moon"}, 400, None),
    ],
    ids=["no such day", "reversed", "too long", "foreign branch", "unknown format", "unknown grouping"],
)
async def test_what_makes_no_sense_is_a_clear_problem(
    shop: Shop, params: dict[str, str], status: int, code: str | None
) -> None:
    answer = await shop.get("/v1/reports/sales", **params)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert code is None or answer.json()["code"] == code
