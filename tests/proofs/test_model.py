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

OPERATIONS = {
    "sell": 36,
    "give_back": 14,
    "void": 5,
    "adjust": 14,
    "move_cash": 7,
    "transfer": 5,
    "open_drawer": 4,
    "close_drawer": 3,
    "hold": 2,
    "resume": 2,
    "retry": 8,
}
"""How often each happens, of a hundred."""

choices = st.integers(0, 2**64 - 1)
"""What an operation's own choices are drawn from; hypothesis keeps and replays it."""


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop the application lives in; it stands still while a plain test runs."""
    return asyncio.get_running_loop()


def machine_of(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database, counts: Counter[str], turn: int
) -> type[RuleBasedStateMachine]:
    def run(block: Coroutine[Any, Any, Any]) -> Any:
        return loop.run_until_complete(block)

    class Shops(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.tills: list[Till] = []

        @initialize(seed=choices)
        def open_shops(self, seed: int) -> None:
            r = random.Random(f"{turn} {seed}")
            self.tills = [run(Till.open(http, database, r)) for _ in range(2)]

        @rule(seed=choices)
        def operate(self, seed: int) -> None:
            r = random.Random(f"{turn} {counts['operations']} {seed}")
            (name,) = r.choices(list(OPERATIONS), list(OPERATIONS.values()))
            acting = r.choice(self.tills)
            run(getattr(acting, name)(r))
            counts["operations"] += 1
            run(acting.compare())
            # The neighbour too: nothing of what happened here may show there.
            for till in self.tills:
                if till is not acting:
                    run(till.compare_rows())

        def teardown(self) -> None:
            for till in self.tills:
                run(till.compare_all())
                counts.update(till.counts)

    return Shops


def prove(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database, operations: int
) -> Counter[str]:
    counts: Counter[str] = Counter()
    turn = 0
    while counts["operations"] < operations:
        turn += 1
        run_state_machine_as_test(
            machine_of(loop, http, database, counts, turn),
            settings=settings(
                max_examples=max(1, min(100, (operations - counts["operations"]) // STEPS)),
                stateful_step_count=STEPS,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
                print_blob=True,
            ),
        )
        if operations >= 1_000:
            print(f"model: {counts['operations']} of {operations} operations", flush=True)
    print(f"model: {counts['operations']} operations equal to the model after every step, reconciler 0")
    print("model: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name != "operations"))
    return counts


def test_random_operations_agree_with_the_model(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database
) -> None:
    counts = prove(loop, http, database, 500)
    assert counts["operations"] >= 500
    done = {"sale", "sale offline", "return", "void", "adjustment", "cash movement", "transfer", "open", "close"}
    assert {name for name in (*done, "hold", "resume", "retry by key") if not counts[name]} == set()


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_ten_thousand_random_operations_agree_with_the_model(
    loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient, database: Database
) -> None:
    assert prove(loop, http, database, FULL)["operations"] >= FULL
