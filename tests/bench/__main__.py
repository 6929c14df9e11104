"""`make bench`: measure, print, keep, and fail when a figure that counts is missed."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import asyncpg
import httpx

from tests.bench.catalog import lookup, search
from tests.bench.documents import documents
from tests.bench.flat import flat, reconcile
from tests.bench.health import health
from tests.bench.house import House
from tests.bench.parts import Bench, Pace
from tests.bench.process import memory, start
from tests.bench.report import Section, keep, say, stamp
from tests.bench.sales import run as sales

PARTS: Mapping[str, Callable[[Bench], Awaitable[Section]]] = {
    "sales": sales,
    "lookup": lookup,
    "search": search,
    "flat": flat,
    "memory": memory,
    "start": start,
    "documents": documents,
    "health": health,
}
FAILURES = (RuntimeError, OSError, httpx.HTTPError, asyncpg.PostgresError)
"""How a server that answers wrongly or not at all ends a part."""
SELLING = {"sales", "flat", "memory"}
"""Parts after which the books are checked."""


async def bench(parts: list[str], pace: Pace, data: Path, arguments: list[str], kept: bool) -> int:
    """Run the parts in order and return how many demands were missed."""
    missed = 0
    async with House(data) as house:
        run = Bench(house, pace)
        version = house.postgres.version
        wanted = [PARTS[name] for name in parts]
        if SELLING & set(parts):
            wanted.append(reconcile)
        for part in wanted:
            try:
                section = await part(run)
            except FAILURES as failure:
                # The other parts still tell something; this one counts as missed.
                say(f"{part.__name__} broke off: {type(failure).__name__}: {failure}")
                missed += 1
                continue
            text = stamp(version, arguments)
            sys.stdout.write(f"\n{section.markdown(text)}\n\n")
            sys.stdout.flush()
            if kept:
                keep(section, text)
            missed += sum(not demand.met for demand in section.demands)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the times of the system.")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, by comma: {', '.join(PARTS)}")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and one round: shows that the bench works, keeps nothing"
    )
    parser.add_argument(
        "--data", type=Path, help="an empty folder to work in, kept afterwards (default: a temporary one)"
    )
    parser.add_argument("--print-only", action="store_true", help="leave docs/BENCHMARKS.md as it is")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    pace = Pace.quick() if options.quick else Pace()
    data: Path = options.data or Path(tempfile.mkdtemp(prefix="mostrador-bench-"))
    try:
        missed = asyncio.run(bench(parts, pace, data, sys.argv[1:], kept=not (options.quick or options.print_only)))
    finally:
        if options.data is None:
            shutil.rmtree(data, ignore_errors=True)
    say(f"{missed} demands missed" if missed else "every demand reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
