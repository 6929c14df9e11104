"""The simulator's clock: real, moved, or standing."""

from datetime import UTC, datetime, timedelta, timezone

BOGOTA = timezone(timedelta(hours=-5))


class Clock:
    def __init__(self) -> None:
        self._offset = timedelta()
        self._standing: datetime | None = None

    def stand_at(self, instant: datetime | None) -> None:
        """Stop at an instant; None runs in real time again."""
        self._standing, self._offset = instant, timedelta()

    def run_from(self, instant: datetime) -> None:
        """Go on from an instant."""
        self._standing, self._offset = None, instant - datetime.now(UTC)

    def now(self) -> datetime:
        return self._standing or datetime.now(UTC) + self._offset

    def local(self) -> datetime:
        return self.now().astimezone(BOGOTA)
