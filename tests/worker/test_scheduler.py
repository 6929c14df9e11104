"""Recurring work: missed runs collapse to one, one worker runs it, every company has its night."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.backups.jobs import make_company_backup
from app.domain.backups.schedule import ask_companies
from app.lib import clock
from tests.worker.house import FAST, House
from worker.alert_chores import CHORES as ALERT_CHORES
from worker.chores import CHORES, forget_done_jobs, forget_old_answers
from worker.scheduler import Chore, NightlyJob, Scheduler, nightly_jobs
from worker.webhook_chores import CHORES as WEBHOOK_CHORES


class MovedClock:
    def __init__(self, file: Path) -> None:
        self._file = file

    def move(self, seconds: float) -> None:
        self._file.write_text(json.dumps({"offset_seconds": seconds}))
        # Following anew looks at the file at once.
        clock.follow_clock_file(str(self._file))


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[MovedClock]:
    yield MovedClock(tmp_path / "clock.json")
    clock.follow_clock_file(None)


class Counted:
    """A chore that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.chore = Chore(name="test.count", every=timedelta(minutes=1), run=self._run)

    async def _run(self, _database: Database) -> None:
        self.runs += 1


async def test_a_scheduler_frozen_for_15_minutes_runs_a_chore_once(house: House, moved: MovedClock) -> None:
    counted = Counted()
    scheduler = Scheduler(house.database, [counted.chore], FAST)
    await scheduler.run_due()
    before = counted.runs
    moved.move(15 * 60)
    await scheduler.run_due()
    await scheduler.run_due()
    assert counted.runs == before + 1
    next_run = await house.admin.fetchval("SELECT next_run_at FROM schedule WHERE name = 'test.count'")
    assert next_run > clock.now()


async def test_a_quiet_chore_is_on_record_only_when_it_found_something_or_failed(
    house: House, moved: MovedClock
) -> None:
    answers: list[int | Exception] = [0, 3, 0, TimeoutError("away")]

    async def find(_database: Database) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    chore = Chore(name="test.quiet", every=timedelta(seconds=10), run=find, is_quiet=True)
    scheduler = Scheduler(house.database, [chore], FAST)
    await scheduler.run_due()
    for turn in range(1, 5):
        moved.move(15 * turn)
        await scheduler.run_due()
    assert not answers
    runs = await house.admin.fetch(
        "SELECT finished_at - started_at AS took, error FROM schedule_run WHERE name = 'test.quiet' ORDER BY started_at"
    )
    assert [run["error"] for run in runs] == [None, "TimeoutError: away"]
    assert all(run["took"] is not None for run in runs)


async def test_of_several_schedulers_one_runs_it(house: House, moved: MovedClock) -> None:
    counted = Counted()
    schedulers = [Scheduler(house.database, [counted.chore], FAST) for _ in range(2)]
    for scheduler in schedulers:
        await scheduler.run_due()
    before = counted.runs
    moved.move(120)
    await asyncio.gather(*(scheduler.run_due() for scheduler in schedulers))
    assert counted.runs == before + 1


async def test_every_company_gets_each_nightly_job_once(house: House, moved: MovedClock) -> None:
    other = uuid7()
    await house.add_company(other)
    nightly = nightly_jobs()
    scheduler = Scheduler(house.database, nightly, FAST)
    await scheduler.run_due()
    moved.move(3 * 86_400)
    await scheduler.run_due()
    await scheduler.run_due()
    rows = await house.admin.fetch("SELECT tenant_id, kind FROM outbox")
    found = sorted((row["tenant_id"], row["kind"]) for row in rows)
    assert found == sorted((company, one.job.kind) for company in (house.tenant_id, other) for one in nightly)
    assert {one.job.kind for one in nightly} >= {"audit.verify-chain", "audit.reconcile"}


def test_a_night_is_bogotas() -> None:
    (job,) = (one for one in nightly_jobs() if one.name == "audit.verify-chain")
    assert isinstance(job, NightlyJob)
    before, after = datetime(2026, 3, 1, 7, 29, tzinfo=UTC), datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    assert job.next_run(before) == after
    assert job.next_run(after) == after + timedelta(days=1)


async def test_nightly_proofs_of_an_untouched_company_end_well(house: House) -> None:
    for kind in ("audit.verify-chain", "audit.reconcile"):
        await house.ask(kind, queue="long")
    async with house.worker():
        async with asyncio.timeout(60):
            while await house.unfinished():
                await asyncio.sleep(0.05)
    assert await house.admin.fetchval("SELECT count(*) FROM monitor_alert") == 0


async def test_old_answers_and_done_jobs_are_forgotten_and_dead_ones_kept(house: House) -> None:
    user = uuid7()
    for key, hours in (("old", 49), ("young", 47)):
        await house.admin.execute(
            "INSERT INTO idempotency (tenant_id, user_id, key, body_hash, created_at) "
            "VALUES ($1, $2, $3, 'x', now() - $4 * interval '1 hour')",
            house.tenant_id, user, key, hours,
        )  # fmt: skip
    for status, days in (("done", 8), ("done", 6), ("dead", 30)):
        await house.admin.execute(
            "INSERT INTO outbox (tenant_id, id, queue, kind, payload, status, finished_at) "
            "VALUES ($1, $2, 'short', 'x', '{}', $3, now() - $4 * interval '1 day')",
            house.tenant_id, uuid7(), status, days,
        )  # fmt: skip
    await forget_old_answers(house.database)
    await forget_done_jobs(house.database)
    assert [row["key"] for row in await house.admin.fetch("SELECT key FROM idempotency")] == ["young"]
    left = await house.admin.fetch("SELECT status FROM outbox ORDER BY finished_at")
    assert [row["status"] for row in left] == ["dead", "done"]
    assert {"idempotency.forget", "outbox.forget"} <= {chore.name for chore in CHORES}


@pytest.mark.parametrize("chore", [*CHORES, *ALERT_CHORES, *WEBHOOK_CHORES], ids=lambda chore: chore.name)
async def test_every_chore_runs(house: House, chore: Chore) -> None:
    await chore.run(house.database)


async def test_the_backup_of_a_company_is_asked_for_when_its_policy_says_so(house: House) -> None:
    made = "SELECT count(*) FROM company_backup WHERE tenant_id = $1"
    await ask_companies(house.database)
    assert await house.admin.fetchval(made, house.tenant_id) == 0, "a company of this hour has nothing yet"
    await house.admin.execute("UPDATE tenant SET created_at = now() - interval '2 days'")
    await house.admin.execute(
        "INSERT INTO backup_policy (plan, every_hours, keep_daily, keep_weekly, keep_monthly, on_demand_per_month) "
        "VALUES ('*', 24, 7, 5, 12, 5) ON CONFLICT DO NOTHING"
    )
    for _ in range(2):
        await ask_companies(house.database)
        assert await house.admin.fetchval(made, house.tenant_id) == 1
    (asked,) = await house.admin.fetch("SELECT payload FROM outbox WHERE kind = $1", make_company_backup.kind)
    wanted = await house.admin.fetchval("SELECT id FROM company_backup WHERE tenant_id = $1", house.tenant_id)
    assert make_company_backup.decode(json.loads(asked["payload"])).backup_id == wanted
    await house.admin.execute("UPDATE company_backup SET created_at = now() - interval '4 hours'")
    await house.admin.execute("UPDATE outbox SET status = 'dead' WHERE kind = $1", make_company_backup.kind)
    await ask_companies(house.database)
    found = await house.admin.fetch(
        "SELECT status FROM company_backup WHERE tenant_id = $1 ORDER BY created_at", house.tenant_id
    )
    assert [row["status"] for row in found] == ["failed", "running"], "what a dead process left is tried again"
