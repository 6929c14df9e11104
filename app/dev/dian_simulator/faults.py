"""Misbehaviour on demand: chosen by operation, document number or count of calls."""

from typing import Literal

import msgspec

Kind = Literal[
    "timeout-after-processing", "timeout-before-processing", "status", "slow", "in-process", "truncated", "garbage", "huge",
    "doctype", "rule", "notification", "not-authorised",
]  # fmt: skip


class Fault(msgspec.Struct, kw_only=True):
    """One planted fault; it ends after `times` calls."""

    kind: Kind
    operation: str = ""
    """Only this one; any when empty."""
    number: str = ""
    """Only this document; any when empty."""
    after: int = 0
    """Calls that match and are left alone first."""
    times: int = 1
    status: int = 503
    """For `status`."""
    seconds: float = 70.0
    """For `slow`, and how long the silence of a timeout lasts."""
    code: str = "FAD06"
    """For `rule` and `notification`."""
    id: int = 0

    def matches(self, operation: str, numbers: list[str]) -> bool:
        return (self.operation in {"", operation}) and (not self.number or self.number in numbers)


class Faults:
    def __init__(self) -> None:
        self._planted: list[Fault] = []
        self._next = 1

    def plant(self, fault: Fault) -> int:
        fault.id, self._next = self._next, self._next + 1
        self._planted.append(fault)
        return fault.id

    def clear(self) -> None:
        self._planted.clear()

    def take(self, operation: str, numbers: list[str]) -> Fault | None:
        """The fault of this call, counted down."""
        for fault in self._planted:
            if not fault.matches(operation, numbers):
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._planted.remove(fault)
            return fault
        return None

    def all(self) -> list[Fault]:
        return list(self._planted)
