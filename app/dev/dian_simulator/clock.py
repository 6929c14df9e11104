"""The simulator's clock: real, moved, or standing."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec

BOGOTA = timezone(timedelta(hours=-5))


class _Moved(msgspec.Struct):
    offset_seconds: float = 0.0


class Clock:
    """`file` is the one by which the launcher moves every clock of the installation, `{"offset_seconds": n}`."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._offset: timedelta | None = None
        self._standing: datetime | None = None

    def follow(self) -> None:
        """Real time again, or the launcher's."""
        self._offset = self._standing = None

    def stand_at(self, instant: datetime) -> None:
        """Stop at an instant."""
        self._standing, self._offset = instant, None

    def run_from(self, instant: datetime) -> None:
        """Go on from an instant."""
        self._standing, self._offset = None, instant - datetime.now(UTC)

    def now(self) -> datetime:
        if self._standing is not None:
            return self._standing
        return datetime.now(UTC) + (self._launcher_offset() if self._offset is None else self._offset)

    def local(self) -> datetime:
        return self.now().astimezone(BOGOTA)

    def _launcher_offset(self) -> timedelta:
        if self._file is None:
            return timedelta()
        try:
            moved = msgspec.json.decode(self._file.read_bytes(), type=_Moved)
        except FileNotFoundError:
            return timedelta()
        return timedelta(seconds=moved.offset_seconds)
