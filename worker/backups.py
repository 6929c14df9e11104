"""The platform's backups and drills: rows that wait are taken one at a time, by whoever works on the long queue."""

import asyncio
from typing import Final

from app.db.session import Database
from app.domain.backups.platform.desk import work_once
from worker.pace import Pace, pause, persist

_LOOK: Final = 5.0
"""Seconds between two looks."""


async def run_backups(database: Database, stop: asyncio.Event, pace: Pace) -> None:
    """Until `stop`; what is on its way then is given back, and begun anew by another process."""

    async def turn() -> None:
        if not await work_once(database):
            await pause(stop, _LOOK)

    working = asyncio.create_task(persist("backups", turn, stop, pace))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
