"""How many documents one core builds and signs in a second, and whether memory stays flat meanwhile."""

import asyncio
import os
import sys
from time import perf_counter, process_time

import msgspec
import psutil

from tests.bench.client import ROOT
from tests.bench.parts import Bench
from tests.bench.report import Demand, Section, say

RATE = 150
GROWTH = 5.0
"""Megabytes that 10,000 documents may leave behind: what the allocators keep, not what is forgotten."""
LINES = 5
_WARM_UP = 1000


class Outcome(msgspec.Struct, frozen=True):
    """What a process of one core did."""

    rate: float
    """Documents per second of CPU."""
    wall_rate: float
    size: int
    """Bytes of a signed document."""
    before: float
    """Resident MB after the warm-up."""
    after: float


async def documents(bench: Bench) -> Section:
    """POS documents of five lines with RSA-2048: thawed, asked every rule, built and signed, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.documents",
        str(bench.pace.documents),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the process ended with {process.returncode}")
    outcome = msgspec.json.decode(printed, type=Outcome)
    say(f"documents: {outcome.rate:.0f}/s of CPU, {outcome.wall_rate:.0f}/s by the clock")
    growth = outcome.after - outcome.before
    return Section(
        name="documents",
        title=f"Electronic documents on one core: POS of {LINES} lines, RSA-2048",
        head=("documents", "per second of CPU", "per second", "bytes each", "MB before", "MB after"),
        rows=[
            [
                f"{bench.pace.documents:,}",
                f"{outcome.rate:.0f}",
                f"{outcome.wall_rate:.0f}",
                f"{outcome.size:,}",
                f"{outcome.before:.1f}",
                f"{outcome.after:.1f}",
            ]
        ],
        demands=[
            Demand(f"{outcome.rate:.0f} documents a second of one core (at least {RATE})", outcome.rate >= RATE),
            Demand(f"{growth:.1f} MB more after {bench.pace.documents:,} (at most {GROWTH:g})", growth <= GROWTH),
        ],
        notes=["Each is thawed from its frozen copy, asked every rule, built and signed; nothing is sent."],
    )


def work(count: int) -> Outcome:
    """Make so many documents, each with a number of its own."""
    # Only here: the bench's other parts need neither lxml nor the shop of the tests.
    from msgspec import structs

    from app.domain.invoicing.identify import identify
    from app.domain.invoicing.kinds import Kind
    from app.domain.invoicing.model import FREEZER, thaw
    from app.domain.invoicing.preflight import blocking, preflight
    from app.domain.invoicing.totals import line_of
    from app.domain.invoicing.xml.documents import build
    from app.integrations.dian.certificate import open_p12
    from app.integrations.dian.sign import sign
    from tests.dian_keys import PASSWORD, p12
    from tests.domain.invoicing.papers import KEYS, NOW, document, ring

    credential = open_p12(p12(), PASSWORD)
    paper = document(Kind.POS, [line_of(each) for each in ring()[:LINES]])
    assert paper.range is not None
    numbering = structs.replace(paper.range, last=999_999_999)

    def one(number: int) -> bytes:
        frozen = FREEZER.encode(structs.replace(paper, number=f"EPOS{number}", range=numbering))
        document = thaw(frozen)
        identity = identify(document, KEYS)
        assert not blocking(preflight(document, identity, KEYS, NOW))
        built = build(document, identity)
        return sign(built.root, built.place, credential, document.issued_at)

    size = max(len(one(number)) for number in range(1, _WARM_UP + 1))
    before = _resident()
    cpu, clock = process_time(), perf_counter()
    for number in range(_WARM_UP + 1, _WARM_UP + count + 1):
        one(number)
    spent, passed = process_time() - cpu, perf_counter() - clock
    return Outcome(rate=count / spent, wall_rate=count / passed, size=size, before=before, after=_resident())


def _resident() -> float:
    return float(psutil.Process(os.getpid()).memory_info().rss) / 1e6


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(work(int(sys.argv[1]))))
