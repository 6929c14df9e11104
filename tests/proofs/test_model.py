"""A state machine sells, takes back, voids, adjusts, moves cash, opens and closes in two shops, beside a plain model."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.db.session import Database
from tests.proofs.till import Till

STEPS = 125
"""Operations of one run of the machine."""
FULL = int(os.environ.get("MOSTRADOR_MODEL_OPERATIONS", "10000"))
"""Operations of the proof; 100,000 once, by this variable."""

chance = st.randoms(use_true_random=False)
"""Choices that hypothesis can replay and make smaller."""


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop the application lives in; it stands still while a plain test runs."""
    return asyncio.get_running_loop()


def machine_of(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database, counts: Counter[str]
) -> type[RuleBasedStateMachine]:
    def run(block: Coroutine[Any, Any, Any]) -> Any:
        return loop.run_until_complete(block)

    class Shops(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.tills: list[Till] = []

        @initialize(r=chance)
        def open_shops(self, r: random.Random) -> None:
            self.tills = [run(Till.open(http, database, r)) for _ in range(2)]

        def act(self, r: random.Random, name: str) -> None:
            till = r.choice(self.tills)
            run(getattr(till, name)(r))
            counts["operations"] += 1
            # The neighbour too: nothing of what happened here may show there.
            for shop in self.tills:
                run(shop.compare())

        @rule(r=chance, times=st.integers(1, 3))
        def sell(self, r: random.Random, times: int) -> None:
            for _ in range(times):
                self.act(r, "sell")

        @rule(r=chance)
        def give_back(self, r: random.Random) -> None:
            self.act(r, "give_back")

        @rule(r=chance)
        def void(self, r: random.Random) -> None:
            self.act(r, "void")

        @rule(r=chance)
        def adjust(self, r: random.Random) -> None:
            self.act(r, "adjust")

        @rule(r=chance, name=st.sampled_from(["move_cash", "transfer"]))
        def move_money(self, r: random.Random, name: str) -> None:
            self.act(r, name)

        @rule(r=chance, name=st.sampled_from(["open_drawer", "close_drawer"]))
        def shift(self, r: random.Random, name: str) -> None:
            self.act(r, name)

        @rule(r=chance, name=st.sampled_from(["hold", "resume"]))
        def put_aside(self, r: random.Random, name: str) -> None:
            self.act(r, name)

        @rule(r=chance)
        def retry(self, r: random.Random) -> None:
            self.act(r, "retry")

        def teardown(self) -> None:
            for till in self.tills:
                run(till.compare_all())
                counts.update(till.counts)

    return Shops


def prove(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database, operations: int
) -> Counter[str]:
    counts: Counter[str] = Counter()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_of(loop, http, database, counts),
        settings=settings(
            max_examples=max(2, operations // STEPS),
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    print(f"model: {counts['operations']} operations equal to the model after every step, reconciler 0")
    print("model: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name != "operations"))
    return counts


def test_random_operations_agree_with_the_model(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database
) -> None:
    counts = prove(loop, http, database, 500)
    assert counts["operations"] >= 300
    done = {"sale", "sale offline", "return", "void", "adjustment", "cash movement", "transfer", "open", "close"}
    assert {name for name in (*done, "hold", "resume", "retry by key") if not counts[name]} == set()


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_ten_thousand_random_operations_agree_with_the_model(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database
) -> None:
    assert prove(loop, http, database, FULL)["operations"] >= FULL // 2
