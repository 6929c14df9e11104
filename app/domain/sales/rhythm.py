"""When a shop usually makes its first sale of a weekday, and whether it made one today: for whoever watches over it."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import func, select

from app.db.session import Work
from app.domain.sales.models import Sale

WEEKS: Final = 6
"""Of the same weekday that are looked back at."""
ENOUGH: Final = 4
"""Of them with sales, before a weekday has a usual hour."""


class Rhythm(msgspec.Struct, frozen=True):
    """First sales of this weekday."""

    usual: time | None
    """In the shop's zone, the middle one of the last weeks; None: too few of them had sales."""
    sold_today: bool


async def first_sales(work: Work, now: datetime, zone: ZoneInfo) -> Rhythm:
    """Ask each of the last weeks for its first sale of this weekday: one probe of an index a day."""
    today = now.astimezone(zone).date()
    firsts: list[time] = []
    sold_today = False
    for week in range(WEEKS + 1):
        begin = datetime.combine(today - timedelta(weeks=week), time(), zone)
        first = await work.session.scalar(
            select(func.min(Sale.posted_at)).where(
                Sale.tenant_id == work.tenant_id,
                Sale.posted_at >= begin,
                Sale.posted_at < begin + timedelta(days=1),
            )
        )
        if week == 0:
            sold_today = first is not None
        elif first is not None:
            firsts.append(first.astimezone(zone).time())
    usual = sorted(firsts)[len(firsts) // 2] if len(firsts) >= ENOUGH else None
    return Rhythm(usual, sold_today)
