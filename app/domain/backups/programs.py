"""PostgreSQL's own programs: where they are, whether they may be used with this server, and how a run of one is watched."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from app.settings import Settings

_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_MOST_SAID: Final = 20_000
"""Bytes kept of what a program says of its mistakes."""


class ProgramFailed(Exception):
    """A program is missing, too old, or ended with a mistake: the message says which."""


def program(settings: Settings, name: str) -> str:
    """The full path of `pg_dump` or `pg_restore`. Raises `ProgramFailed`."""
    folder = settings.postgres_programs
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        where = f"in POSTGRES_PROGRAMS={folder}" if folder else "on the PATH; name its folder in POSTGRES_PROGRAMS"
        raise ProgramFailed(f"there is no {name} {where}")
    return found


async def check_version(settings: Settings, server_major: int) -> str:
    """The version of `pg_dump`, which must not be older than the server. Raises `ProgramFailed`."""
    process = await asyncio.create_subprocess_exec(
        program(settings, "pg_dump"), "--version", stdout=asyncio.subprocess.PIPE
    )
    said = (await process.communicate())[0].decode().strip()
    found = _VERSION.search(said)
    if found is None:
        raise ProgramFailed(f"pg_dump does not tell its version: {said!r}")
    if int(found[1]) < server_major:
        raise ProgramFailed(f"pg_dump {found[1]} is older than the server, PostgreSQL {server_major}")
    return said


def connection_environment(url: str) -> dict[str, str]:
    """The environment that ties a program to a database: a password on a command line would be seen by everybody."""
    parts = urlsplit(url)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "PGHOST": unquote(parts.hostname or ""),
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGAPPNAME": "mostrador-backup",
        "PGCONNECT_TIMEOUT": "10",
    }
    names = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
    for key, value in parse_qsl(parts.query):
        if key in names:
            environment[names[key]] = value
        if key == "host":
            environment["PGHOST"] = value
    return environment


class Running:
    """A program that runs; at the end of the block it has ended, whatever happened."""

    def __init__(self, command: list[str], environment: Mapping[str, str], *, feed: bool = False) -> None:
        self._command = command
        self._environment = dict(environment)
        self._feed = feed
        self._said = bytearray()
        self._listening: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Running":
        pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=pipe if self._feed else quiet,
            stdout=quiet if self._feed else pipe,
            stderr=pipe,
            env=self._environment,
            limit=1 << 20,
            # Not ours to be interrupted by the terminal: the block ends it.
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_error: object) -> None:
        process = self.process
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    @property
    def process(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the program was not started")
        return self._process

    async def read(self, size: int) -> bytes:
        """Output, at most so many bytes; empty at its end."""
        assert self.process.stdout is not None
        return await self.process.stdout.read(size)

    async def write(self, piece: bytes) -> None:
        """Feed the program. Raises `ProgramFailed` when it no longer listens."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(piece)
            await self.process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            await self.ended()
            raise ProgramFailed(f"{Path(self._command[0]).name} stopped reading") from error

    async def ended(self, *, allowed: tuple[int, ...] = (0,)) -> None:
        """Wait for the end. Raises `ProgramFailed` for any exit code that is not allowed."""
        if self.process.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.process.stdin.close()
                await self.process.stdin.wait_closed()
        code = await self.process.wait()
        if self._listening is not None:
            await self._listening
        if code not in allowed:
            said = bytes(self._said).decode(errors="replace").strip()
            name = Path(self._command[0]).name
            how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            raise ProgramFailed(f"{name} {how}: {said[-1000:] or 'it said nothing'}")

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while piece := await self.process.stderr.read(4096):
            self._said += piece
            del self._said[:-_MOST_SAID]
