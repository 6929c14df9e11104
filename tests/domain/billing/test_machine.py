"""The table of a subscription's life, and that PostgreSQL knows it too."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.session import Database
from app.domain.billing.life import MoveNotAllowed, happen, hold
from app.domain.billing.machine import (
    STATUS_OF,
    TABLE,
    Event,
    Facts,
    Rules,
    State,
    due_reminders,
    next_event,
)
from app.domain.tenants.lifecycle import MOVES
from app.lib.driver import constraint_of
from tests.shop import Shop

RULES = Rules(timedelta(days=7), timedelta(days=30))
DAY = datetime(2026, 3, 1, tzinfo=UTC)


async def test_the_table_is_the_databases(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch("SELECT from_state, event, to_state FROM billing_move WHERE event <> 'moved_by_hand'")
    assert {tuple(row) for row in rows} == {(str(s), str(e), str(to)) for (s, e), (to, _) in TABLE.items()}


def test_every_step_is_one_that_the_companys_status_may_take() -> None:
    for (before, _event), (after, _effects) in TABLE.items():
        old, new = STATUS_OF[before], STATUS_OF[after]
        assert old == new or new in MOVES[old], (before, after)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("failing", [None, DAY - timedelta(days=3), DAY - timedelta(days=8), DAY - timedelta(days=40)])
@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("is_paid", [True, False])
def test_facts_lead_to_a_rest_and_never_to_a_paid_state_without_payment(
    state: State, failing: datetime | None, is_live: bool, is_paid: bool
) -> None:
    facts = Facts(had=True, is_live=is_live, is_paid=is_paid, cancels=False, failing_since=failing)
    seen = [state]
    while (event := next_event(seen[-1], facts, RULES, DAY)) is not None:
        assert (seen[-1], event) in TABLE
        if event == Event.PAID:
            assert is_live
            assert is_paid
            assert failing is None
        seen.append(TABLE[seen[-1], event][0])
        assert len(seen) < 6, seen
    if state in {State.BLOCKED, State.CLOSED}:
        assert seen == [state]


def test_reminders_are_of_the_invoices_age() -> None:
    assert due_reminders(DAY, DAY) == [0]
    assert due_reminders(DAY, DAY + timedelta(days=5)) == [0, 3]
    assert due_reminders(DAY, DAY + timedelta(days=60)) == [0, 3, 6]


async def test_a_step_that_is_not_in_the_table_is_refused_here_and_by_the_database(
    shop: Shop, database: Database
) -> None:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        row, _tenant = await hold(work)
        assert row.state == State.TRIALING
    with pytest.raises(MoveNotAllowed):
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            row, _tenant = await hold(work)
            await happen(work, row, Event.RESUMED)
    with pytest.raises(DBAPIError) as refused:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await work.session.execute(
                text(
                    "INSERT INTO subscription_transition (tenant_id, seq, previous_seq, from_state, event, to_state, "
                    "reason, at) VALUES (:t, 2, 1, 'trialing', 'resumed', 'active', 'x', now())"
                ),
                {"t": UUID(shop.tenant_id)},
            )
    assert constraint_of(refused.value) == "fk_subscription_transition_move"
