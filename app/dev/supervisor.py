"""Keeps services running: a dead one starts again after 1 s, and after ever longer waits if it keeps dying."""

import asyncio
import time
from collections.abc import Sequence

from app.dev.server import ServerFailed
from app.dev.services import Service
from app.dev.terminal import warn

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
_STEADY_SECONDS = 10.0
"""A service that ran this long had recovered: its next death waits 1 s again."""
_LOOK_SECONDS = 0.1


class Supervisor:
    """Watches from `keep` until `stop`."""

    def __init__(self) -> None:
        self._keepers: list[asyncio.Task[None]] = []

    def keep(self, service: Service) -> None:
        self._keepers.append(asyncio.create_task(_keep(service), name=f"keep {service.name}"))

    async def failed(self) -> None:
        """Returns when a keeper itself broke, raising its error: then nothing would restart that service."""
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_EXCEPTION)
        for keeper in done:
            keeper.result()

    async def stop(self, *rounds: tuple[Sequence[Service], float]) -> None:
        """Stop the services round by round, those of a round together within so many seconds."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for services, seconds in rounds:
            await asyncio.gather(*(service.stop(seconds) for service in services))


async def _keep(service: Service) -> None:
    wait = FIRST_WAIT
    while True:
        since = time.monotonic()
        while service.pid is not None:
            await asyncio.sleep(_LOOK_SECONDS)
        if not service.allowed.is_set():
            await service.allowed.wait()
            continue
        if time.monotonic() - since > _STEADY_SECONDS:
            wait = FIRST_WAIT
        warn(f"{service.name}: ended, starts again in {wait:.0f} s; its log: {service.log}")
        await asyncio.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)
        if not service.allowed.is_set():
            continue
        try:
            await service.start()
        except ServerFailed as failure:
            warn(str(failure))
        else:
            warn(f"{service.name}: running again")
