"""One thing the launcher keeps running: an embedded server, or a program of ours."""

import asyncio
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from app.dev.processes import end, spawn
from app.dev.server import EmbeddedServer, ServerFailed, tail

READY_SECONDS = 60.0


class Service(ABC):
    """`url` and `version` are what anyone may see: no credentials."""

    def __init__(self, name: str, url: str | None, version: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.url = url
        self.version = version
        self.allowed = asyncio.Event()
        """Cleared while it is stopped on purpose, until `DELETE /dev/faults`."""
        self.allowed.set()

    @property
    @abstractmethod
    def pid(self) -> int | None: ...

    @abstractmethod
    async def start(self) -> None:
        """Return when it is ready. Raises `ServerFailed`."""

    @abstractmethod
    async def stop(self, seconds: float) -> None:
        """Stop in order; killed after `seconds`."""


class Server(Service):
    def __init__(self, server: EmbeddedServer, url: str) -> None:
        super().__init__(server.name, url, server.version, server.log)
        self._server = server

    @property
    def pid(self) -> int | None:
        return self._server.pid

    async def start(self) -> None:
        await self._server.start_in_loop()

    async def stop(self, seconds: float) -> None:
        await self._server.stop_in_loop(seconds)


class Program(Service):
    """A command of ours; `ready` asks whether it serves, and without one it is ready while it runs."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        version: str,
        url: str | None = None,
        ready: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        super().__init__(name, url, version, log)
        self._command = command
        self._environment = environment
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        self._process = spawn(self._command, log=self.log, environment=self._environment)
        deadline = time.monotonic() + READY_SECONDS
        while self._ready and not await self._ready():
            if self.pid is None or time.monotonic() > deadline:
                await self.stop(0)
                raise ServerFailed(f"{self.name} did not start; the end of {self.log}:\n{tail(self.log)}")
            await asyncio.sleep(0.05)

    async def stop(self, seconds: float) -> None:
        if self._process:
            await asyncio.to_thread(end, self._process, signal.SIGTERM, seconds)


async def answers_http(port: int, path: str) -> bool:
    """Whether `GET path` on loopback gives 200 within 2 s."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]


async def accepts(port: int) -> bool:
    """Whether something listens on the loopback port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
