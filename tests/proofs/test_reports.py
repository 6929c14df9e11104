"""Reports over a year of half a million sales: how long each takes, beside the bare aggregate over the lines; a million rows exported."""

import asyncio
import json
import os
import statistics
import sys
import time
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.db.session import Database
from app.domain.reports.folding import fold
from app.domain.reports.reconcile import differences
from app.lib import clock
from tests.proofs.report_year import fill
from tests.shop import Shop, sign_up

SALES = int(os.environ.get("MOSTRADOR_REPORT_SALES", "500000"))
ROUNDS = 8
MONTH_LIMIT, YEAR_LIMIT = 0.3, 1.0
"""Seconds, p95 at one client."""
REPORTS = {
    **{
        f"sales by {by}": f"sales?by={by}"
        for by in [
            "day",
            "hour",
            "weekday",
            "product",
            "category",
            "brand",
            "seller",
            "tender",
            "customer",
            "branch",
            "register",
        ]
    },
    "sales by day, year before": "sales?by=day&compare=year",
    "top products": "top-products?order=growth",
    "taxes": "taxes",
    "cash": "cash",
    "exceptions": "exceptions",
    "customers, RFM": "customers/rfm",
    "customers, k-means": "customers/clusters",
    "inventory": "inventory",
    "rotation": "rotation",
    "ABC": "abc",
    "dead stock": "dead-stock",
    "stockouts": "stockouts",
    "forecast": "forecast",
    "documents of the period": "sales/documents?limit=50",
    "taxes by document": "tax-documents",
    "entries for the bookkeeper": "accounting",
}
TABLES = (
    "report_sales",
    "report_customer",
    "report_product",
    "report_product_month",
    "report_tender",
    "report_tax",
    "stock_day",
    "stock_gap",
)
ROWS = 1_000_000 * SALES // 500_000
"""Of the exported file."""
EXPORT_MB, EXPORT_STARTS = 150, 1.0
WHOLE = {"dashboard": "dashboard", "summary": "summary", "indicators": "indicators"}
RAW = text(
    "SELECT s.business_day, sum(l.total), sum(l.base), sum(l.tax), sum(l.cost) FROM sale s "
    "JOIN sale_line l ON l.tenant_id = s.tenant_id AND l.sale_id = s.id "
    "WHERE s.tenant_id = :t AND s.business_day BETWEEN :first AND :last GROUP BY 1"
)


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


async def timed(shop: Shop, path: str) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        answer = await shop.http.get(f"/v1/reports/{path}", headers=shop.headers)
        times.append(time.perf_counter() - started)
        assert answer.status_code == 200, answer.text[:500]
    return times


async def raw(database: Database, tenant: UUID, first: date, last: date) -> float:
    """Seconds of the bare aggregate, best of three."""
    best = 60.0
    for _ in range(3):
        async with database.job_transaction(tenant) as work:
            started = time.perf_counter()
            await work.session.execute(RAW, {"t": tenant, "first": first, "last": last})
            best = min(best, time.perf_counter() - started)
    return best


@pytest.mark.proof
@pytest.mark.timeout(3_600)
async def test_reports_over_a_year_of_half_a_million_sales(
    http: httpx.AsyncClient, database: Database, environ: dict[str, str]
) -> None:
    shop = await sign_up(http)
    tenant = UUID(shop.tenant_id)
    last = clock.business_day(clock.now(), "America/Bogota") - timedelta(days=1)
    first = last - timedelta(days=364)
    started = time.perf_counter()
    await fill(environ["DATABASE_ADMIN_URL"], shop.tenant_id, shop.user["id"], SALES, first, 365)
    print(f"\nfilled {SALES:,} sales in {time.perf_counter() - started:.0f} s")
    started, more = time.perf_counter(), True
    while more:
        async with database.job_transaction(tenant) as work:
            more = await fold(work)
    spent = time.perf_counter() - started
    print(f"folded in {spent:.1f} s: {SALES / spent:,.0f} sales/s")
    async with database.job_transaction(tenant) as work:
        for table in TABLES:
            print(f"  {table}: {await work.session.scalar(text(f'SELECT count(*) FROM {table}')):,} rows")
        started = time.perf_counter()
        await work.session.execute(text("SET LOCAL statement_timeout = '300s'"))
        await work.session.execute(text("SET LOCAL enable_nestloop = off"))
        assert await differences(work) == []
        print(
            f"recomputed from all tickets and movements and compared in {time.perf_counter() - started:.1f} s: 0 differences"
        )
    admin = await asyncpg.connect(environ["DATABASE_ADMIN_URL"])
    for table in TABLES:
        await admin.execute(f"vacuum analyze {table}")
    await admin.close()
    month = (last - timedelta(days=29), last)
    missed = []
    for name, (begin, end), limit in (("month", month, MONTH_LIMIT), ("year", (first, last), YEAR_LIMIT)):
        bare = await raw(database, tenant, begin, end)
        print(
            f"\n{name}: bare aggregate over the lines {bare * 1000:.0f} ms\n| report | p50 ms | p95 ms | of bare |\n|---|---|---|---|"
        )
        for report, path in REPORTS.items():
            times = await timed(shop, f"{path}{'&' if '?' in path else '?'}from={begin}&to={end}")
            worst = p95(times)
            print(f"| {report} | {statistics.median(times) * 1000:.0f} | {worst * 1000:.0f} | {worst / bare:.2f} |")
            if worst > limit:
                missed.append(f"{name}, {report}: {worst * 1000:.0f} ms")
    for report, path in WHOLE.items():
        times = await timed(shop, path)
        print(f"| {report} | {statistics.median(times) * 1000:.0f} | {p95(times) * 1000:.0f} | |")
    totals = set()
    for by in [
        "day",
        "hour",
        "weekday",
        "product",
        "category",
        "brand",
        "seller",
        "tender",
        "customer",
        "branch",
        "register",
    ]:
        body = (await shop.get("/v1/reports/sales", by=by, **{"from": str(first), "to": str(last)})).json()
        totals.add(body["totals"]["total"])
        assert sum(Decimal(item["total"]) for item in body["items"]) == Decimal(body["totals"]["total"]), by
    print(f"every grouping adds up to {totals}")
    assert len(totals) == 1
    await exported(shop, database, environ, last)
    assert missed == []


async def exported(shop: Shop, database: Database, environ: dict[str, str], last: date) -> None:
    """A file of a million rows by a worker of its own: its memory, its first rows; then one that is stopped on its way."""
    counts = text("SELECT business_day, sum(line_count) FROM sale WHERE tenant_id = :t GROUP BY 1 ORDER BY 1 DESC")
    rows, begin = 0, last
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        for day, lines in await work.session.execute(counts, {"t": shop.tenant_id}):
            if rows < ROWS:
                rows, begin = rows + int(lines), day
    body = {"report": "lines", "format": "csv", "from": str(begin), "to": str(last)}
    for stopped in (False, True):
        asked = await shop.post("/v1/reports/exports", body)
        assert asked.status_code == 202, asked.text
        path = f"/v1/reports/exports/{asked.json()['id']}"
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.proofs.export_run", shop.tenant_id, asked.json()["id"]),
            env={**os.environ, **environ},
            stdout=asyncio.subprocess.PIPE,
        )
        while stopped and not (await shop.get(path)).json()["rowsDone"]:
            await asyncio.sleep(0.1)
        if stopped:
            assert (await shop.delete(path)).status_code == 204
        said, _ = await run.communicate()
        found = json.loads(said)
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            parts = text("SELECT count(*) FROM report_export_part WHERE export_id = CAST(:id AS uuid)")
            left = await work.session.scalar(parts, {"id": asked.json()["id"]})
        if stopped:
            print(
                f"an export stopped on its way: its run ended {found['whole']:.1f} s after it began, {left} parts left"
            )
            assert left == 0
            continue
        told = (await shop.get(path)).json()
        print(
            f"export of {told['rowsDone']:,} rows, {told['size'] / 1e6:.0f} MB: first rows after {found['first']:.2f} s, all after "
            f"{found['whole']:.0f} s; memory of the worker {found['before']:.0f} MB before, {found['peak']:.0f} MB at its peak"
        )
        assert told["status"] == "ready"
        assert told["rowsDone"] == told["rowCount"] >= ROWS
        assert found["peak"] < EXPORT_MB
        assert found["first"] < EXPORT_STARTS
