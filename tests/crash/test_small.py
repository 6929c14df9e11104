"""Every process killed once under load, and everything acknowledged counted again; `make crash` does it twenty times."""

import asyncio
from pathlib import Path

import pytest

from tests.crash.house import forget
from tests.crash.kills import LAUNCHER, TARGETS
from tests.crash.suite import SMALL, Outcome, run


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder: Path = tmp_path_factory.mktemp("crash")
    try:
        return asyncio.run(run(folder, SMALL))
    finally:
        forget(folder)


def test_every_process_is_killed_while_the_shops_sell(outcome: Outcome) -> None:
    assert [kill.target for kill in outcome.kills] == [*TARGETS, LAUNCHER]
    assert all(kill.processes >= 1 for kill in outcome.kills)
    assert outcome.summary.interrupted


def test_no_acknowledged_sale_return_or_company_is_lost(outcome: Outcome) -> None:
    assert outcome.found.lost == []


def test_no_repeated_request_is_carried_out_twice(outcome: Outcome) -> None:
    assert outcome.found.doubled == []
    assert outcome.summary.wrong == []


def test_every_figure_is_what_the_answers_add_up_to(outcome: Outcome) -> None:
    assert outcome.found.changed == []
    assert outcome.found.differences == []


def test_the_same_count_sees_the_losses_of_a_database_that_does_not_wait_for_its_disk(outcome: Outcome) -> None:
    assert outcome.careless_lost > 0


def test_the_count_finds_each_lie_in_a_forged_ledger(outcome: Outcome) -> None:
    forged = outcome.forged
    assert (len(forged.lost), len(forged.doubled), len(forged.changed)) == (1, 1, 1)
