"""A process of the API that is told to stop says that it is not ready while it still serves, and only then goes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.dev.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
LEAVE_SECONDS = 2


@contextmanager
def serving(environ: dict[str, str], **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`mostrador api` as it runs in production, once it is ready."""
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "api", "--port", str(port)]
    process = subprocess.Popen(
        command, env=os.environ | environ | variables, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while status(url) != 200:
            assert process.poll() is None
            assert time.monotonic() < deadline, status(url)
            time.sleep(0.05)
        yield process, url
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def status(url: str, path: str = "/health/ready") -> int:
    """Asked on a connection of its own; 0 when nobody listens."""
    where = urlsplit(url)
    connection = HTTPConnection(str(where.hostname), where.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_leaving_process_is_not_ready_but_serves_until_it_drains(environ: dict[str, str], workers: str) -> None:
    with serving(environ, API_LEAVE_SECONDS=str(LEAVE_SECONDS), API_WORKERS=workers) as (process, url):
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        seen: list[tuple[float, int, int]] = []
        while process.poll() is None:
            seen.append((time.monotonic() - told, status(url), status(url, "/health/live")))
            time.sleep(0.02)
        ended = time.monotonic() - told
    assert process.returncode == 0
    leaving = [answers for at, *answers in seen if 0.3 < at < LEAVE_SECONDS - 0.3]
    assert len(leaving) >= 5
    assert {tuple(answers) for answers in leaving} == {(503, 200)}, seen
    assert LEAVE_SECONDS <= ended < LEAVE_SECONDS + 10


def test_a_second_signal_ends_the_goodbye(environ: dict[str, str]) -> None:
    with serving(environ, API_LEAVE_SECONDS="8") as (process, url):
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 3
        while status(url) != 503:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as made:
        yield made


async def test_what_a_leaving_process_has_begun_is_answered(environ: dict[str, str], client: httpx.AsyncClient) -> None:
    """A body that arrives slowly across the goodbye and the drain gets its answer: it is not cut off."""
    with serving(environ, API_LEAVE_SECONDS="1") as (process, url):

        async def body() -> AsyncIterator[bytes]:
            yield b'{"email": "ana@tienda.test", '
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(2.5)
            yield b'"password": "no es la suya"}'

        answer = await client.post(f"{url}/v1/auth/login", content=body(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 401, answer.text
        assert await asyncio.to_thread(process.wait, 10) == 0


def test_whoever_stops_the_api_waits_for_the_goodbye_and_the_drain() -> None:
    """8 s at most and 25: less patience of a unit would kill what is being answered."""
    unit = (ROOT / "deploy/systemd/mostrador-api@.service").read_text(encoding="utf-8")
    assert "\nKillMode=mixed\n" in unit, "the workers would be made to stop before anybody is told"
    supervisor = (ROOT / "deploy/supervisor/mostrador.conf").read_text(encoding="utf-8")
    assert "stopasgroup" not in supervisor
    compose = (ROOT / "deploy/docker/compose.yaml").read_text(encoding="utf-8")
    api = supervisor.split("[program:mostrador-worker]")[0]
    for found in (
        re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE),
        re.findall(r"^stopwaitsecs=(\d+)$", api, re.MULTILINE),
        re.findall(r"^x-api:.*?stop_grace_period: (\d+)s$", compose, re.MULTILINE | re.DOTALL),
    ):
        assert found
        assert all(int(seconds) > 8 + 25 for seconds in found), found
