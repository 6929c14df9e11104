"""A worker's sign of life: one row a queue, by PostgreSQL's own clock."""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from app.db.session import Database
from worker.pace import OUTAGES, Pace, pause, persist
from worker.supervisor import QueueSupervisor

_BEAT = text(
    "INSERT INTO worker_heartbeat (queue, worker, beat_at, queue_active) VALUES (:queue, :worker, now(), :active) "
    "ON CONFLICT (queue, worker) DO UPDATE SET beat_at = excluded.beat_at, queue_active = excluded.queue_active"
)
_FORGET = text("DELETE FROM worker_heartbeat WHERE beat_at < now() - interval '1 day'")
_LEAVE = text("DELETE FROM worker_heartbeat WHERE worker = :worker")
_LEAVE_LIMIT: Final = 2.0


class Heartbeat:
    """Beats while the process's loop turns; a job that blocks the loop is seen by its silence."""

    def __init__(self, database: Database, supervisors: Sequence[QueueSupervisor], pace: Pace) -> None:
        self._database = database
        self._supervisors = supervisors
        self._pace = pace
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    async def run(self, stop: asyncio.Event) -> None:
        async def turn() -> None:
            await self.beat()
            await pause(stop, self._pace.beat)

        await persist("heartbeat", turn, stop, self._pace)

    async def beat(self) -> None:
        async with self._database.platform_transaction() as session:
            for supervisor in self._supervisors:
                values = {"queue": supervisor.queue, "worker": self._worker, "active": supervisor.active}
                await session.execute(_BEAT, values)
            await session.execute(_FORGET)

    async def leave(self) -> None:
        """Take the rows away: this worker stopped in order and is not missing."""
        try:
            async with asyncio.timeout(_LEAVE_LIMIT), self._database.platform_transaction() as session:
                await session.execute(_LEAVE, {"worker": self._worker})
        except OUTAGES:
            return
