"""`mostrador monitor`: looks at everything the shops need, and tells. Carries neither queue nor web code."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
import uvloop

from app.domain.alerts.channels import CHANNELS, Channels
from app.lib import clock
from app.lib.clock import follow_clock_file
from app.lib.log import set_up_logging
from app.settings import Settings
from worker.alarm import Alarm
from worker.check import Answer, Check, Unknown
from worker.checks import all_checks
from worker.deadman import DeadMan
from worker.leader import Leadership
from worker.pace import pause
from worker.post import Post
from worker.spool import Spool
from worker.store import Store

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

_SOON: Final = 15.0
"""Seconds before a check that failed, or that just recovered, is asked again; and between two looks at time itself."""
_LIMIT: Final = 10.0
"""Seconds for one question."""


class Monitor:
    """One process's watch."""

    def __init__(self, settings: Settings, checks: Sequence[Check] | None = None) -> None:
        self._every = settings.monitor_seconds
        self._deadman = DeadMan(settings, self.watching)
        self.checks = tuple(checks or all_checks(settings, self._deadman))
        self.leadership = Leadership(settings)
        self.spool = Spool(settings)
        store = Store(settings)
        self.post = Post(store, self.spool, Channels(settings))
        self.alarm = Alarm(
            settings, self.checks, store=store, spool=self.spool, leadership=self.leadership, post=self.post
        )
        self._unheard = deaf_to(settings)
        self._asked = dict.fromkeys((check.name for check in self.checks), time.monotonic())
        self._hurry = {check.name: asyncio.Event() for check in self.checks}
        self.longest_delay = 0.0
        """Seconds by which a look came later than it was due, at worst."""

    def watching(self) -> bool:
        """Whether every check was asked of late."""
        return time.monotonic() - min(self._asked.values(), default=0.0) < 2 * self._every + _LIMIT + _SOON

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`. Each check has its own rhythm, so one that hangs holds up no other."""
        _LOG.info("monitor starts", checks=list(self._asked), every=self._every)
        for said in self._unheard:
            _LOG.error("nobody would hear", reason=said)
        self.spool.open()
        try:
            await _until(stop, self.leadership.look(), self.alarm.sync())
            looking = [self._keep_looking(check, stop) for check in self.checks]
            others = (self.leadership.run(stop), self.post.run(stop), self._ticking(stop), self._deadman.run(stop))
            await _until(stop, *others, *looking)
        finally:
            await self.post.close()
            self.spool.close()
        _LOG.info("monitor stopped")

    async def _ticking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.alarm.tick()
            await pause(stop, min(_SOON, self._every))

    async def _keep_looking(self, check: Check, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._look(check)
            wait = self._every - time.time() % self._every
            wait = wait if self.alarm.state(check).settled else min(wait, _SOON, self._every)
            due = time.monotonic() + wait
            hurried = await self._rest(check, wait, stop)
            if not hurried and not stop.is_set():
                self.longest_delay = max(self.longest_delay, time.monotonic() - due)

    async def _rest(self, check: Check, seconds: float, stop: asyncio.Event) -> bool:
        """Wait for the next look; answers whether another check's failure called for it."""
        hurry = self._hurry[check.name]
        waits = [asyncio.create_task(event.wait()) for event in (stop, hurry)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        hurried = hurry.is_set()
        hurry.clear()
        return hurried

    async def _look(self, check: Check) -> None:
        asked_at = clock.now()
        self._asked[check.name] = time.monotonic()
        answer: Answer
        try:
            async with asyncio.timeout(_LIMIT):
                answer = await check.ask()
        except Unknown as reason:
            _LOG.info("cannot tell", check=check.name, reason=str(reason))
            return
        except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not the end of the watch
            _LOG.error("check broke", check=check.name, exc_info=error)
            answer = f"La comprobación «{check.name}» no terminó: {type(error).__name__}."
        await self.alarm.note(check, answer, asked_at)
        for suspect in self.alarm.suspects(check):
            self._hurry[suspect.name].set()


def deaf_to(settings: Settings) -> list[str]:
    """What of the watch nobody would hear of, as the installation is configured."""
    channels = Channels(settings)
    found = []
    if all(channels.why_not(channel, "critical", "opened") is not None for channel in CHANNELS):
        found.append("no channel takes alerts: set ALERT_EMAIL with SMTP_HOST, SLACK_WEBHOOK_URL or ALERT_WEBHOOK_URL")
    if settings.deadman_url is None:
        found.append("nobody notices the end of this monitor: set DEADMAN_URL")
    if not settings.metrics_token:
        found.append("errors and slowness of the API are not looked at: set METRICS_TOKEN")
    return found


async def run_monitor(settings: Settings, stop: asyncio.Event, checks: Sequence[Check] | None = None) -> None:
    """Look until `stop`."""
    await Monitor(settings, checks).run(stop)


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
