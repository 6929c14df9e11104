"""`mostrador up` as the suite holds it: started, broken from outside, started again, and cleared away."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from app.dev.processes import descendants, free_port, send, spawn
from app.dev.server import ServerRecord

PATIENCE_SECONDS = 180.0
ROOT = Path(__file__).resolve().parents[2]


class NotBack(Exception):
    """What was killed did not return, or what should have ended did not."""


class House:
    """One installation in one folder, on one port for its whole life."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "up.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.AsyncClient(base_url=self.url, timeout=5)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the launcher and wait until everything works."""
        command = [sys.executable, "-m", "app.cli", "up", "--no-demo"]
        command += ["--data", str(self.data), "--port", str(self.port)]
        self._process = spawn(command, log=self.log, folder=ROOT)
        await self.healthy()

    async def stop(self) -> None:
        """End in order what still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self._process.wait, 60)
        await self._http.aclose()

    async def kill_launcher(self) -> tuple[int, float]:
        """SIGKILL `mostrador up`: how many processes it had, and the seconds until the last of them was gone."""
        assert self._process is not None
        family = descendants(self.pid)
        began = time.monotonic()
        self._process.kill()
        self._process.wait()
        await self.gone(family)
        return len(family), time.monotonic() - began

    async def gone(self, pids: list[int]) -> None:
        """Wait until none of the processes runs. Raises `NotBack`."""
        deadline = time.monotonic() + 60
        while left := [pid for pid in pids if _runs(pid)]:
            if time.monotonic() > deadline:
                raise NotBack(f"still running: {left}")
            await asyncio.sleep(0.02)

    async def services(self) -> dict[str, int | None]:
        """Process ids by service. Raises `httpx.HTTPError` while the API is away."""
        found: dict[str, dict[str, Any]] = (await self._http.get("/dev/services")).raise_for_status().json()
        return {name: service["pid"] for name, service in found.items()}

    async def pid_of(self, service: str) -> int:
        """The process id of a service that runs."""
        pid = (await self.services())[service]
        if pid is None:
            raise NotBack(f"{service} is not running")
        return pid

    async def freeze_redis(self, seconds: float) -> None:
        """SIGSTOP it; it moves again by itself."""
        body = {"service": "redis", "fault": "freeze", "seconds": seconds}
        (await self._http.post("/dev/faults", json=body)).raise_for_status()

    async def healthy(self, service: str | None = None, before: int | None = None) -> float:
        """Wait until every service runs and works, `service` as another process than `before`; answers the seconds.

        Raises `NotBack`.
        """
        began = time.monotonic()
        reason = ""
        while time.monotonic() - began < PATIENCE_SECONDS:
            try:
                reason = await self._why_not(service, before)
            except (httpx.HTTPError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                reason = f"{type(error).__name__}: {error}"
            if not reason:
                return time.monotonic() - began
            if self._process is None or self._process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        log = self.log.read_text(errors="replace")[-3000:]
        raise NotBack(f"not healthy after {time.monotonic() - began:.0f} s: {reason}; the end of {self.log}:\n{log}")

    async def _why_not(self, service: str | None, before: int | None) -> str:
        services = await self.services()
        if missing := [name for name, pid in services.items() if pid is None]:
            return f"not running: {missing}"
        if service and services[service] == before:
            return f"{service} is still process {before}"
        seen = time.time()
        worker = services["worker"]
        # Its row is written at its start and names its process: the queue is served by this one, not by its predecessor.
        beat = "SELECT count(*) FROM worker_heartbeat WHERE worker LIKE '%:' || $1::text"
        if not await self.value(beat, str(worker)):
            return f"the worker {worker} has not shown itself"
        while True:
            health = (await self._http.get("/health")).json()
            if health["status"] != "ok":
                return f"{health['status']}: {health['warnings']}"
            # A report answers for a second; only one of after the processes were seen counts.
            if datetime.fromisoformat(health["timestamp"]).timestamp() >= seen:
                return ""
            await asyncio.sleep(0.1)

    def environment(self) -> Mapping[str, str]:
        """What the launcher chose for its programs."""
        lines = (self.data / "environment").read_text().splitlines()
        chosen = dict(line.split("=", 1) for line in lines)
        return {**os.environ, **{name: shlex.split(value)[0] if value else "" for name, value in chosen.items()}}

    async def value(self, query: str, *arguments: object) -> Any:
        """One value, asked as the database's owner."""
        rows = await self.rows(query, *arguments)
        return rows[0][0] if rows else None

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        """Rows, asked as the database's owner, whom no fence holds."""
        url = next(
            line.split("=", 1)[1]
            for line in (self.data / "environment").read_text().splitlines()
            if line.startswith("DATABASE_ADMIN_URL=")
        )
        connection = await asyncpg.connect(shlex.split(url)[0], timeout=5)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def get(self, path: str, headers: dict[str, str]) -> Any:
        """A 200 of the API as JSON."""
        return (await self._http.get(path, headers=headers, timeout=120)).raise_for_status().json()


def forget(folder: Path) -> None:
    """Delete an installation, also what of its servers lies outside the folder."""
    for file in folder.glob("data/*/server.json"):
        shutil.rmtree(msgspec.json.decode(file.read_bytes(), type=ServerRecord).home, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def kill_tree(pid: int) -> list[int]:
    """SIGKILL a process and all its descendants, none of which has time to react; answers them.

    The root is stopped first: it neither makes nor buries children between our look and our blow.
    """
    os.kill(pid, signal.SIGSTOP)
    family = [pid, *descendants(pid)]
    send(family, signal.SIGKILL)
    return family


def kill_children(pid: int) -> list[int]:
    """SIGKILL the descendants alone."""
    family = descendants(pid)
    send(family, signal.SIGKILL)
    return family


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}
