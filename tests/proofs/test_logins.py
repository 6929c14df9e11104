"""Fifty people log in at once, and whoever watches the health of the service hardly notices."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from app.dev.processes import free_port
from app.settings import Settings
from tests.domain.accounts.guessing import try_password
from tests.shop import Shop, forget_tries, sign_up

PEOPLE = 50
EACH = 9
"""Logins of each, one after the other: one short of what an account may at once."""
PAUSE = 0.02
"""Seconds between two questions of the watcher."""


@pytest.fixture
async def server(environ: dict[str, str], settings: Settings) -> AsyncIterator[str]:
    """The API as it is served, one process; its address."""
    await forget_tries(settings)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "api", "--host", "127.0.0.1", "--port", str(port)),
        env={**os.environ, **environ, "TRUSTED_PROXIES": "127.0.0.1/32"},
        stdout=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url) as http, asyncio.timeout(60):
        while not await is_ready(http):
            await asyncio.sleep(0.1)
    yield url
    process.terminate()
    await process.wait()


async def is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def watch(url: str, until: asyncio.Event) -> list[float]:
    """Seconds that `/health` took, asked on and on."""
    spent = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        while not until.is_set():
            started = time.perf_counter()
            answer = await http.get("/health")
            spent.append(time.perf_counter() - started)
            assert answer.status_code == 200
            await asyncio.sleep(PAUSE)
    return spent


async def log_in_again(http: httpx.AsyncClient, shop: Shop) -> int:
    for _ in range(EACH):
        answer = await try_password(http, shop.email, shop.password, shop.extra["address"])
        assert answer.status_code == 200, answer.text
    return EACH


def p99(spent: list[float]) -> float:
    return statistics.quantiles(spent, n=100)[98] * 1000


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_fifty_parallel_logins_delay_health_by_less_than_50_ms(server: str) -> None:
    limits = httpx.Limits(max_connections=PEOPLE)
    async with httpx.AsyncClient(base_url=server, timeout=60, limits=limits) as http:
        shops = []
        for number in range(PEOPLE):
            http.headers["X-Forwarded-For"] = f"198.51.100.{number + 1}"
            shops.append(await sign_up(http))
            shops[-1].extra["address"] = http.headers["X-Forwarded-For"]
        del http.headers["X-Forwarded-For"]
        done = asyncio.Event()
        watching = asyncio.create_task(watch(server, done))
        await asyncio.sleep(10)
        done.set()
        idle = await watching
        done.clear()
        watching = asyncio.create_task(watch(server, done))
        started = time.perf_counter()
        logins = sum(await asyncio.gather(*(log_in_again(http, shop) for shop in shops)))
        seconds = time.perf_counter() - started
        done.set()
        busy = await watching
    print(
        f"{logins} logins, {PEOPLE} at a time, in {seconds:.1f} s ({logins / seconds:.0f}/s): /health p99 {p99(busy):.1f} ms "
        f"of {len(busy)} meanwhile, {p99(idle):.1f} ms of {len(idle)} before; median {1000 * statistics.median(busy):.1f} and "
        f"{1000 * statistics.median(idle):.1f} ms"
    )
    assert p99(busy) - p99(idle) < 50
