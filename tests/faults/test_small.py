"""The worst faults, broken for real; `make faults` breaks them all."""

import asyncio
import tempfile
from pathlib import Path

from tests.crash.house import forget
from tests.faults.__main__ import broken
from tests.faults.suite import SMALL, run


# One test: the house is expensive, and its faults come one after the other.
def test_of_each_fault_people_hear_once_in_time_and_once_of_its_end() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mostrador-faults-"))
    folder.chmod(0o755)
    try:
        found, late, silent = asyncio.run(run(folder, SMALL, 20.0))
    finally:
        forget(folder)
    assert [told.name for told in found] == list(SMALL)
    assert broken(found, late, silent) == []
