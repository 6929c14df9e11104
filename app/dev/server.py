"""What the embedded PostgreSQL and Redis share: a home their user can reach, a password, start, readiness, stop."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Self
from uuid import uuid4

import msgspec

from app.dev.account import Account, give, own_folder, reaches, server_account
from app.dev.processes import end, free_port, marked, send, spawn

_LAST_WORDS_SECONDS = 15.0
"""How long a server whose launcher was killed may take to write everything down."""
READY_SECONDS = 60.0
"""A start is ready in a second or two; replaying the log after a crash under load takes longer."""


class ServerFailed(RuntimeError):
    """An embedded server did not start; the message carries the end of its log."""


class ServerRecord(msgspec.Struct):
    """What is remembered in the data folder, readable by its owner only."""

    id: str
    password: str
    home: str
    """Where the server's files are: below the data folder, or elsewhere if its user cannot reach that."""


class EmbeddedServer(ABC):
    """One server on loopback whose files live in `data`; usable as `start()`/`stop()` or `async with`."""

    name: ClassVar[str]
    package: ClassVar[str]
    """The distribution that brings the programs; its version is theirs."""
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data = data.absolute()
        self.settings = dict(settings or {})
        self.log = self.data / f"{self.name}.log"
        self._account: Account | None = None
        self._record: ServerRecord | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    @property
    def port(self) -> int:
        """Chosen at the first start and kept for every later one, so that clients find it again."""
        if self._port is None:
            self._port = free_port()
        return self._port

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def version(self) -> str:
        return version(self.package)

    @property
    def password(self) -> str:
        return self._known().password

    @property
    def home(self) -> Path:
        return Path(self._known().home)

    @abstractmethod
    def command(self) -> list[str]:
        """The server's command line, without anything secret."""

    @property
    @abstractmethod
    def lock(self) -> Path:
        """Where the server writes its process id, in the first line."""

    @abstractmethod
    def set_up(self) -> None:
        """Make or mend what is in `home`, before every start."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server accepts connections."""

    def prepare(self) -> None:
        """Find or make the server's files. Slow the first time, and harmless to run in a thread."""
        self.data.mkdir(parents=True, exist_ok=True)
        self._record = self._remember()
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.home.joinpath("owner").write_text(f"{self._record.id}\n{self.data}")
        give(self._account, self.home)
        self._retire_predecessor()
        self.set_up()

    def spawn(self) -> None:
        """Start the process; it dies with the calling thread."""
        self._process = spawn(
            self.command(),
            log=self.log,
            death_signal=self.stop_signal,
            account=self._account,
            environment={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
            folder=self.home,
        )

    def wait_ready(self) -> None:
        """Raises `ServerFailed` when the process ends or stays silent."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(0)
                raise ServerFailed(f"{self.name} did not start; the end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.02)

    def start(self) -> None:
        self.prepare()
        self.spawn()
        self.wait_ready()

    def stop(self, seconds: float = 30.0) -> None:
        """Stop in order; killed if that takes longer than `seconds`."""
        if self._process:
            end(self._process, self.stop_signal, seconds)

    def remove(self) -> None:
        """Delete the server's files, also those outside the data folder."""
        if self._record:
            shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)

    async def start_in_loop(self) -> None:
        """As `start`, without blocking the loop; the process is forked by the loop's own thread."""
        await asyncio.to_thread(self.prepare)
        self.spawn()
        await asyncio.to_thread(self.wait_ready)

    async def stop_in_loop(self, seconds: float = 30.0) -> None:
        await asyncio.to_thread(self.stop, seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.start_in_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_in_loop()

    @property
    def mark(self) -> str:
        """Stands on the command line of each of the server's processes, and of no other."""
        return f"mostrador-{self._known().id}"

    def disown_lock(self) -> None:
        """Make the lock file harmless whose process id now belongs to another program."""
        self.lock.unlink(missing_ok=True)

    def _retire_predecessor(self) -> None:
        """Let a server that outlived its launcher finish, and forget a lock file whose process is another's.

        PostgreSQL itself takes over a lock file whose process is gone, but not one whose id was given to a new process
        of the same user meanwhile, as happens after a container restarts.
        """
        leader = self._lock_holder()
        if leader in self._processes():
            send([leader], self.stop_signal)
        if self._process is not None:
            # Our own child: until it is waited for, its id still exists, and its lock files look held.
            end(self._process, self.stop_signal, _LAST_WORDS_SECONDS)
        if not self._gone_within(_LAST_WORDS_SECONDS):
            send(self._processes(), signal.SIGKILL)
            if not self._gone_within(_LAST_WORDS_SECONDS):
                raise ServerFailed(f"an earlier {self.name} still uses {self.home}: processes {self._processes()}")
        if leader and Path(f"/proc/{leader}").exists():
            self.disown_lock()

    def _lock_holder(self) -> int:
        first = self.lock.read_text().partition("\n")[0].strip() if self.lock.exists() else ""
        return int(first) if first.isdigit() else 0

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _processes(self) -> list[int]:
        return marked(self.mark)

    def _known(self) -> ServerRecord:
        if self._record is None:
            raise ServerFailed(f"{self.name} was not started")
        return self._record

    def _remember(self) -> ServerRecord:
        file = self.data / "server.json"
        if file.exists():
            record = msgspec.json.decode(file.read_bytes(), type=ServerRecord)
        else:
            record = ServerRecord(id=uuid4().hex, password=secrets.token_urlsafe(24), home="")
        recorded = Path(record.home) if record.home else self.data / "home"
        self._account = server_account(recorded)
        if not file.exists():
            # Before its home: what has no record may be swept away.
            write_private(file, msgspec.json.encode(record))
        home = str(self._home_of(record, recorded))
        if home != record.home:
            record.home = home
            write_private(file, msgspec.json.encode(record))
        return record

    def _home_of(self, record: ServerRecord, recorded: Path) -> Path:
        inside = self.data / "home"
        if recorded != inside and recorded.exists() and _owner(recorded)[0] == record.id:
            return recorded
        if self._account is None or reaches(self._account, self.data):
            return inside
        outside = own_folder(self._account, self.data, self.name)
        _sweep(outside.parent)
        if outside.exists() and (inside.exists() or _owner(outside)[0] != record.id):
            # An unfinished copy, or of a deleted data folder at the same path: its password went with it.
            shutil.rmtree(outside)
        if inside.exists():
            # Made while the folder was open; from now on its user could not enter it.
            shutil.copytree(inside, outside, symlinks=True)
            moved = inside.rename(self.data / "home.moved")
            shutil.rmtree(moved)
        return outside


def _owner(home: Path) -> tuple[str, str]:
    """Id and data folder that a home belongs to; empty while neither is known."""
    try:
        words = home.joinpath("owner").read_text()
    except (FileNotFoundError, NotADirectoryError):
        words = ""
    identity, _, data = words.partition("\n")
    return identity, data


def _sweep(shared: Path) -> None:
    """Remove homes whose data folder stood below the machine's temporary folder and is gone."""
    for home in shared.glob("*-*"):
        data = Path(_owner(home)[1])
        if data.is_relative_to(tempfile.gettempdir()) and not data.joinpath("server.json").exists():
            # Another start may be sweeping too.
            shutil.rmtree(home, ignore_errors=True)


def tail(log: Path) -> str:
    """The last lines of a log, as far as there is one."""
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def wheel_folder(package: str) -> Path:
    """Where a wheel that only brings programs is installed, without importing it. Raises `ServerFailed`."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ServerFailed(f"{package} is not installed: use `make install`, or set DATABASE_URL and REDIS_URL")
    return Path(found.origin).parent


def write_private(file: Path, content: bytes) -> None:
    """Replace the file at once, or not at all, readable by its owner only."""
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        output.write(content)
        output.flush()
        os.fsync(output.fileno())
    unfinished.rename(file)
