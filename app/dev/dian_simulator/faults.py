"""Misbehaviour on demand: chosen by operation, document number, count of calls or window of time."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.dev.fault_file import Misbehaviour

Kind = Literal[
    "timeout-after-processing", "timeout-before-processing", "hang-up", "status", "slow", "trickle", "freeze",
    "truncated", "garbage", "huge", "doctype", "in-process", "not-authorised", "internal", "rule", "notification",
]  # fmt: skip
"""
- The call is not processed: `timeout-before-processing`, `status` (unless `processed`), `freeze` until it is over,
  `not-authorised` (89), `internal` (500 inside the answer).
- It is processed and the answer gets lost or spoilt: `timeout-after-processing` (silence, then the line is dropped),
  `hang-up` (dropped at once), `truncated`, `garbage`, `huge`, `doctype`; `slow` comes late and `trickle` in drops.
- The answer says something else: `in-process` (98, although it was decided), `rule` and `notification` (with `code`).
"""

Instant = Annotated[datetime, Meta(tz=True)]
SLOW_SECONDS = 5.0
SILENCE_SECONDS = 70.0
"""Longer than the minute that the annex gives an answer."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One planted fault."""

    kind: Kind
    operation: str = ""
    """Only this one; any when empty."""
    number: str = ""
    """Only this document; any when empty."""
    after: Annotated[int, Meta(ge=0)] = 0
    """Calls that match and are left alone first."""
    times: Annotated[int, Meta(ge=0)] | None = None
    """It ends after so many calls; 0 never. When absent: once, or as long as the window, if there is one."""
    start: Instant | None = None
    end: Instant | None = None
    """The window, by the simulator's clock."""
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    """For `status`."""
    processed: bool = False
    """For `status`: the document was taken all the same."""
    seconds: Annotated[float, Meta(gt=0)] = SILENCE_SECONDS
    """For `slow`, `trickle` and `freeze`, and how long the silence of a timeout lasts."""
    code: str = "FAD06"
    """For `rule` and `notification`."""
    id: int = 0

    @property
    def prevents(self) -> bool:
        """Whether the call is not looked at."""
        return self.kind == "timeout-before-processing" or (self.kind == "status" and not self.processed)

    def matches(self, operation: str, numbers: Callable[[], list[str]], now: datetime) -> bool:
        return (
            self.operation in {"", operation}
            and (self.start is None or self.start <= now)
            and (self.end is None or now < self.end)
            and (not self.number or self.number in numbers())
        )


class Faults:
    def __init__(self) -> None:
        self._planted: list[Fault] = []
        self._next = 1
        self._frozen_until = 0.0

    def plant(self, fault: Fault) -> int:
        """A freeze begins now; every other fault waits for its call."""
        fault.id, self._next = self._next, self._next + 1
        if fault.times is None:
            fault.times = 1 if fault.start is None and fault.end is None else 0
        if fault.kind == "freeze":
            self._frozen_until = time.monotonic() + fault.seconds
        else:
            self._planted.append(fault)
        return fault.id

    def clear(self) -> None:
        self._planted.clear()
        self._frozen_until = 0.0

    @property
    def is_frozen(self) -> bool:
        return time.monotonic() < self._frozen_until

    def take(self, operation: str, numbers: Callable[[], list[str]], now: datetime) -> Fault | None:
        """The fault of this call, counted down."""
        for fault in self._planted:
            if not fault.matches(operation, numbers, now):
                continue
            if fault.after:
                fault.after -= 1
                continue
            if fault.times:
                fault.times -= 1
                if fault.times == 0:
                    self._planted.remove(fault)
            return fault
        return None

    def all(self) -> list[Fault]:
        return list(self._planted)


def of_launcher(misbehaviour: Misbehaviour) -> Fault:
    """What `POST /dev/faults` means here."""
    match misbehaviour:
        case "slow":
            return Fault(kind="slow", seconds=SLOW_SECONDS)
        case "error":
            return Fault(kind="status", status=503)
        case "garbage":
            return Fault(kind="garbage")
        case "timeout-after-processing":
            return Fault(kind="timeout-after-processing")
