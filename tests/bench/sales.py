"""Sales a second beside the yardstick, cell by cell in turn."""

from collections.abc import Sequence
from statistics import median

from tests.bench.measure import Cell, middle
from tests.bench.parts import Bench, failures
from tests.bench.report import Demand, Section, say
from tests.bench.shape import analyse, past_sales

CELLS = ((1, 1), (1, 8), (1, 32), (10, 8), (10, 32))
"""Shops and clients."""
SHARE = {1: 50, 10: 60}
"""Percent of the yardstick that the product must reach, by the number of shops."""
P99_AT_8 = 30.0
DIRECT_SHARE = 75
"""Percent of the same function called without HTTP below which the yardstick does not count."""


async def run(bench: Bench) -> Section:
    yardstick, server = await bench.yardstick()
    many = await bench.shops([f"Tienda {n} de diez" for n in range(1, 11)])
    for shop in many:
        await past_sales(bench.house, await bench.api(), shop, bench.pace.past_sales // len(many))
    await analyse(bench.house)
    await bench.restart_api()

    bare: dict[tuple[int, int], list[Cell]] = {cell: [] for cell in CELLS}
    product: dict[tuple[int, int], list[Cell]] = {cell: [] for cell in CELLS}
    direct: list[float] = []
    caller = ""
    seconds = bench.pace.sale_seconds
    for turn in range(1, bench.pace.sale_rounds + 1):
        rate, caller = await yardstick.call_directly(seconds)
        direct.append(rate)
        say(f"round {turn}: {caller} {rate:.0f}/s")
        for shops, clients in CELLS:
            job = yardstick.job(server, shops=shops, clients=clients, seconds=seconds)
            first = await bench.bare_cell(job)
            second = await bench.product_cell("sales", many[:shops], clients, seconds=seconds)
            bare[shops, clients].append(first)
            product[shops, clients].append(second)
            say(
                f"round {turn}: {shops} shop(s), {clients} clients: yardstick {first.rate:.0f}/s, "
                f"sales {second.rate:.0f}/s = {_percent(second.rate, first.rate):.0f} %, p99 {second.p99:.1f} ms"
            )
            for failure in failures([first, second]):
                say(f"errors: {failure}")

    shares = {cell: _paired(product[cell], bare[cell]) for cell in CELLS}
    of_direct = median(_percent(cell.rate, rate) for cell, rate in zip(bare[1, 8], direct, strict=True))
    bare_middle = {cell: middle(cells) for cell, cells in bare.items()}
    product_middle = {cell: middle(cells) for cell, cells in product.items()}
    return Section(
        name="sales",
        title="POST /v1/sales, three lines, all rules on",
        head=(
            "shops",
            "clients",
            "yardstick/s",
            "sales/s",
            "of yardstick",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "CPU ms/sale api",
            "PG",
            "yardstick api",
            "PG",
            "generator",
            "others' share of the machine",
            "errors",
        ),
        rows=[_row(cell, bare_middle[cell], product_middle[cell], shares[cell]) for cell in CELLS],
        demands=[
            Demand(
                f"the yardstick counts: {bare_middle[1, 8].rate:.0f}/s with 8 clients in one shop is {of_direct:.0f} % of "
                f"{caller} with 8 clients calling the same function ({median(direct):.0f}/s; at least {DIRECT_SHARE} %)",
                of_direct >= DIRECT_SHARE,
            ),
            *_demands(product_middle, shares),
        ],
        notes=[
            (
                "The yardstick is Litestar on granian with one asyncpg call of one PL/pgSQL function, "
                f"pool of {yardstick.pool} (the fastest of 4, 8, 16); {bench.pace.past_sales:,} past sales "
                "in its tables and in the product's."
            ),
            (
                f"Medians of {bench.pace.sale_rounds} rounds in which both run {seconds:g} s, one after the other; a share is "
                "the median of the rounds' own shares, for the machine is not equally fast from round to round. "
                "The worker is not running."
            ),
        ],
    )


def _row(cell: tuple[int, int], bare: Cell, product: Cell, share: float) -> list[str]:
    return [
        str(cell[0]),
        str(cell[1]),
        f"{bare.rate:.0f}",
        f"{product.rate:.0f}",
        f"{share:.0f} %",
        f"{product.p50:.1f}",
        f"{product.p95:.1f}",
        f"{product.p99:.1f}",
        f"{product.cpu['api']:.2f}",
        f"{product.cpu['postgres']:.2f}",
        f"{bare.cpu['api']:.2f}",
        f"{bare.cpu['postgres']:.2f}",
        f"{product.cpu['generator']:.2f}",
        f"{max(bare.strangers, product.strangers):.0f} %",
        str(product.failed),
    ]


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _paired(product: Sequence[Cell], bare: Sequence[Cell]) -> float:
    """Percent of the yardstick: the median over pairs that ran side by side in time."""
    return median(_percent(mine.rate, theirs.rate) for mine, theirs in zip(product, bare, strict=True))


def _demands(product: dict[tuple[int, int], Cell], shares: dict[tuple[int, int], float]) -> list[Demand]:
    demands: list[Demand] = []
    for shops, clients in CELLS:
        share = shares[shops, clients]
        text = f"{shops} shop(s), {clients} clients: {share:.0f} % of the yardstick (at least {SHARE[shops]} %)"
        demands.append(Demand(text, share >= SHARE[shops]))
    for shops in SHARE:
        p99 = product[shops, 8].p99
        demands.append(
            Demand(f"{shops} shop(s), 8 clients: p99 {p99:.1f} ms (at most {P99_AT_8:g} ms)", p99 <= P99_AT_8)
        )
    failed = sum(cell.failed for cell in product.values())
    return [*demands, Demand(f"{failed} errors in all cells (0)", failed == 0)]
