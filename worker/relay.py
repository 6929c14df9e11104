"""From the outbox to the queues: claims what is due, company by company, and offers it to the workers.

Also the sweep: a row that was offered and not begun, or begun and never ended, comes due again by itself.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from arq.connections import ArqRedis
from sqlalchemy import text

from app.db.session import Database
from app.lib import clock
from app.lib.jobs import BELL
from worker.pace import OUTAGES, Pace, persist
from worker.wire import Offer, is_new, lane_of, offer

_LOG = structlog.stdlib.get_logger("mostrador.relay")

_TENANTS: Final = 200
_BATCH: Final = 100
"""Rows of one company before the next has its turn."""

_DUE_TENANTS = text(
    "SELECT tenant_id FROM outbox WHERE status IN ('pending','queued','running') AND due_at <= :now "
    f"GROUP BY tenant_id ORDER BY min(due_at) LIMIT {_TENANTS}"
)
# Materialized: as a plain subquery a join may run it again, and claim another batch each time.
_CLAIM = text(
    "WITH due AS MATERIALIZED ("
    "SELECT id FROM outbox WHERE tenant_id = :tenant_id AND status IN ('pending','queued','running') "
    f"AND due_at <= :now ORDER BY due_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED"
    ") UPDATE outbox SET status = 'queued', due_since = coalesce(due_since, due_at), due_at = :again "
    "FROM due WHERE outbox.tenant_id = :tenant_id AND outbox.id = due.id RETURNING outbox.id, outbox.queue, outbox.kind"
)
_PUT_BACK = text(
    "UPDATE outbox SET due_at = :now WHERE tenant_id = :tenant_id AND id = ANY(:ids) AND status = 'queued'"
)
_OFFERED_TENANTS = text("SELECT DISTINCT tenant_id FROM outbox WHERE status = 'queued'")
_OFFER_AGAIN = text("UPDATE outbox SET due_at = :now WHERE tenant_id = :tenant_id AND status = 'queued'")


class Relay:
    """Any number may run; a row is claimed by one of them."""

    def __init__(self, database: Database, redis: ArqRedis, pace: Pace) -> None:
        self._database = database
        self._redis = redis
        self._pace = pace
        self._more = False

    async def run(self, stop: asyncio.Event) -> None:
        await persist("relay", self._turn, stop, self._pace)

    async def _turn(self) -> None:
        # Redis first: while it is away nothing is claimed that could not be offered.
        if await is_new(self._redis):
            await self._offer_again()
        elif not self._more:
            # As a plain command: the library's own types take whole seconds only.
            await self._redis.execute_command("BLPOP", BELL, self._pace.poll)  # type: ignore[no-untyped-call]
        self._more = await self.offer_due() > 0

    async def offer_due(self) -> int:
        """Offer what is due now, up to a batch of each company; answers how many jobs that were."""
        now = clock.now()
        async with self._database.platform_transaction() as session:
            tenants = (await session.scalars(_DUE_TENANTS, {"now": now})).all()
        offered = 0
        for tenant_id in tenants:
            offers = await self._claim(tenant_id, now)
            offered += len(offers)
            if offers:
                await self._offer(tenant_id, offers)
        return offered

    async def _claim(self, tenant_id: UUID, now: datetime) -> list[Offer]:
        again = now + timedelta(seconds=self._pace.sweep)
        async with self._database.platform_transaction() as session:
            rows: Sequence[Any] = (
                await session.execute(_CLAIM, {"tenant_id": tenant_id, "now": now, "again": again})
            ).all()
        return [Offer(tenant_id, row.id, lane_of(row.queue, row.kind)) for row in rows]

    async def _offer(self, tenant_id: UUID, offers: list[Offer]) -> None:
        try:
            await offer(self._redis, offers)
        except OUTAGES:
            # Not lost either way: without this the sweep would find them.
            async with self._database.platform_transaction() as session:
                ids = [one.job_id for one in offers]
                await session.execute(_PUT_BACK, {"tenant_id": tenant_id, "ids": ids, "now": clock.now()})
            raise

    async def _offer_again(self) -> None:
        """What an emptied Redis forgot is due at once."""
        async with self._database.platform_transaction() as session:
            tenants = (await session.scalars(_OFFERED_TENANTS)).all()
        for tenant_id in tenants:
            async with self._database.platform_transaction() as session:
                await session.execute(_OFFER_AGAIN, {"tenant_id": tenant_id, "now": clock.now()})
        if tenants:
            _LOG.info("offering again", companies=len(tenants))
