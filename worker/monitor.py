"""`mostrador monitor`: looks at everything the shops need, and tells. Carries neither queue nor web code."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
import uvloop

from app.lib.clock import follow_clock_file
from app.lib.log import set_up_logging
from app.settings import Settings
from worker.alarm import Alarm, Store
from worker.checks import Check, Unknown, all_checks
from worker.leader import Leadership
from worker.notices import Messenger
from worker.pace import pause

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

_SOON: Final = 15.0
"""Seconds before a check that failed, or that just recovered, is asked again."""
_LIMIT: Final = 10.0
"""Seconds for one question."""


async def run_monitor(settings: Settings, stop: asyncio.Event, checks: Sequence[Check] | None = None) -> None:
    """Look until `stop`. Each check has its own rhythm, so one that hangs holds up no other."""
    chosen = tuple(checks or all_checks(settings))
    messenger = Messenger(settings)
    leadership = Leadership(settings)
    alarm = Alarm(Store(settings), leadership, messenger)
    _LOG.info("monitor starts", checks=[check.name for check in chosen], every=settings.monitor_seconds)
    try:
        await _until(stop, leadership.look(), alarm.adopt(chosen))
        looking = [_keep_looking(check, chosen, alarm, settings.monitor_seconds, stop) for check in chosen]
        await _until(stop, leadership.run(stop), *looking)
    finally:
        await messenger.close()
    _LOG.info("monitor stopped")


async def _until(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts side by side to their end, or to `stop`, which waits for no server. Raises what one raised."""

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)

    working = asyncio.create_task(all_of_them())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _keep_looking(check: Check, checks: tuple[Check, ...], alarm: Alarm, every: int, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await _look(check, alarm)
        await alarm.adopt(checks)
        wait = every - time.time() % every
        await pause(stop, wait if alarm.state(check).settled else min(wait, _SOON, every))


async def _look(check: Check, alarm: Alarm) -> None:
    try:
        async with asyncio.timeout(_LIMIT):
            detail = await check.ask()
    except Unknown as reason:
        _LOG.info("cannot tell", check=check.name, reason=str(reason))
        return
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not the end of the watch
        _LOG.error("check broke", check=check.name, exc_info=error)
        detail = f"La comprobación «{check.name}» no terminó: {type(error).__name__}."
    if detail is not None and alarm.muted(check):
        return
    await alarm.note(check, detail)


def run(settings: Settings) -> int:
    """Run as a process until SIGTERM or SIGINT; answers the exit code."""
    set_up_logging("monitor")
    follow_clock_file(settings.clock_file)
    uvloop.run(_until_signal(settings))
    return 0


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_monitor(settings, stop)
