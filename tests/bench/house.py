"""The servers of a bench run: PostgreSQL, Redis, the API and the yardstick, all on loopback, all ended with it."""

import asyncio
import base64
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Self

import asyncpg
import httpx

from app.dev.postgres import EmbeddedPostgres
from app.dev.processes import end, free_port, spawn
from app.dev.redis import EmbeddedRedis
from tests.bench.client import ROOT

START_SECONDS = 60.0
_PATH = os.environ.get("PATH", os.defpath)


class ServerSilent(RuntimeError):
    """A server of the bench ended or did not answer in time; the message carries the end of its log."""


class Server:
    """One HTTP server process."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path, port: int) -> None:
        self.name = name
        self.port = port
        self.log = log
        self._started = perf_counter()
        self._process = spawn(command, log=log, environment={"PATH": _PATH, **environment}, folder=ROOT)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answering(self, path: str, within: float = START_SECONDS) -> float:
        """Seconds from the start of the process to the first 200 of `path`. Raises `ServerSilent`."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            while perf_counter() - self._started < within:
                try:
                    answer = await http.get(path)
                except httpx.TransportError:
                    pass  # not listening yet: that is what we wait for
                else:
                    if answer.status_code == httpx.codes.OK:
                        return perf_counter() - self._started
                if self._process.poll() is not None:
                    break
                await asyncio.sleep(0.01)
        raise ServerSilent(f"{self.name} gave no 200 on {path}; the end of {self.log}:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        end(self._process, signal.SIGTERM, 15)


class House:
    """The data folder and the servers that live in it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.postgres = EmbeddedPostgres(data / "postgresql")
        self.redis = EmbeddedRedis(data / "redis")
        self._servers: list[Server] = []
        self.secret_key = secrets.token_bytes(32)
        self.signing_key = secrets.token_bytes(32)

    async def __aenter__(self) -> Self:
        await self.postgres.start_in_loop()
        await self.redis.start_in_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            await asyncio.to_thread(server.stop)
        await self.redis.stop_in_loop()
        await self.postgres.stop_in_loop()

    @property
    def postgres_pid(self) -> int:
        pid = self.postgres.pid
        if pid is None:
            raise ServerSilent("PostgreSQL ended during the bench")
        return pid

    async def create_database(self, name: str) -> str:
        """Make an empty database and return the superuser's URL of it."""
        await self.postgres_do("postgres", f'create database "{name}"')
        return self.postgres.admin_url(name)

    async def postgres_do(self, database: str, *statements: str) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        connection = await asyncpg.connect(self.postgres.admin_url(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def serve(self, name: str, module: list[str], environment: Mapping[str, str], port: int) -> Server:
        server = Server(name, [sys.executable, "-m", *module], environment, self.data / f"{name}.log", port)
        self._servers.append(server)
        return server

    def stop(self, server: Server) -> None:
        server.stop()
        self._servers.remove(server)

    def environment(self) -> dict[str, str]:
        """An ordinary installation's variables, the limits raised out of the way of one generator on one address."""
        roles = {"APP": "mostrador_app", "PLATFORM": "mostrador_platform", "BACKUP": "mostrador_backup"}
        urls = {name: self.postgres.url(role, f"{role}-bench", "mostrador") for name, role in roles.items()}
        return {
            "TOKEN_SIGNING_KEY": base64.b64encode(self.signing_key).decode(),
            "SECRET_KEY": base64.b64encode(self.secret_key).decode(),
            "ENVIRONMENT": "development",
            "DATABASE_URL": urls["APP"],
            "DATABASE_DIRECT_URL": urls["APP"],
            "DATABASE_PLATFORM_URL": urls["PLATFORM"],
            "DATABASE_BACKUP_URL": urls["BACKUP"],
            "DATABASE_ADMIN_URL": self.postgres.admin_url("mostrador"),
            "REDIS_URL": self.redis.url(),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": "1025",
            "MAIL_FROM": "bench@example.com",
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "METRICS_TOKEN": "bench",
            "RATE_LIMIT_PER_MINUTE": "10000000",
            "RATE_LIMIT_BURST": "10000000",
            "RATE_LIMIT_USER_PER_MINUTE": "10000000",
            "RATE_LIMIT_HEAVY_PER_MINUTE": "10000000",
            "SIGNUPS_PER_HOUR": "1000000",
            "POSTGRES_PROGRAMS": str(Path(self.postgres.tool("pg_dump")).parent),
            "BACKUP_STORAGE_URL": (self.data / "respaldos").as_uri(),
        }

    async def migrate(self) -> None:
        await self.create_database("mostrador")
        await asyncio.to_thread(self.run, ["app.cli", "migrate"])

    def run(self, module: list[str]) -> str:
        """Run one of the product's commands to its end and return its output; raises with that when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", *module],
            env={"PATH": _PATH, **self.environment()},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(module)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def api(self) -> Server:
        port = free_port()
        return self.serve("api", ["app.cli", "api", "--port", str(port)], self.environment(), port)
