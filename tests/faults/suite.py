"""The faults, what must be told of each, and the run that breaks, waits, mends and counts."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from app.dev.processes import descendants, send
from app.settings import read_settings
from tests.crash.report import say
from tests.faults.house import ALLOWED, EVERY, FaultHouse
from worker.check import Check
from worker.checks import all_checks

ALL: Final = frozenset({"mail", "slack", "webhook"})
_QUIET: Final = 3.0 * EVERY
"""Seconds after the last message in which no other may come."""
_CALM_LIMIT: Final = 60.0

Mend = Callable[[], Awaitable[None]]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to break the house."""

    name: str
    of: tuple[str, ...]
    """Checks of which exactly one beginning and one end is told on each channel."""
    put: Callable[[FaultHouse], Awaitable[Mend]]
    on_time: frozenset[str] = ALL
    """Channels that are not broken themselves."""
    lasts: float = _QUIET
    """Seconds it stays after it was told; what heals by itself is waited for."""


class Told(msgspec.Struct, kw_only=True):
    """What came of a fault."""

    name: str
    alerts: str
    seconds: float | None
    recovery: float | None
    failures: list[str] = msgspec.field(default_factory=list)


async def _stop_postgres(house: FaultHouse) -> Mend:
    await house.postgres.stop_in_loop(0)
    return house.postgres.start_in_loop


async def _stop_redis(house: FaultHouse) -> Mend:
    await house.redis.stop_in_loop(0)
    return house.redis.start_in_loop


async def _stop_both(house: FaultHouse) -> Mend:
    mends = [await _stop_postgres(house), await _stop_redis(house)]

    async def mend() -> None:
        for one in mends:
            await one()

    return mend


async def _freeze_postgres(house: FaultHouse) -> Mend:
    thaw = await house.freeze(house.postgres)
    return _later(thaw)


async def _freeze_redis(house: FaultHouse) -> Mend:
    thaw = await house.freeze(house.redis)
    return _later(thaw)


def _later(act: Callable[[], None]) -> Mend:
    async def mend() -> None:
        act()

    return mend


async def _empty_redis(house: FaultHouse) -> Mend:
    from redis.asyncio import Redis

    redis = Redis.from_url(house.redis.url())
    await redis.flushall()
    await redis.aclose()
    return _later(lambda: None)


async def _kill_worker(house: FaultHouse) -> Mend:
    assert house.worker is not None
    house.kill(house.worker)
    return _later(house.start_worker)


def _block_worker(seconds: float) -> Callable[[FaultHouse], Awaitable[Mend]]:
    async def put(house: FaultHouse) -> Mend:
        began = time.monotonic()
        await house.block_worker(seconds)

        async def mend() -> None:
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))

        return mend

    return put


async def _hang_api(house: FaultHouse) -> Mend:
    assert house.web is not None
    return _later(await house.freeze(house.web))


async def _stop_smtp(house: FaultHouse) -> Mend:
    assert house.smtp is not None
    house.kill(house.smtp)
    return _later(house.start_smtp)


async def _break_slack(house: FaultHouse) -> Mend:
    house.receivers.slack_fails = True
    mend_redis = await _stop_redis(house)

    async def mend() -> None:
        house.receivers.slack_fails = False
        await mend_redis()

    return mend


async def _fail_backup(house: FaultHouse) -> Mend:
    await house.backup("failed", "pg_dump terminó con 1")

    async def mend() -> None:
        await house.backup("good", None)

    return mend


async def _fill_disk(house: FaultHouse) -> Mend:
    file = house.small_disk / "fill"
    file.write_bytes(bytes(3_990_000))
    return _later(file.unlink)


async def _kill_leader(house: FaultHouse) -> Mend:
    """The leader dies in the moment in which Redis does; the other one takes over."""
    house.start_monitor()
    await asyncio.sleep(3 * EVERY)
    leader, *_ = house.monitors
    send([leader.pid, *descendants(leader.pid)], signal.SIGKILL)
    return await _stop_redis(house)


def faults(blocked: float) -> list[Fault]:
    late = frozenset({"slack", "webhook"})
    return [
        Fault(name="PostgreSQL stopped", of=("postgresql",), put=_stop_postgres),
        Fault(name="PostgreSQL frozen", of=("postgresql",), put=_freeze_postgres),
        Fault(name="Redis stopped", of=("redis",), put=_stop_redis),
        Fault(name="PostgreSQL and Redis stopped", of=("postgresql", "redis"), put=_stop_both),
        Fault(name="Redis frozen", of=("redis",), put=_freeze_redis),
        Fault(name="Redis emptied", of=(), put=_empty_redis),
        Fault(name="worker killed", of=("worker",), put=_kill_worker),
        Fault(name=f"worker blocked {blocked:g} s", of=("worker",), put=_block_worker(blocked), lasts=0),
        Fault(name="API hung", of=("api",), put=_hang_api),
        Fault(name="SMTP down", of=("smtp",), put=_stop_smtp, on_time=late),
        Fault(
            name="Slack answers 500 while Redis is down",
            of=("redis",),
            put=_break_slack,
            on_time=frozenset({"mail", "webhook"}),
        ),
        Fault(name="backup failed", of=("backup",), put=_fail_backup),
        Fault(name="disk full", of=("disk",), put=_fill_disk),
        Fault(name="monitor's leader killed as Redis stops", of=("redis",), put=_kill_leader),
    ]


SMALL: Final = ("PostgreSQL and Redis stopped", "worker killed", "monitor's leader killed as Redis stops")
"""What `make test` breaks."""


class Run:
    """The faults in turn, in one house."""

    def __init__(self, house: FaultHouse) -> None:
        self._house = house
        checks: dict[str, Check] = {check.name: check for check in all_checks(read_settings(house.environment()))}
        self._titles = {name: check.title for name, check in checks.items()}
        self._names = {title: name for name, title in self._titles.items()}

    async def break_with(self, fault: Fault) -> Told:
        house = self._house
        told = Told(name=fault.name, alerts="", seconds=None, recovery=None)
        await house.rest()
        house.start_monitor()
        # Long enough for every check to have answered well, and for a worker's first signs of life.
        await asyncio.sleep(4 * EVERY)
        if house.messages():
            told.failures.append(f"told before anything was broken: {self._said()}")
            return told
        began = time.monotonic()
        mend = await fault.put(house)
        wanted = {(channel, "opened", name) for channel in fault.on_time for name in fault.of}
        told.seconds = await self._until(wanted, began)
        await asyncio.sleep(fault.lasts if fault.of else ALLOWED)
        await mend()
        mended = time.monotonic()
        told.recovery = await self._until(
            {(channel, "resolved", name) for channel in fault.on_time for name in fault.of}, mended
        )
        if fault.on_time != ALL:
            both = {(channel, event, name) for channel in ALL for event in ("opened", "resolved") for name in fault.of}
            await self._until(both, mended, _CALM_LIMIT)
        await asyncio.sleep(_QUIET)
        self._judge(fault, told)
        return told

    async def _until(
        self, wanted: set[tuple[str, str, str]], since: float, most: float = ALLOWED + 2.0
    ) -> float | None:
        """Seconds until all of them were there; None for never, or for nothing wanted."""
        while wanted and time.monotonic() - since < most:
            came = {(channel, event, self._name(what)): at for channel, event, what, at in self._house.messages()}
            if wanted <= came.keys():
                return max(came[one] for one in wanted) - since
            await asyncio.sleep(0.05)
        return None

    def _name(self, what: str) -> str:
        return self._names.get(what, what)

    def _said(self) -> list[tuple[str, str, str]]:
        return sorted((channel, event, self._name(what)) for channel, event, what, _ in self._house.messages())

    def _judge(self, fault: Fault, told: Told) -> None:
        wanted = sorted(
            (channel, event, name) for channel in ALL for event in ("opened", "resolved") for name in fault.of
        )
        said = self._said()
        told.alerts = ", ".join(fault.of) or "none"
        if said != wanted:
            told.failures.append(f"told {said}, not {wanted}")
        for what, seconds in (("alert", told.seconds), ("recovery notice", told.recovery)):
            if fault.of and (seconds is None or seconds > ALLOWED):
                told.failures.append(f"the {what} took {'for ever' if seconds is None else f'{seconds:.1f} s'}")
        if self._house.receivers.forged:
            told.failures.append(f"{self._house.receivers.forged} signatures do not fit")


async def missed_monitor(house: FaultHouse) -> float:
    """Seconds without a call after the only monitor was killed, when the outside service would tell of it."""
    await house.rest()
    monitor = house.start_monitor()
    await asyncio.sleep(4 * EVERY)
    calls = len(house.receivers.pings)
    house.kill(monitor)
    house.monitors.clear()
    killed = time.monotonic()
    await asyncio.sleep(2 * EVERY + 1)
    late = [ping for ping in house.receivers.pings if ping > killed + 0.5]
    return 0.0 if late or calls < 2 else time.monotonic() - house.receivers.pings[-1]


async def run(folder: Path, names: tuple[str, ...] | None, blocked: float) -> tuple[list[Told], float, float]:
    """Break what is named, or everything; also how late the monitor's looks were at worst, and when its death was missed."""
    found: list[Told] = []
    async with FaultHouse(folder) as house:
        try:
            await house.open()
            suite, late = Run(house), 0.0
            for fault in faults(blocked):
                if names is not None and fault.name not in names:
                    continue
                if fault.of == ("disk",) and not house.has_small_disk:
                    found.append(
                        Told(
                            name=fault.name,
                            alerts="not run: mounting a small disk needs root",
                            seconds=None,
                            recovery=None,
                        )
                    )
                    continue
                told = await suite.break_with(fault)
                late = max(late, house.delay())
                say(
                    f"{told.name}: {told.seconds} s to alert, {told.recovery} s to recovery; {told.failures or 'as promised'}"
                )
                found.append(told)
            silent = await missed_monitor(house)
        finally:
            house.close()
    return found, late, silent
