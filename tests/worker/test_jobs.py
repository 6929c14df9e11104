"""A job asked for with a change is done, fails visibly, or is given to another worker; never lost."""

from typing import Any
from uuid import uuid4

import pytest

from app.domain.provider.health import Health
from tests.worker.house import BEGUN, FAST, RUNS, House, eventually
from worker.pace import Pace
from worker.relay import Relay
from worker.runner import JobRunner


async def test_a_committed_wish_is_done_once_and_a_rolled_back_one_never(house: House) -> None:
    kept, dropped = uuid4().hex, uuid4().hex
    with pytest.raises(RuntimeError):
        async with house.database.job_transaction(house.tenant_id) as work:
            work.ask("test.trace", {"name": dropped})
            await work.finish()
            raise RuntimeError
    job_id = await house.ask("test.trace", name=kept)
    async with house.worker():

        async def done() -> bool:
            return await house.status(job_id) == "done"

        await eventually(done)
    row = await house.row(job_id)
    assert (RUNS[kept], row["attempts"], row["finished_at"] is not None) == (1, 1, True)
    assert dropped not in BEGUN


async def test_the_bell_wakes_a_relay_that_would_sleep_for_an_hour(house: House) -> None:
    async with house.worker(pace=Pace(poll=3600, pick=0.05)):

        async def waits() -> bool:
            clients = await house.client.client_list()
            return any(client["cmd"] == "blpop" for client in clients)

        await eventually(waits)
        name = uuid4().hex
        await house.ask("test.trace", name=name)

        async def done() -> bool:
            return RUNS[name] == 1

        await eventually(done)


async def test_a_job_of_the_long_queue_waits_for_its_own_worker(house: House) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.trace", queue="long", name=name)
    async with house.worker(["short"]):

        async def offered() -> bool:
            return await house.status(job_id) == "queued"

        await eventually(offered)
        assert name not in BEGUN
        async with house.worker(["long"]):

            async def done() -> bool:
                return await house.status(job_id) == "done"

            await eventually(done)


async def test_a_failing_job_is_tried_again_and_ends_as_a_visible_dead_letter(house: House) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.fail-thrice", name=name)
    async with house.worker():

        async def dead() -> bool:
            return await house.status(job_id) == "dead"

        await eventually(dead)
    row = await house.row(job_id)
    assert (RUNS[name], row["attempts"], row["last_error"]) == (3, 3, f"ValueError: {name} cannot")
    report = await Health(house.settings, house.database, house.client).report()
    assert report.services.queues["short"].failed == 1


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("test.hopeless", {"name": "h"}, "Hopeless: h never will"),
        ("test.one-second", {"name": "s", "seconds": 30}, "TimeoutError: not done after 1 s"),
    ],
    ids=["says so itself", "takes too long"],
)
async def test_a_job_without_hope_is_a_dead_letter_with_its_reason(
    house: House, kind: str, payload: dict[str, Any], reason: str
) -> None:
    job_id = await house.ask(kind, **payload)
    async with house.worker():

        async def dead() -> bool:
            return await house.status(job_id) == "dead"

        await eventually(dead)
    row = await house.row(job_id)
    assert (row["last_error"], row["attempts"]) == (reason, 1)


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("test.nobody-knows", {}, "LookupError: this worker knows no job test.nobody-knows"),
        ("test.trace", {"nome": "x"}, "ValidationError: Object contains unknown field `nome`"),
    ],
    ids=["unknown kind", "foreign payload"],
)
async def test_a_job_that_nobody_understands_is_told_and_kept(
    house: House, kind: str, payload: dict[str, Any], reason: str
) -> None:
    job_id = await house.ask(kind, **payload)
    await JobRunner(house.database, "short", FAST).run(house.tenant_id, job_id)
    row = await house.row(job_id)
    assert (row["status"], row["last_error"], row["attempts"]) == ("pending", reason, 1)


async def test_a_job_that_kills_every_worker_becomes_a_dead_letter(house: House) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.trace", name=name)
    await house.admin.execute(
        "UPDATE outbox SET status = 'running', attempts = 8, due_at = now() - interval '1 second' WHERE id = $1", job_id
    )
    async with house.worker():

        async def dead() -> bool:
            return await house.status(job_id) == "dead"

        await eventually(dead)
    assert name not in BEGUN


async def test_a_job_that_runs_is_not_begun_by_another_worker(house: House) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.trace", name=name, seconds=0.5)
    async with house.worker():

        async def begun() -> bool:
            return name in BEGUN

        await eventually(begun)
        await JobRunner(house.database, "short", FAST).run(house.tenant_id, job_id)

        async def done() -> bool:
            return await house.status(job_id) == "done"

        await eventually(done)
    assert BEGUN[name] == 1


async def test_a_shutdown_lets_a_job_end(house: House) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.trace", name=name, seconds=1)
    async with house.worker():

        async def begun() -> bool:
            return name in BEGUN

        await eventually(begun)
    assert (RUNS[name], await house.status(job_id)) == (1, "done")


async def test_a_shutdown_gives_a_job_back_that_takes_too_long(house: House) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.trace", name=name, seconds=40)
    async with house.worker(pace=Pace(poll=0.1, pick=0.05, drain=0.2)):

        async def begun() -> bool:
            return name in BEGUN

        await eventually(begun)
    row = await house.row(job_id)
    assert (row["status"], row["attempts"], row["last_error"]) == ("pending", 0, None)


async def test_two_relays_do_not_offer_the_same_jobs(house: House) -> None:
    names = await house.ask_many(250)
    async with house.worker(["short"]), house.worker(["short"]):

        async def all_done() -> bool:
            return await house.unfinished() == 0

        await eventually(all_done)
    assert [RUNS[name] for name in names] == [1] * len(names)
    assert await house.admin.fetchval("SELECT max(attempts) FROM outbox") == 1


async def test_one_company_with_many_jobs_does_not_hold_up_another(house: House) -> None:
    await house.ask_many(300)
    stranger = House(house.environ, house.redis)
    await stranger.open()
    try:
        (name,) = await stranger.ask_many(1)
        relay = Relay(house.database, house.client, FAST)
        assert await relay.offer_due() == 101
        queued = await house.admin.fetchval(
            "SELECT payload ->> 'name' FROM outbox WHERE tenant_id = $1 AND status = 'queued'", stranger.tenant_id
        )
        assert queued == name
    finally:
        await stranger.close()


async def test_jobs_that_wait_for_a_foreign_server_hold_up_no_other(house: House) -> None:
    many = 20
    waiting = [await house.ask("test.foreign", name=uuid4().hex, seconds=2) for _ in range(many)]

    async def begun() -> bool:
        running = await house.admin.fetchval("SELECT count(*) FROM outbox WHERE status = 'running'")
        return bool(running == many)

    async with house.worker():
        # More of them than there are connections, all at once.
        assert many > house.settings.pool_size
        await eventually(begun, 20)
        own = await house.ask("test.trace", name=uuid4().hex)

        async def done() -> bool:
            return await house.status(own) == "done"

        await eventually(done, 20)
        assert {await house.status(each) for each in waiting} == {"running"}

        async def all_done() -> bool:
            return await house.unfinished() == 0

        await eventually(all_done, 30)
