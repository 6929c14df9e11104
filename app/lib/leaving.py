"""Whether this process was told that it will stop: it still serves, and asks not to be sent more."""

import signal
from types import FrameType
from typing import Final

ANNOUNCED_BY: Final = signal.SIGUSR1
"""What the server sends each of its workers some seconds before it makes them stop."""

_told: list[bool] = []


def listen() -> None:
    """Heed the announcement from now on; of the main thread, before the event loop runs."""
    signal.signal(ANNOUNCED_BY, _hear)


def is_leaving() -> bool:
    """Whether the announcement came."""
    return bool(_told)


def _hear(_number: int, _frame: FrameType | None) -> None:
    _told.append(True)
