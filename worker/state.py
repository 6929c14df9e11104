"""What one monitor knows of one check: how it is, and what people have heard."""

import asyncio
from datetime import datetime

import msgspec

from app.domain.alerts.life import Life
from app.domain.alerts.notices import Severity
from worker.records import Alert


class Heard(msgspec.Struct):
    """What people last heard of a check: that it is wrong."""

    alert: Alert
    """Whose beginning was told."""
    channels: frozenset[str]
    mine: bool
    """Whether this monitor told it."""
    severity: Severity
    """How bad people were told it is."""


class State(Life):
    """Of one check."""

    open: Alert | None = None
    ended: Alert | None = None
    """The last one that ended."""
    heard: Heard | None = None
    last_told_at: datetime | None = None
    recovered_at: datetime | None = None
    failing_since: datetime | None = None
    good_at: datetime | None = None
    """When the last question was asked that had a good answer."""
    turn: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    version: int = 0
    """Grows with every change of ours: what was read before it is stale."""

    @property
    def settled(self) -> bool:
        """Whether nothing is about to change; otherwise the next look comes sooner."""
        return self.failures == 0 and self.open is None

    def changed(self, now: datetime) -> None:
        self.changes.append(now)
        self.version += 1
