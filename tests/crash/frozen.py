"""Redis held still under load: selling must not wait for it."""

import asyncio
import time

import msgspec

from app.cli.replay import percentile
from tests.crash.house import House
from tests.crash.ledger import Acknowledged
from tests.crash.load import Load
from tests.crash.report import say

GRACE_SECONDS = 2.0
"""What the house may take to notice."""
MOST = 2.0
"""Times the normal p95 that a sale may take afterwards."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of a sale and sales a second, before and while Redis stood still."""

    normal: float
    frozen: float
    normal_rate: float
    frozen_rate: float

    @property
    def held(self) -> bool:
        return self.frozen <= MOST * self.normal


async def freeze(house: House, load: Load, seconds: float) -> Frozen:
    """Measure as long as the freeze lasts, then freeze, then wait until all is well."""
    began = time.monotonic()
    await asyncio.sleep(seconds)
    frozen_at = time.monotonic()
    await house.freeze_redis(seconds)
    await asyncio.sleep(seconds)
    ended = time.monotonic()
    await house.healthy()
    load.ledger.refresh()
    normal = _sales(load.ledger.entries, began, frozen_at)
    frozen = _sales(load.ledger.entries, frozen_at + GRACE_SECONDS, ended)
    measured = Frozen(
        normal=percentile(normal, 0.95),
        frozen=percentile(frozen, 0.95),
        normal_rate=len(normal) / (frozen_at - began),
        frozen_rate=len(frozen) / (ended - frozen_at - GRACE_SECONDS),
    )
    say(f"Redis frozen: sale p95 {measured.normal:.1f} ms before, {measured.frozen:.1f} ms meanwhile")
    return measured


def _sales(entries: list[Acknowledged], since: float, until: float) -> list[float]:
    return [entry.milliseconds for entry in entries if entry.kind == "sale" and since < entry.at <= until]
