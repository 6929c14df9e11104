"""The last step of every cycle: a call to an outside address, which tells when the calls stop."""

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import structlog

from app.settings import Settings
from worker.pace import pause

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

_LIMIT: Final = 10.0
_SHORTEST: Final = 1.0
_SOON: Final = 15.0
"""Seconds before a call that was not taken, or not made, is made again: one lost packet is no dead monitor."""


class DeadMan:
    """Calls only while every check is really asked: a watch that hangs must be missed like one that is gone."""

    def __init__(self, settings: Settings, alive: Callable[[], bool]) -> None:
        self._url = settings.deadman_url
        self._every = settings.monitor_seconds
        self._alive = alive
        self.skew: float | None = None
        """Seconds that our clock is ahead of the other side's, as its last answer said."""

    async def run(self, stop: asyncio.Event) -> None:
        while self._url is not None and not stop.is_set():
            went = self._alive() and await self._call(self._url)
            wait = self._every - time.time() % self._every
            await pause(stop, max(_SHORTEST, wait if went else min(wait, _SOON)))

    async def _call(self, url: str) -> bool:
        """Whether the other side took it."""
        try:
            async with httpx.AsyncClient(timeout=_LIMIT, follow_redirects=False, trust_env=False) as client:
                answer = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            _LOG.warning("dead-man address away", reason=f"{type(error).__name__}: {error}")
            return False
        if not answer.is_success:
            _LOG.warning("dead-man address refused", status=answer.status_code)
        if date := answer.headers.get("date"):
            try:
                self.skew = time.time() - parsedate_to_datetime(date).timestamp()
            except ValueError:
                self.skew = None
        return answer.is_success
