"""A backup of the platform beside plain `pg_dump`, beside people who sell, and its memory as the database grows."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

import asyncpg
import msgspec

from tests.bench.client import ROOT
from tests.bench.house import House
from tests.bench.measure import Cell, middle, peak_memory
from tests.bench.parts import Bench, failures
from tests.bench.report import Demand, Section, say
from tests.bench.shape import analyse, past_sales

SHOPS = 4
CLIENTS = 16
SHARE = 80.0
SLOWER = 2.0
MEGABYTES = 150.0
GROWTH = 25.0
"""MB of memory that ten times the rows may take more: measuring the same process twice differs by some."""
_MEGA = 1_000_000
_SIZE = "select pg_database_size(current_database())"
_LAST = (
    "select extract(epoch from finished_at - started_at)::float8, status, done_bytes "
    "from backup_run order by created_at desc limit 1"
)


class Run(msgspec.Struct, frozen=True):
    """One backup, by the command."""

    seconds: float
    """Of the work: snapshot, dump, sealing, storing, reading back whole; without the start of the interpreter."""
    memory: float
    """Largest resident size of the process, MB."""
    dumped: int
    """Bytes of the dump, compressed."""


async def backup(bench: Bench) -> Section:
    """Grow a database, back it up at both sizes, race `pg_dump`, and sell meanwhile."""
    house, count = bench.house, bench.pace.backup_sales
    shops = await bench.shops([f"Tienda {n} de respaldos" for n in range(1, SHOPS + 1)])
    await past_sales(house, await bench.api(), shops[0], max(count // 10, 400))
    await analyse(house)
    small_bytes = await _value(house, _SIZE)
    small = await run_once(house)
    say(f"backup of {small_bytes / _MEGA:.0f} MB: {small.seconds:.1f} s, {small.memory:.0f} MB of memory")
    for shop in shops[1:]:
        await past_sales(house, await bench.api(), shop, count * 9 // 10 // (SHOPS - 1) // 200 * 200)
    await analyse(house)
    await bench.restart_api()
    large_bytes = await _value(house, _SIZE)
    runs: list[Run] = []
    plain: dict[str, list[float]] = {"": [], "zstd:1": []}
    for turn in range(1, bench.pace.rounds + 1):
        for method, took in plain.items():
            took.append(await _pg_dump(house, method))
        runs.append(await run_once(house))
        say(
            f"round {turn}: pg_dump -Fc {plain[''][-1]:.1f} s, with zstd:1 {plain['zstd:1'][-1]:.1f} s, "
            f"backup {runs[-1].seconds:.1f} s, {runs[-1].memory:.0f} MB of memory"
        )
    alone, beside = await _selling(bench)
    return _section(small_bytes, small, large_bytes, runs, plain, alone, beside)


async def _selling(bench: Bench) -> tuple[Cell, Cell]:
    shops = bench.opened[-SHOPS:]
    cells: dict[str, list[Cell]] = {"alone": [], "beside": []}
    seconds = max(bench.pace.seconds, 2.0)
    for turn in range(1, bench.pace.rounds + 1):
        cells["alone"].append(await bench.product_cell("sales", shops, CLIENTS, seconds=seconds))
        async with backing_up(bench.house):
            cells["beside"].append(await bench.product_cell("sales", shops, CLIENTS, seconds=seconds))
        alone, beside = cells["alone"][-1], cells["beside"][-1]
        say(f"round {turn}: p95 alone {alone.p95:.1f} ms, beside a backup {beside.p95:.1f} ms")
        for failure in failures([alone, beside]):
            say(f"errors: {failure}")
    return middle(cells["alone"]), middle(cells["beside"])


def _section(
    small_bytes: int,
    small: Run,
    large_bytes: int,
    runs: list[Run],
    plain: dict[str, list[float]],
    alone: Cell,
    beside: Cell,
) -> Section:
    took = {name: median(seconds) for name, seconds in plain.items()}
    whole = median(run.seconds for run in runs)
    share = 100 * median(mine / run.seconds for mine, run in zip(plain[""], runs, strict=True))
    fair = 100 * median(mine / run.seconds for mine, run in zip(plain["zstd:1"], runs, strict=True))
    peak = max(run.memory for run in runs)
    slower = beside.p95 / alone.p95
    failed = alone.failed + beside.failed
    return Section(
        name="backup",
        title="A backup of the platform",
        head=("what", "database MB", "seconds", "MB of database a second", "peak memory MB", "sales/s", "p95 ms"),
        rows=[
            _row("`pg_dump -Fc` to a file", large_bytes, took[""]),
            _row("`pg_dump -Fc --compress=zstd:1` to a file", large_bytes, took["zstd:1"]),
            _row("`mostrador backup create`", large_bytes, whole, f"{peak:.0f}"),
            _row("`mostrador backup create`", small_bytes, small.seconds, f"{small.memory:.0f}"),
            [f"{CLIENTS} clients selling in {SHOPS} shops", "", "", "", "", f"{alone.rate:.0f}", f"{alone.p95:.1f}"],
            ["the same while backups run", "", "", "", "", f"{beside.rate:.0f}", f"{beside.p95:.1f}"],
        ],
        demands=[
            Demand(f"{share:.0f} % of the throughput of plain `pg_dump -Fc` (at least {SHARE:g} %)", share >= SHARE),
            Demand(f"{peak:.0f} MB of memory (at most {MEGABYTES:g} MB)", peak <= MEGABYTES),
            Demand(
                f"memory grew by {peak - small.memory:.0f} MB while the database grew from {small_bytes / _MEGA:.0f} to "
                f"{large_bytes / _MEGA:.0f} MB (at most {GROWTH:g} MB)",
                peak - small.memory <= GROWTH,
            ),
            Demand(f"{failed} failed sales (0)", failed == 0),
            Demand(f"p95 of a sale {slower:.2f} times that without a backup (at most {SLOWER:g})", slower <= SLOWER),
        ],
        notes=[
            "A backup is the dump, its sealing, count and checksum of every table from the same snapshot, the upload, and "
            f"reading the object back whole. Against `pg_dump` with the same compression it is {fair:.0f} %.",
        ],
    )


def _row(what: str, size: int, seconds: float, memory: str = "") -> list[str]:
    return [what, f"{size / _MEGA:.0f}", f"{seconds:.1f}", f"{size / _MEGA / seconds:.0f}", memory, "", ""]


async def run_once(house: House) -> Run:
    """`mostrador backup create` in a process of its own, watched. Raises `RuntimeError` when there is none afterwards."""
    log = house.data / "backup.log"
    with log.open("wb") as out:
        process = await _create(house, out.fileno())
        memory = 0.0
        ended = asyncio.create_task(process.wait())
        while not ended.done():
            try:
                memory = max(memory, peak_memory(process.pid)[process.pid])
            except (OSError, IndexError):
                # It ended meanwhile, and is only waited for.
                break
            await asyncio.wait({ended}, timeout=0.05)
    if await ended:
        raise RuntimeError(f"the backup ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    seconds, status, dumped = await _row_of(house, _LAST)
    if status != "stored":
        raise RuntimeError(f"the backup is {status}")
    shutil.rmtree(house.data / "respaldos", ignore_errors=True)
    return Run(seconds, memory, dumped)


@asynccontextmanager
async def backing_up(house: House) -> AsyncIterator[None]:
    """One backup after the other for the length of the block; it begins once the first one dumps."""
    stop, dumping = asyncio.Event(), asyncio.Event()

    async def one_after_the_other() -> None:
        while not stop.is_set():
            process = await _create(house, asyncio.subprocess.DEVNULL)
            while process.returncode is None and not dumping.is_set():
                if await _value(house, "select count(*) from pg_stat_activity where query like 'COPY %'"):
                    dumping.set()
                await asyncio.sleep(0.05)
            if await process.wait():
                raise RuntimeError(f"a backup beside the sales ended with {process.returncode}")

    running = asyncio.create_task(one_after_the_other())
    try:
        await asyncio.wait({running, asyncio.ensure_future(dumping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        stop.set()
        await running
        shutil.rmtree(house.data / "respaldos", ignore_errors=True)


async def _create(house: House, out: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "backup", "create"),
        env={"PATH": os.environ.get("PATH", os.defpath), **house.environment()},
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=out,
        stderr=out,
    )


async def _pg_dump(house: House, method: str) -> float:
    """Seconds of plain `pg_dump -Fc` into a file, as the role that backs up; `method` of compression, or its own."""
    target = house.data / "plain.dump"
    url = house.environment()["DATABASE_BACKUP_URL"]
    words = ["-Fc", f"--file={target}", *([f"--compress={method}"] if method else []), url]
    begun = perf_counter()
    process = await asyncio.create_subprocess_exec(house.postgres.tool("pg_dump"), *words)
    if await process.wait():
        raise RuntimeError(f"pg_dump ended with {process.returncode}")
    seconds = perf_counter() - begun
    target.unlink()
    return seconds


async def _row_of(house: House, query: str) -> tuple[float, str, int]:
    connection = await asyncpg.connect(house.postgres.admin_url("mostrador"))
    try:
        row = await connection.fetchrow(query)
    finally:
        await connection.close()
    assert row is not None
    return row[0], row[1], row[2]


async def _value(house: House, query: str) -> int:
    connection = await asyncpg.connect(house.postgres.admin_url("mostrador"))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()
