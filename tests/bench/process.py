"""Memory of the API under load, and how long everything takes to start."""

import asyncio
import os
import sys
from pathlib import Path
from statistics import median

from app.dev.processes import free_port
from tests.bench.house import Server
from tests.bench.measure import peak_memory
from tests.bench.parts import Bench, failures
from tests.bench.report import Demand, Section, say

MEGABYTES = 150.0
HEALTH_SECONDS = 2.0
FIRST_UP_SECONDS = 45.0
LATER_UP_SECONDS = 10.0


async def memory(bench: Bench) -> Section:
    """The peak of the API's processes under 32 clients selling in ten shops, and what signing those shops up took before."""
    shops = await bench.shops([f"Tienda {n} de memoria" for n in range(1, 11)])
    signing_up = max(peak_memory((await bench.api()).pid).values())
    await bench.restart_api()
    cell = await bench.product_cell("sales", shops, 32)
    for failure in failures([cell]):
        say(f"errors: {failure}")
    api = await bench.api()
    peaks = peak_memory(api.pid)
    serving = max(peaks.values())
    say(f"memory: {serving:.0f} MB, all processes {sum(peaks.values()):.0f} MB")
    return Section(
        name="memory",
        title="Memory of the API",
        head=("what", "peak resident MB"),
        rows=[
            ["the process that serves", f"{serving:.0f}"],
            [
                "one that signed shops up: password hashes (19 MB each) and the lists of known passwords",
                f"{signing_up:.0f}",
            ],
            [
                f"all {len(peaks)} processes of `mostrador api`, shared pages counted in each",
                f"{sum(peaks.values()):.0f}",
            ],
        ],
        demands=[
            Demand(
                f"{serving:.0f} MB under 32 clients selling in ten shops (at most {MEGABYTES:g} MB)",
                serving <= MEGABYTES,
            )
        ],
    )


async def start(bench: Bench) -> Section:
    """Start to the first 200 of `/health`: the API with its services up, then the whole of `mostrador up` twice."""
    await bench.api()
    seconds: list[float] = []
    for _ in range(bench.pace.starts):
        server = bench.house.api()
        seconds.append(await server.answering("/health"))
        bench.house.stop(server)
    api = median(seconds)
    say(f"start: api {api:.2f}s")
    data = bench.house.data / "up"
    first = await _up(bench, data, "first")
    later = await _up(bench, data, "later")
    return Section(
        name="start",
        title="Start to the first 200 of /health",
        head=("what", "seconds"),
        rows=[
            [f"`mostrador api`, services up, median of {bench.pace.starts}", f"{api:.2f}"],
            ["`mostrador up`, empty folder, demo shop filled", f"{first:.1f}"],
            ["`mostrador up`, existing folder", f"{later:.1f}"],
        ],
        demands=[
            Demand(f"api {api:.2f} s (at most {HEALTH_SECONDS:g} s)", api <= HEALTH_SECONDS),
            Demand(f"first `mostrador up` {first:.1f} s (at most {FIRST_UP_SECONDS:g} s)", first <= FIRST_UP_SECONDS),
            Demand(f"later `mostrador up` {later:.1f} s (at most {LATER_UP_SECONDS:g} s)", later <= LATER_UP_SECONDS),
        ],
    )


async def _up(bench: Bench, data: Path, which: str) -> float:
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "up", "--data", str(data), "--port", str(port)]
    environment = {"HOME": os.environ.get("HOME", "/")}
    server = Server("mostrador up", command, environment, bench.house.data / "up.log", port)
    try:
        seconds = await server.answering("/health", within=300)
    finally:
        await asyncio.to_thread(server.stop)
    say(f"start: {which} mostrador up {seconds:.1f}s")
    return seconds
