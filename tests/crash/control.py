"""The control: PostgreSQL told not to wait for the disk. If the suite finds nothing lost then, it can find nothing."""

import asyncio

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


async def careless(house: House, clients: int) -> tuple[int, int]:
    """Sell with synchronous_commit off, kill PostgreSQL, and count: sales acknowledged meanwhile, and those lost."""
    acknowledged = lost = 0
    for number in range(1, _TRIES + 1):
        load = Load(house, f"control-{number}", clients=clients, shops=1, only_sales=True)
        try:
            # With durable shops: a till whose company was lost could not tell us anything.
            await load.opened()
            await _set(house, [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in _CARELESS.items()])
            before = load.ledger.refresh()
            await asyncio.sleep(SELLING_SECONDS)
            pid = await house.pid_of("postgresql")
            await house.gone(kill_tree(pid))
            acknowledged += load.ledger.refresh() - before
            await house.healthy("postgresql", pid)
            await load.settle()
        finally:
            load.end()
            await _set(house, [f"ALTER SYSTEM RESET {name}" for name in _CARELESS])
        lost += len(await lost_sales(house, load.shops, load.ledger.entries))
        say(f"control, synchronous_commit off: {acknowledged} sales acknowledged, {lost} lost")
        if lost:
            break
    return acknowledged, lost


async def _set(house: House, statements: list[str]) -> None:
    for statement in (*statements, "SELECT pg_reload_conf()"):
        await house.value(statement)
