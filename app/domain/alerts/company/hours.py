"""Times of day of a shop: whether it is quiet now, when quiet ends, when the day's mail goes out."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_DAY: Final = timedelta(days=1)


def read_clock(text: str) -> time:
    """`HH:MM` as a time."""
    return time.fromisoformat(text)


def quiet_until(now: datetime, zone: ZoneInfo, quiet_from: str | None, quiet_to: str | None) -> datetime | None:
    """When the quiet that holds now ends; None when it is not quiet. A span may pass midnight."""
    if quiet_from is None or quiet_to is None:
        return None
    local, begin, end = now.astimezone(zone), read_clock(quiet_from), read_clock(quiet_to)
    clock = local.time().replace(tzinfo=None)
    is_quiet = begin <= clock < end if begin < end else clock >= begin or clock < end
    return next_at(now, zone, quiet_to) if is_quiet else None


def next_at(now: datetime, zone: ZoneInfo, at: str) -> datetime:
    """The next instant at which the shop's clocks show `at`; never now."""
    local = now.astimezone(zone)
    found = datetime.combine(local.date(), read_clock(at), zone)
    return found if found > local else found + _DAY
