"""`make faults`: break everything in turn, print the table, keep it, and fail when a promise was not kept."""

import argparse
import asyncio
import re
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from tests.crash.house import forget
from tests.crash.report import KEPT, say, stamp, table
from tests.faults.house import ALLOWED, EVERY
from tests.faults.suite import SMALL, Told, run

BEGIN, END = "<!-- faults:begin -->", "<!-- faults:end -->"
_LATE = 1.0
"""Seconds a look may be late, whatever else hangs."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Break every part; who is told, how soon?"
    )
    parser.add_argument("--only", help="names of faults, by comma; keeps nothing")
    parser.add_argument("--small", action="store_true", help="the size of `make test`; keeps nothing")
    parser.add_argument("--blocked", type=float, default=60.0, help="seconds a job blocks the worker (%(default)s)")
    options = parser.parse_args()
    names = SMALL if options.small else tuple(options.only.split(",")) if options.only else None
    folder = Path(tempfile.mkdtemp(prefix="mostrador-faults-"))
    folder.chmod(0o755)
    started = perf_counter()
    try:
        found, late, silent = asyncio.run(run(folder, names, options.blocked))
    finally:
        forget(folder)
    failures = broken(found, late, silent)
    lines = _lines(found, failures, late, silent, perf_counter() - started)
    sys.stdout.write("\n".join(lines) + "\n")
    if names is None:
        _keep(lines)
    say(f"{len(failures)} promises broken" if failures else "everything told, nothing twice")
    return 1 if failures else 0


def broken(found: list[Told], late: float, silent: float) -> list[str]:
    """Which promises were not kept."""
    failures = [f"{told.name}: {failure}" for told in found for failure in told.failures]
    if late > _LATE:
        failures.append(f"a look was {late:.2f} s late")
    if not silent:
        failures.append("the death of the monitor was not noticed from outside")
    return failures


def _lines(found: list[Told], failures: list[str], late: float, silent: float, seconds: float) -> list[str]:
    head = (
        "fault",
        "alerts sent, each with its recovery, on mail, Slack and webhook",
        "s to alert",
        "s to recovery notice",
    )
    rows = [[told.name, told.alerts, _figure(told.seconds), _figure(told.recovery)] for told in found]
    return [
        "## Who is told, and how soon",
        "",
        stamp([], seconds).replace("tests.crash", "tests.faults"),
        "",
        *table(head, rows),
        "",
        f"- looks every {EVERY} s; at most {ALLOWED} s allowed, two intervals and ten; nothing else was sent, nothing twice",
        "- times are those of the slowest channel that was not itself broken; the broken one had its messages after it was mended",
        f"- a look was {late:.2f} s late at worst, also while the worker blocked (at most {_LATE:g} s)",
        f"- the only monitor killed: the dead-man service missed it, {silent:.1f} s after its last call",
        *(f"- **BROKEN**: {failure}" for failure in failures),
    ]


def _figure(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f}"


def _keep(lines: list[str]) -> None:
    block, text = "\n".join((BEGIN, *lines, END)), KEPT.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    KEPT.write_text(pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n")


if __name__ == "__main__":
    sys.exit(main())
