"""Redis may stop, freeze or forget, and a worker may be killed: the jobs flow again and none is lost."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

import msgspec

from tests.worker.house import BEGUN, RUNS, House, eventually

_JOBS = 150


async def _all_done(house: House, names: list[str]) -> None:
    async def done() -> bool:
        return await house.unfinished() == 0

    await eventually(done)
    assert min(RUNS[name] for name in names) >= 1
    assert await house.admin.fetchval("SELECT count(*) FROM outbox WHERE status = 'done' AND kind LIKE 'test.%'") == len(names)


async def _some_done(house: House) -> None:
    async def some() -> bool:
        return bool(await house.admin.fetchval("SELECT count(*) FROM outbox WHERE status = 'done'"))

    await eventually(some)


async def test_jobs_flow_again_after_redis_was_killed(house: House) -> None:
    names = await house.ask_many(_JOBS, seconds=0.05)
    async with house.worker():
        await _some_done(house)
        await house.redis.stop_in_loop(0)
        names += await house.ask_many(10)
        await house.redis.start_in_loop()
        await _all_done(house, names)


async def test_jobs_flow_again_after_redis_was_frozen(house: House) -> None:
    names = await house.ask_many(_JOBS, seconds=0.05)
    async with house.worker():
        await _some_done(house)
        pid = house.redis.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            names += await house.ask_many(10)
            failures = house.database.bell.failures

            async def bell_given_up() -> bool:
                return house.database.bell.failures > failures

            await eventually(bell_given_up)
            # Longer than the clients wait for an answer.
            await asyncio.sleep(6)
        finally:
            os.kill(pid, signal.SIGCONT)
        await _all_done(house, names)


async def test_what_an_emptied_redis_forgot_is_done_all_the_same(house: House) -> None:
    names = await house.ask_many(_JOBS, seconds=0.05)
    async with house.worker():
        await _some_done(house)
        for _ in range(3):
            await house.client.flushall()
            names += await house.ask_many(10)
        await _all_done(house, names)


async def test_the_job_of_a_killed_worker_runs_again(house: House, tmp_path: Path) -> None:
    name = uuid4().hex
    job_id = await house.ask("test.trace", name=name, seconds=1)
    settings = tmp_path / "environ.json"
    settings.write_bytes(msgspec.json.encode(house.environ))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.worker.victim", str(settings))
    try:

        async def begun() -> bool:
            return await house.status(job_id) == "running"

        await eventually(begun)
    finally:
        process.kill()
        await process.wait()
    assert name not in BEGUN
    async with house.worker():

        async def done() -> bool:
            return await house.status(job_id) == "done"

        await eventually(done)
    assert (RUNS[name], (await house.row(job_id))["attempts"]) == (1, 2)


async def test_a_worker_that_starts_without_redis_lives_and_waits_for_it(house: House) -> None:
    await house.redis.stop_in_loop(0)
    names = await house.ask_many(5)
    async with house.worker():

        async def beats() -> bool:
            return bool(await house.admin.fetchval("SELECT count(*) = 2 FROM worker_heartbeat"))

        await eventually(beats)
        await house.redis.start_in_loop()
        await _all_done(house, names)
    assert await house.admin.fetchval("SELECT count(*) FROM worker_heartbeat") == 0
