"""`mostrador verify`: the check before every deploy."""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from app.build import release
from app.cli import FAILED
from app.ops.verify import context_of, verify
from app.ops.verify.check import Result, State

_ROOT: Final = Path(__file__).resolve().parents[2]
_MARKS: Final[dict[State, tuple[str, str]]] = {
    "ok": ("verde", "32"),
    "warning": ("AVISO", "33"),
    "red": ("ROJO", "31"),
    "skipped": ("—", "2"),
}


def run(arguments: argparse.Namespace) -> int:
    context = context_of(
        os.environ,
        is_running=arguments.running,
        evidence=arguments.evidence or _ROOT / "build" / "green.json",
        lock=arguments.lock or _ROOT / "requirements.txt",
        least_free=arguments.least_free_gb * 1_000_000_000,
    )
    results = asyncio.run(verify(context))
    failed = [one for one in results if one.state == "red" or (arguments.strict and one.state == "warning")]
    if arguments.json:
        told = {"release": release(), "ok": not failed, "results": results}
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    else:
        _show(results, coloured=sys.stdout.isatty())
    return FAILED if failed else 0


def _show(results: list[Result], *, coloured: bool) -> None:
    area = ""
    width = max(len(one.name) for one in results)
    for one in results:
        if one.area != area:
            area = one.area
            print(f"\n{area}")
        mark, colour = _MARKS[one.state]
        shown = f"\033[{colour}m{mark:<5}\033[0m" if coloured else f"{mark:<5}"
        print(f"  {shown}  {one.name:<{width}}  {one.title}")
        if one.seen:
            print(f"  {'':<5}  {'':<{width}}  {one.seen}")
        if one.cure:
            print(f"  {'':<5}  {'':<{width}}  → {one.cure}")
    counts = {state: sum(one.state == state for one in results) for state in _MARKS}
    print(
        f"\n{release()}: {counts['ok']} en verde, {counts['warning']} avisos, {counts['red']} en rojo, "
        f"{counts['skipped']} no aplican"
    )
