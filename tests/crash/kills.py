"""Killing under load, one service after the other, and waiting until the house works again."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from random import Random

import msgspec

from tests.crash.house import House, NotBack, kill_children, kill_tree
from tests.crash.ledger import Acknowledged
from tests.crash.load import Load
from tests.crash.report import say


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """One kill and what followed; instants by `time.monotonic()`."""

    target: str
    processes: int
    at: float
    healthy_after: float
    """Seconds until every service ran and worked again."""
    until: float
    """The next kill was not before this."""


async def _kill_api(house: House) -> tuple[list[int], float]:
    pid = await house.pid_of("api")
    killed, at = kill_tree(pid), time.monotonic()
    await house.gone(killed)
    await house.healthy("api", pid)
    return killed, at


async def _kill_serving(house: House) -> tuple[list[int], float]:
    """Only the processes that serve: their parent starts new ones."""
    parent = await house.pid_of("api")
    killed, at = kill_children(parent), time.monotonic()
    await house.gone(killed)
    await house.healthy()
    if await house.pid_of("api") != parent:
        raise NotBack("the API server ended with its serving process instead of replacing it")
    return killed, at


def _service(name: str) -> Callable[[House], Awaitable[tuple[list[int], float]]]:
    async def kill(house: House) -> tuple[list[int], float]:
        pid = await house.pid_of(name)
        killed, at = kill_tree(pid), time.monotonic()
        await house.gone(killed)
        await house.healthy(name, pid)
        return killed, at

    return kill


TARGETS: dict[str, Callable[[House], Awaitable[tuple[list[int], float]]]] = {
    "API, all its processes": _kill_api,
    "API, the serving process": _kill_serving,
    "worker": _service("worker"),
    "Redis": _service("redis"),
    "PostgreSQL with all its backends": _service("postgresql"),
}
LAUNCHER = "`mostrador up` itself"


async def kill_each(house: House, load: Load, times: int) -> list[Kill]:
    """Kill every target so many times, in turns: the launcher waits longer before it restarts what keeps dying."""
    random = Random(20)
    kills: list[Kill] = []
    for turn in range(1, times + 1):
        for target, kill in TARGETS.items():
            await load.sold(2 * load.clients)
            await asyncio.sleep(random.uniform(0, 0.6))
            killed, at = await kill(house)
            kills.append(_told(target, killed, at))
        say(
            f"turn {turn} of {times}: "
            + ", ".join(f"{kill.healthy_after:.1f}" for kill in kills[-len(TARGETS) :])
            + " s"
        )
    return kills


async def kill_launcher(house: House, load: Load) -> Kill:
    """Kill the launcher, look that nothing of it is left, and start it again over the same folder."""
    await load.sold(2 * load.clients)
    at = time.monotonic()
    processes, seconds = await house.kill_launcher()
    say(f"`mostrador up` killed: {processes} processes gone after {seconds:.1f} s; starting it again")
    await house.start()
    await load.sold(2 * load.clients)
    return _told(LAUNCHER, list(range(processes + 1)), at)


def _told(target: str, killed: list[int], at: float) -> Kill:
    now = time.monotonic()
    return Kill(target=target, processes=len(killed), at=at, healthy_after=now - at, until=now)


def longest_silence(kill: Kill, entries: list[Acknowledged]) -> float:
    """Seconds without a single acknowledged write, from the kill until the house worked again and sold."""
    times = [entry.at for entry in entries if kill.at - 1 <= entry.at]
    before = max((at for at in times if at <= kill.at), default=kill.at)
    after: list[float] = [before]
    for at in times:
        if at > before:
            after.append(at)
        if at > kill.until:
            break
    return max((late - early for early, late in itertools.pairwise(after)), default=0.0)
