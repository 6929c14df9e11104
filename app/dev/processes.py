"""Start a program that dies with us, look at its descendants, end it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import IO

from app.dev.account import Account

_WRAPPER = Path(__file__).with_name("child.py")
_PORTS = range(15_000, 32_000)
"""Below Linux's range for outgoing connections, so that no client takes a server's port while it restarts."""


class NoFreePort(RuntimeError):
    """No port of our range could be bound."""


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    death_signal: signal.Signals = signal.SIGKILL,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command`, its output appended to `log`; when the calling thread ends, so does the program.

    The kernel watches the thread that forked: call this from a thread that lives as long as the program should.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            _wrapped(command, death_signal, account),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            process_group=0,
        )


def _wrapped(command: Sequence[str], death_signal: signal.Signals, account: Account | None) -> list[str]:
    user = (account.uid, account.gid) if account else (-1, -1)
    numbers = (int(death_signal), os.getpid(), *user)
    return [sys.executable, "-I", "-S", str(_WRAPPER), *map(str, numbers), *command]


class Running:
    """A command whose output is read line by line."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self._process = process
        self._output = output

    async def line(self) -> str:
        """The next line with its end; empty after the last one."""
        return (await asyncio.to_thread(self._output.readline)).decode(errors="replace")

    async def code(self) -> int:
        return await asyncio.to_thread(self._process.wait)


@contextlib.asynccontextmanager
async def run(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Running]:
    """Start `command`; it ends with the block or the calling thread, whichever is first."""
    with _piped(command, environment) as process:
        try:
            if process.stdout is not None:
                yield Running(process, process.stdout)
        finally:
            end(process, signal.SIGKILL, 0)


def _piped(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _wrapped(command, signal.SIGKILL, None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        process_group=0,
    )


def free_port() -> int:
    """A loopback port nobody listens on now. Raises `NoFreePort`."""
    for port in SystemRandom().sample(_PORTS, 200):
        if port_is_free(port):
            return port
    raise NoFreePort(f"no free port between {_PORTS.start} and {_PORTS.stop}")


def port_is_free(port: int) -> bool:
    """Whether 127.0.0.1 can be bound, connections of an earlier server that still linger aside."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def descendants(pid: int) -> list[int]:
    """Children of the process and theirs, also those that left its process group (PostgreSQL's backends do)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        here = children.get(waiting.pop(), [])
        found += here
        waiting += here
    return found


def _parent(entry: Path) -> int | None:
    try:
        # The name in parentheses may itself hold spaces and parentheses.
        return int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Signal each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end(process: subprocess.Popen[bytes], number: signal.Signals, seconds: float) -> None:
    """Ask the program to stop, and kill it with all its descendants if it has not after `seconds`."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        send([process.pid, *descendants(process.pid)], signal.SIGKILL)
        process.wait()


def marked(word: str) -> list[int]:
    """Processes that carry the word in their command line, which every user may read of every process."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command_line = entry.joinpath("cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word.encode() in command_line:
            found.append(int(entry.name))
    return found
