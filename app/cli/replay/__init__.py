"""`mostrador replay`: sells a file of real sales through a running API, and checks every figure it answers."""

import argparse
import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import uvloop

from app.cli import FAILED, MISUSED
from app.cli.replay.plan import BadFile, Plan, read_plan
from app.cli.replay.selling import Acknowledgements, Outcome, Replay, difference
from app.cli.replay.shop import Failed, Shop
from app.lib.money import ZERO

_TELL_SECONDS: Final = 2.0


def run(arguments: argparse.Namespace) -> int:
    try:
        plan = read_plan(arguments.file)
    except (BadFile, OSError, UnicodeDecodeError) as error:
        print(f"mostrador replay: {error}", file=sys.stderr)
        return MISUSED
    acknowledged = Acknowledgements(arguments.ack_file)
    try:
        return uvloop.run(_replay(plan, arguments.url, arguments.clients, acknowledged))
    except (Failed, ValueError) as error:
        print(f"mostrador replay: {error}", file=sys.stderr)
        return FAILED
    finally:
        acknowledged.close()


async def _replay(plan: Plan, url: str, clients: int, acknowledged: Acknowledgements) -> int:
    shop = Shop(url, clients)
    try:
        async for step in shop.set_up(plan):
            print(step, flush=True)
        replay = Replay(plan, shop, acknowledged)
        telling = asyncio.create_task(_tell(plan, replay.outcome))
        try:
            outcome = await replay.run(clients)
        finally:
            telling.cancel()
        differences = await difference(shop)
    finally:
        await shop.close()
    return _report(plan, outcome, differences, clients, shop.repeated)


async def _tell(plan: Plan, outcome: Outcome) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        done = outcome.tickets + outcome.returns
        seconds = time.monotonic() - started
        print(f"  {done} of {len(plan.steps)} tickets and returns, {outcome.tickets / seconds:.0f} sales/s", flush=True)


def _report(plan: Plan, outcome: Outcome, differences: Sequence[str], clients: int, repeated: int) -> int:
    expected_sold = sum((ticket.total for ticket in plan.tickets), start=ZERO)
    expected_returned = sum((step.total for step in plan.returns), start=ZERO)
    lines = outcome.sold_lines + outcome.returned_lines + len(plan.refused)
    print()
    print(f"sold      {outcome.sold_lines} lines in {outcome.tickets} tickets")
    print(f"returned  {outcome.returned_lines} lines in {outcome.returns} returns")
    print(f"refused   {len(plan.refused)} lines")
    for reason, count in Counter(refused.reason for refused in plan.refused).most_common():
        print(f"  {count:6} {reason}")
    print(f"all       {lines} lines of {plan.lines} in the file")
    print()
    print(_money("sold", outcome.sold, expected_sold))
    print(_money("returned", outcome.returned, expected_returned))
    p50, p95, p99 = (percentile(outcome.milliseconds, part) for part in (0.50, 0.95, 0.99))
    rate = outcome.tickets / outcome.seconds if outcome.seconds else 0.0
    sold_lines = outcome.sold_lines / outcome.seconds if outcome.seconds else 0.0
    print(
        f"speed     {rate:.1f} sales/s ({sold_lines:.0f} lines/s) with {clients} clients, {repeated} requests repeated"
    )
    print(f"latency   p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms a sale")
    print(f"reconciler: difference {len(differences)}")
    for found in differences:
        print(f"  {found}")
    if plan.refused:
        print("\nrefused lines (line, invoice, code, quantity, price in pesos, customer, reason):")
    for refused in plan.refused:
        line = refused.line
        print(
            f"  {line.number} {line.invoice} {line.code} {line.quantity} {line.price.normalize():f} "
            f"{line.customer or '-'} {refused.reason}"
        )
    for wrong in outcome.wrong:
        print(f"unexpected: {wrong}", file=sys.stderr)
    exact = outcome.sold == expected_sold and outcome.returned == expected_returned
    return 0 if exact and lines == plan.lines and not differences and not outcome.wrong else FAILED


def _money(what: str, answered: object, expected: object) -> str:
    same = "equal" if answered == expected else "DIFFERENT"
    return f"{what:<9} {answered} pesos; the file says {expected}: {same}"


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest of the values that this part of them does not exceed; 0 without any."""
    ordered = sorted(values)
    return ordered[math.ceil(part * len(ordered)) - 1] if ordered else 0.0
