"""What the suite says: a line as it goes, a table at the end, and both kept in docs/PROOFS.md."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

KEPT = Path(__file__).resolve().parents[2] / "docs" / "PROOFS.md"
BEGIN, END = "<!-- crash:begin -->", "<!-- crash:end -->"
_OPENING = """\
# Proofs

What was shown by running it. Each part is written by its command; everything between its markers is replaced by the
next run.
"""
_STARTED = perf_counter()


def say(text: str) -> None:
    """One line of progress, with the seconds since the start."""
    sys.stderr.write(f"[{perf_counter() - _STARTED:6.1f}s] {text}\n")
    sys.stderr.flush()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its columns aligned for a terminal."""
    every = [head, *rows]
    widths = [max(len(row[place]) for row in every) for place in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in every
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def stamp(arguments: Sequence[str], seconds: float) -> str:
    """When, on what machine and with which command."""
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    command = " ".join(["python -m tests.crash", *arguments])
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {memory} GB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {seconds:.0f} s; `{command}`"
    )


def keep(lines: Sequence[str]) -> None:
    """Put the part between its markers, at the end of the file when it is new."""
    block = "\n".join((BEGIN, *lines, END))
    text = KEPT.read_text() if KEPT.exists() else _OPENING
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n"
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(text)
