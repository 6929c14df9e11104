"""The control: PostgreSQL told not to wait for the disk. If the suite finds nothing lost then, it can find nothing."""

import asyncio
import time

from tests.crash.books import lost_sales
from tests.crash.house import House, kill_tree
from tests.crash.load import Load
from tests.crash.report import say

_CARELESS = {
    "synchronous_commit": "off",
    # As long as it may sleep, and not woken by how much there is to write: what was acknowledged stays in memory.
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "1GB",
}
_TRIES = 3
SELLING_SECONDS = 3.0
_ON_THEIR_WAY = 0.5
"""Seconds in which answers given before the kill may still arrive; the server starts again after one."""


async def careless(house: House, clients: int) -> tuple[int, int]:
    """Sell with synchronous_commit off, kill PostgreSQL, and count: sales acknowledged meanwhile, and those lost."""
    acknowledged = lost = 0
    for number in range(1, _TRIES + 1):
        load = Load(house, f"control-{number}", clients=clients, shops=1, only_sales=True)
        try:
            # With durable shops: a till whose company was lost could not tell us anything.
            await load.opened()
            await _set(house, [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in _CARELESS.items()])
            since = time.monotonic()
            await asyncio.sleep(SELLING_SECONDS)
            pid = await house.pid_of("postgresql")
            killed = kill_tree(pid)
            until = time.monotonic() + _ON_THEIR_WAY
            await house.gone(killed)
            await house.healthy("postgresql", pid)
            await load.settle()
        finally:
            load.end()
            await _set(house, [f"ALTER SYSTEM RESET {name}" for name in _CARELESS])
        acknowledged += sum(since < entry.at <= until for entry in load.ledger.entries)
        lost += len(await lost_sales(house, load.shops, load.ledger.entries))
        say(f"control, synchronous_commit off: {acknowledged} sales acknowledged, {lost} lost")
        if lost:
            break
    return acknowledged, lost


async def _set(house: House, statements: list[str]) -> None:
    for statement in (*statements, "SELECT pg_reload_conf()"):
        await house.value(statement)
