"""A state machine transfers, receives, cancels, sells, voids and counts in three warehouses, beside a plain model."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.domain.inventory.places_model import Branches

STEPS = 100
OPERATIONS = {
    "send": 22,
    "receive": 20,
    "cancel": 5,
    "sell": 16,
    "void": 4,
    "adjust": 9,
    "open_count": 5,
    "enter": 12,
    "end_count": 7,
}
"""How often each happens, of a hundred."""

choices = st.integers(0, 2**64 - 1)
"""What an operation's own choices are drawn from; hypothesis keeps and replays it."""


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop the application lives in; it stands still while a plain test runs."""
    return asyncio.get_running_loop()


def machine_of(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, counts: Counter[str]
) -> type[RuleBasedStateMachine]:
    def run(block: Coroutine[Any, Any, Any]) -> Any:
        return loop.run_until_complete(block)

    class Warehouses(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.branches: Branches | None = None

        @initialize(seed=choices)
        def open_shop(self, seed: int) -> None:
            self.branches = run(Branches.open(http, random.Random(seed)))

        @rule(seed=choices)
        def operate(self, seed: int) -> None:
            assert self.branches is not None
            # Generated integers are often small; the count keeps their choices apart.
            r = random.Random(f"{counts['operations']} {seed}")
            (name,) = r.choices(list(OPERATIONS), list(OPERATIONS.values()))
            run(getattr(self.branches, name)(r))
            counts["operations"] += 1
            run(self.branches.compare())

        def teardown(self) -> None:
            if self.branches is not None:
                run(self.branches.compare_all())
                counts.update(self.branches.counts)

    return Warehouses


def prove(loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, runs: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    run_state_machine_as_test(
        machine_of(loop, http, counts),
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
            print_blob=True,
        ),
    )
    print("warehouses: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return counts


def test_units_and_pesos_agree_with_the_model_after_every_step(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient
) -> None:
    counts = prove(loop, http, 4)
    done = {"transfer", "reception", "loss", "cancellation", "sale", "void", "adjustment", "count", "entry", "close"}
    refused = {"refused insufficient-stock", "refused above-transit", "refused count-open"}
    assert {name for name in done | refused if not counts[name]} == set()


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_units_and_pesos_agree_over_thousands_of_steps(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient
) -> None:
    assert prove(loop, http, 60)["operations"] >= 4_000
