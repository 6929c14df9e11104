"""When something wrong becomes an alert, when it ends, and when it changes too often to be told each time.

The one rule for the operator's alerts, which the monitor keeps in memory, and for those of companies, which are rows.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

import msgspec

TIMES: Final = 2
"""Failures in a row that open an alert, and good answers that end it."""
REPEAT_AFTER: Final = timedelta(hours=4)
_HOUR: Final = timedelta(hours=1)
_FEW_CHANGES: Final = 2
_CALM_CHANGES: Final = 4
"""Changes in an hour; one more is flapping."""
_QUICK: Final = timedelta(minutes=5)
"""A third change so soon after the second is flapping too."""
_STEADY_QUICK: Final = timedelta(minutes=3)
_STEADY: Final = timedelta(minutes=15)
"""How long a flapping alert must stay as it is before that is told."""


class Life(msgspec.Struct):
    """Of one thing that is looked at over and over."""

    failures: int = 0
    goods: int = 0
    changes: deque[datetime] = msgspec.field(default_factory=deque)
    """Openings and ends of the last hour."""

    def saw(self, *, wrong: bool) -> None:
        """Take one more answer."""
        self.failures, self.goods = (self.failures + 1, 0) if wrong else (0, self.goods + 1)

    @property
    def opens(self) -> bool:
        return self.failures >= TIMES

    @property
    def ends(self) -> bool:
        return self.goods >= TIMES

    def hold(self, now: datetime) -> timedelta | None:
        """How long it must stay as it is before that is told; None when it is not flapping."""
        if self.changes and self.changes[-1] > now:
            # The clock was put back.
            self.changes = deque(min(one, now) for one in self.changes)
        while self.changes and now - self.changes[0] > _HOUR:
            self.changes.popleft()
        if len(self.changes) > _CALM_CHANGES:
            return _STEADY
        if len(self.changes) > _FEW_CHANGES and self.changes[-1] - self.changes[-2] < _QUICK:
            return _STEADY_QUICK
        return None

    def is_steady(self, now: datetime) -> bool:
        """Whether what it is now may be told."""
        hold = self.hold(now)
        return hold is None or now - self.changes[-1] >= hold
