"""The tables: printed as they come, and kept in docs/BENCHMARKS.md with the machine they were measured on."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import msgspec

from tests.bench.client import ROOT

KEPT = ROOT / "docs" / "BENCHMARKS.md"
_STARTED = perf_counter()
_OPENING = """\
# Benchmarks

Written by `make bench` (`python -m tests.bench`); everything between the markers is replaced by the next run. Load
generator, API and PostgreSQL share the machine; PostgreSQL runs with `fsync` and `synchronous_commit` on. Cells that
are compared run alternately in one run, and a figure is the median of the rounds.
"""


class Demand(msgspec.Struct, frozen=True):
    """One thing that a part must reach, with what was measured."""

    text: str
    met: bool


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one part."""

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    demands: Sequence[Demand]
    notes: Sequence[str] = ()

    def markdown(self, stamp: str) -> str:
        lines = [f"## {self.title}", "", stamp, ""]
        lines += ["| " + " | ".join(row) + " |" for row in (self.head, ["---"] * len(self.head), *self.rows)]
        lines += [""]
        lines += [f"- {'reached' if demand.met else '**MISSED**'}: {demand.text}" for demand in self.demands]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines)


def say(text: str) -> None:
    """One line of progress, with the seconds since the start."""
    sys.stderr.write(f"[{perf_counter() - _STARTED:6.1f}s] {text}\n")
    sys.stderr.flush()


def stamp(postgres_version: str, arguments: Sequence[str]) -> str:
    """When, on what machine and with which command a section was measured."""
    command = " ".join(["python -m tests.bench", *arguments])
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_cpu_model()}, {os.cpu_count()} cores, {_memory()} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"PostgreSQL {postgres_version}; `{command}`"
    )


def keep(section: Section, stamp: str) -> None:
    """Put the section between its markers, at the end of the file when it is new."""
    begin, end = f"<!-- bench:{section.name} -->", f"<!-- /bench:{section.name} -->"
    block = f"{begin}\n{section.markdown(stamp)}\n{end}"
    text = KEPT.read_text() if KEPT.exists() else _OPENING
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n"
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(text)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
