"""The one clock. Schedules, business days and tokens ask here, so that development can move it."""

import time
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

_CHECK_EVERY = 0.25
"""Seconds between looks at the development clock file."""


class _Moved(msgspec.Struct):
    offset_seconds: float = 0.0


class _Clock:
    """Real time, plus what the development launcher wrote; production has no file and no offset."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._offset = timedelta()
        self._looked_at = 0.0
        self.standing: datetime | None = None

    def follow(self, file: str | None) -> None:
        self._file = Path(file) if file else None
        self._offset = timedelta()
        self._looked_at = 0.0

    def now(self) -> datetime:
        if self.standing is not None:
            return self.standing
        if self._file is not None and time.monotonic() - self._looked_at > _CHECK_EVERY:
            self._looked_at = time.monotonic()
            moved = msgspec.json.decode(self._file.read_bytes(), type=_Moved) if self._file.exists() else _Moved()
            self._offset = timedelta(seconds=moved.offset_seconds)
        return datetime.now(UTC) + self._offset


_CLOCK = _Clock()
_HERE: ContextVar[datetime | None] = ContextVar("standing", default=None)
"""Where the clock stands for one task alone."""


def follow_clock_file(file: str | None) -> None:
    """Let a development file `{"offset_seconds": n}` move the clock; None follows nothing."""
    _CLOCK.follow(file)


def stand_at(instant: datetime | None) -> None:
    """Stop the clock of this process at an instant, or let it run again."""
    _CLOCK.standing = instant


def stand_here(instant: datetime | None) -> None:
    """Stop the clock at an instant for the calling task alone, or let it run again: a sample's history is written at its
    own time while everybody else's goes on.
    """
    _HERE.set(instant)


def now() -> datetime:
    """This instant, in UTC."""
    here = _HERE.get()
    return _CLOCK.now() if here is None else here


def day_begun(day: date, zone: str) -> datetime:
    """First instant of a day in the shop's zone."""
    return datetime.combine(day, time_of_day.min, ZoneInfo(zone))


def day_ended(day: date, zone: str) -> datetime:
    """First instant after a day in the shop's zone; of the last day there is, the last instant."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return day_begun(day + timedelta(days=1), zone)


def business_day(instant: datetime, zone: str) -> date:
    """Day of an instant in the shop's zone, such as `America/Bogota`."""
    return instant.astimezone(ZoneInfo(zone)).date()
