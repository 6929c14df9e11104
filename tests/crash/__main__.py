"""`make crash`: kill, count, print, keep, and fail when a promise was not kept."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from tests.crash.house import forget
from tests.crash.report import keep, say, stamp
from tests.crash.suite import FULL, SMALL, Outcome, Size, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill every process under load.")
    parser.add_argument("--kills", type=int, default=FULL.kills, help="of each target (%(default)s)")
    parser.add_argument("--clients", type=int, default=FULL.clients, help="that sell at once (%(default)s)")
    parser.add_argument("--small", action="store_true", help="the size of `make test`; keeps nothing")
    parser.add_argument("--data", type=Path, help="an empty folder to work in, left as it is at the end")
    options = parser.parse_args()
    size = SMALL if options.small else _sized(options.kills, options.clients)
    folder: Path = options.data or Path(tempfile.mkdtemp(prefix="mostrador-crash-"))
    # Open to the servers' user, as a clone in a home folder often is.
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    started = perf_counter()
    try:
        outcome = asyncio.run(run(folder, size))
    finally:
        if options.data is None:
            forget(folder)
    failures = outcome.failures()
    lines = _lines(outcome, failures, perf_counter() - started)
    sys.stdout.write("\n".join(lines) + "\n")
    if not options.small:
        keep(lines)
    say(f"{len(failures)} promises broken" if failures else "nothing lost, nothing doubled")
    return 1 if failures else 0


def _sized(kills: int, clients: int) -> Size:
    return Size(kills=kills, clients=clients, shops=FULL.shops, sign_ups=FULL.sign_ups, freeze=FULL.freeze)


def _lines(outcome: Outcome, failures: list[str], seconds: float) -> list[str]:
    lines = ["## Killed under load", "", stamp(sys.argv[1:], seconds), "", *outcome.lines()]
    return [*lines, *(f"- **BROKEN**: {failure}" for failure in failures)]


if __name__ == "__main__":
    sys.exit(main())
