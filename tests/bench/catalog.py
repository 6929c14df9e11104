"""Look-ups: one barcode beside `SELECT 1`, and the four ways to find one of 100,000 products."""

from collections.abc import Sequence
from random import Random

import httpx

from tests.bench.client import Job
from tests.bench.measure import Cell, middle
from tests.bench.names import search_paths, sku
from tests.bench.parts import Bench, failures
from tests.bench.report import Demand, Section, say
from tests.bench.shape import analyse, many_products
from tests.bench.shops import Shop, keep_fresh

LOOKUP_SHARE = 40
P95_EXACT = 10.0
P95_TYPO = 30.0
CLIENTS = 8
TRIED = 100


async def lookup(bench: Bench) -> Section:
    _, server = await bench.yardstick()
    (shop,) = await bench.shops(["Tienda de consultas"])
    await analyse(bench.house)
    await bench.restart_api()
    one = Job(
        port=server.port,
        clients=CLIENTS,
        seconds=bench.pace.seconds,
        source="tests.bench.sources:one_path",
        arguments={"path": "/one"},
    )
    bare: list[Cell] = []
    product: list[Cell] = []
    for _ in range(bench.pace.rounds):
        bare.append(await bench.bare_cell(one))
        paths = [f"/v1/products?barcode={each}" for each in shop.barcodes]
        product.append(await bench.product_cell("lookups", [shop], CLIENTS, {"paths": paths}))
        for failure in failures([product[-1]]):
            say(f"errors: {failure}")
    first, second = middle(bare), middle(product)
    share = 100 * second.rate / first.rate
    say(f"SELECT 1 {first.rate:.0f}/s, barcode {second.rate:.0f}/s = {share:.0f} %")
    return Section(
        name="lookup",
        title="Product by barcode, 8 clients, beside SELECT 1",
        head=("route", "answers/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms api", "PG", "errors"),
        rows=[_row("`SELECT 1`, same kind of server", first), _row("`GET /v1/products?barcode=`", second)],
        demands=[
            Demand(f"{share:.0f} % of `SELECT 1` (at least {LOOKUP_SHARE} %)", share >= LOOKUP_SHARE),
            Demand(f"{second.failed} errors (0)", second.failed == 0),
        ],
    )


async def search(bench: Bench) -> Section:
    count = bench.pace.products
    (shop,) = await bench.shops(["Tienda grande"])
    say(f"search: loading {count:,} products")
    await many_products(bench.house, shop, count)
    await analyse(bench.house)
    await bench.restart_api()
    pick = Random(11)
    chosen = [pick.randrange(count) for _ in range(500)]
    rows: list[list[str]] = []
    demands: list[Demand] = []
    for way, paths in search_paths(chosen).items():
        limit = P95_TYPO if way == "typo" else P95_EXACT
        cells = [await bench.product_cell("lookups", [shop], 1, {"paths": paths}) for _ in range(bench.pace.rounds)]
        cell = middle(cells)
        say(f"search: {way}: p95 {cell.p95:.1f} ms")
        for failure in failures(cells):
            say(f"errors: {failure}")
        rows.append(_row(way, cell))
        demands.append(
            Demand(f"{way}: p95 {cell.p95:.1f} ms (at most {limit:g} ms)", cell.p95 <= limit and not cell.failed)
        )
    found = await _found(bench, shop, chosen[:TRIED])
    say(f"search: {found} of {TRIED} names with a typo brought their product on the first page")
    return Section(
        name="search",
        title=f"Finding one of {count:,} products of a shop, one client",
        head=("way", "answers/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms api", "PG", "errors"),
        rows=rows,
        demands=demands,
        notes=[f"{found} of {TRIED} names typed with two letters swapped brought their product on the first page."],
    )


async def _found(bench: Bench, shop: Shop, numbers: Sequence[int]) -> int:
    api = await bench.api()
    await keep_fresh(api, [shop])
    found = 0
    async with httpx.AsyncClient(base_url=api.url, headers=shop.headers(), timeout=60) as http:
        for number, path in zip(numbers, search_paths(numbers)["typo"], strict=True):
            answer = await http.get(path)
            found += any(item["sku"] == sku(number) for item in answer.raise_for_status().json()["items"])
    return found


def _row(name: str, cell: Cell) -> list[str]:
    figures = (cell.p50, cell.p95, cell.p99, cell.cpu["api"], cell.cpu["postgres"])
    return [name, f"{cell.rate:.0f}", *(f"{figure:.2f}" for figure in figures), str(cell.failed)]
