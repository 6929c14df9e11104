"""Every process killed once under load, and everything acknowledged counted again; `make crash` does it twenty times."""

import asyncio
from pathlib import Path

import pytest

from tests.crash.house import forget
from tests.crash.kills import LAUNCHER, TARGETS
from tests.crash.suite import SMALL, Outcome, run


@pytest.fixture
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder: Path = tmp_path_factory.mktemp("crash")
    try:
        return asyncio.run(run(folder, SMALL))
    finally:
        forget(folder)


# One test, so that parallel workers do not each run the suite for one of its lines.
def test_nothing_acknowledged_is_lost_or_doubled_when_every_process_is_killed_while_shops_sell(
    outcome: Outcome,
) -> None:
    assert [kill.target for kill in outcome.kills] == [*TARGETS, LAUNCHER]
    assert outcome.summary.interrupted
    assert outcome.summary.wrong == []
    assert outcome.found.lost == []
    assert outcome.found.doubled == []
    assert outcome.found.changed == []
    assert outcome.found.differences == []
    # The same count finds each lie of a forged ledger, and the losses of a database that does not wait for its disk.
    forged = outcome.forged
    assert (len(forged.lost), len(forged.doubled), len(forged.changed)) == (1, 1, 1)
    assert outcome.careless_lost > 0
