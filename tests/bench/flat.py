"""Whether a sale costs the same after 500,000 of them, and whether every figure still agrees at the end."""

from tests.bench.measure import Cell, middle
from tests.bench.parts import Bench, failures
from tests.bench.report import Demand, Section, say
from tests.bench.shape import analyse, differences, past_sales, reconciled, verified

CLIENTS = 8
SHARE = 90


async def flat(bench: Bench) -> Section:
    """An empty shop and a full one, in turn."""
    count = bench.pace.flat_sales
    empty, full = await bench.shops(["Tienda nueva", "Tienda de años"])
    say(f"flat: filling {count:,} sales")
    await past_sales(bench.house, await bench.api(), full, count)
    await analyse(bench.house)
    await bench.restart_api()
    cells: dict[str, list[Cell]] = {"empty": [], "full": []}
    for turn in range(1, bench.pace.rounds + 1):
        for name, shop in (("empty", empty), ("full", full)):
            cell = await bench.product_cell("sales", [shop], CLIENTS)
            cells[name].append(cell)
            say(f"round {turn}: {name} shop {cell.rate:.0f}/s")
            for failure in failures([cell]):
                say(f"errors: {failure}")
    before, after = middle(cells["empty"]), middle(cells["full"])
    share = 100 * after.rate / before.rate
    failed = before.failed + after.failed
    return Section(
        name="flat",
        title=f"Sales a second after {count:,} sales in the shop, 8 clients",
        head=("shop", "sales/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms/sale api", "PG", "errors"),
        rows=[_row("empty", before), _row(f"with {count:,} sales", after)],
        demands=[
            Demand(f"{share:.0f} % of the empty shop (at least {SHARE} %)", share >= SHARE),
            Demand(f"{failed} errors (0)", failed == 0),
        ],
    )


async def reconcile(bench: Bench) -> Section:
    """After all that was sold: every kept figure against the sum of its movements."""
    found = await differences(bench.house)
    found += await reconciled(await bench.api(), bench.opened)
    found.append(await verified(bench.house))
    return Section(
        name="reconcile",
        title="The books after the bench",
        head=("checked", "rows", "differences"),
        rows=[[name, f"{rows:,}", str(wrong)] for name, rows, wrong in found],
        demands=[
            Demand(f"{name}: {wrong} differences in {rows:,} rows (0)", wrong == 0 and rows > 0)
            for name, rows, wrong in found
        ],
    )


def _row(name: str, cell: Cell) -> list[str]:
    figures = (cell.p50, cell.p95, cell.p99)
    costs = (cell.cpu["api"], cell.cpu["postgres"])
    return [
        name,
        f"{cell.rate:.0f}",
        *(f"{each:.1f}" for each in figures),
        *(f"{each:.2f}" for each in costs),
        str(cell.failed),
    ]
