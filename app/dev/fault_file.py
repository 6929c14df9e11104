"""The fault in force of one of our own stand-ins (mail sink, DIAN): a file in its folder, which the launcher writes.

A file, and not a message to the process: it outlives a kill, and it can be taken away while the process is frozen.
"""

import time
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

Misbehaviour = Literal["slow", "error", "garbage", "timeout-after-processing"]
MISBEHAVIOURS: Final[dict[str, Misbehaviour]] = {each: each for each in get_args(Misbehaviour)}


class Fault(msgspec.Struct):
    fault: Misbehaviour
    until: float | None = None
    """Unix time; none holds until the file is removed."""


def current_fault(folder: Path) -> Misbehaviour | None:
    """What the stand-in of this folder has to do wrong now."""
    try:
        fault = msgspec.json.decode(_file(folder).read_bytes(), type=Fault)
    except FileNotFoundError:
        return None
    return fault.fault if fault.until is None or time.time() < fault.until else None


def write_fault(folder: Path, fault: Fault) -> None:
    """Atomic: a reader finds the old one or the new one, whole."""
    unfinished = _file(folder).with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(fault))
    unfinished.rename(_file(folder))


def forget_fault(folder: Path) -> None:
    """Behave again."""
    _file(folder).unlink(missing_ok=True)


def _file(folder: Path) -> Path:
    return folder / "fault.json"
