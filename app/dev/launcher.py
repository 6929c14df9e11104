"""`mostrador up`: the whole system from one command, on a machine with nothing but Python."""

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from app.dev import environment
from app.dev.account import NoAccount
from app.dev.control import (
    Answer,
    AnyRequest,
    ClearFaults,
    MoveClock,
    PutFault,
    ServiceOut,
    ShowServices,
    listen,
)
from app.dev.environment import DemoLogin
from app.dev.faults import Faults
from app.dev.installation import CLI, Installation
from app.dev.processes import (
    NoFreePort,
    descendants,
    free_port,
    port_is_free,
    run,
    send,
)
from app.dev.server import ServerFailed, tail, write_private
from app.dev.services import Service
from app.dev.sockets import NotOurs
from app.dev.supervisor import Supervisor
from app.dev.terminal import say, told, warn

_PROGRAMS_STOP_SECONDS = 6.0
"""The worker waits 5 s for its jobs."""
_SERVERS_STOP_SECONDS = 3.0
_DEMO_LINE = re.compile(r"demo: (\S+) (\S+)")


class CannotStart(Exception):
    """Said to the user as it is."""


async def up(data: Path, port: int, demo: bool, *, program: Sequence[str] = CLI) -> int:
    """Run the installation in `data` until SIGINT or SIGTERM; answers the exit code. Port 0 takes any free one.

    Must be the main task of the main thread: children die with the thread that started them.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        with _installation(data, port, program) as installation:
            return await _Launcher(installation, demo=demo).run_until(stopping)
    except (CannotStart, NoAccount, NoFreePort, NotOurs, ServerFailed) as reason:
        warn(f"mostrador: {reason}")
        return 1


@contextlib.contextmanager
def _installation(folder: Path, port: int, program: Sequence[str]) -> Iterator[Installation]:
    """The data folder's installation, as its only launcher."""
    data = folder.absolute()
    data.mkdir(parents=True, exist_ok=True)
    with data.joinpath("lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"{data} is in use by another `mostrador up` (process {lock.read().strip()}); "
                "stop that one, or choose another folder with --data"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield Installation(data, _usable(port), program)


def _usable(port: int) -> int:
    if port == 0:
        return free_port()
    if not port_is_free(port):
        raise CannotStart(f"port {port} of 127.0.0.1 is in use; choose another with --port")
    return port


class _Launcher:
    def __init__(self, installation: Installation, *, demo: bool) -> None:
        self._installation = installation
        self._demo = demo
        self._foundation = installation.foundation()
        self._programs: list[Service] = []
        self._services = {service.name: service for service in self._foundation}
        self._faults = Faults(
            self._services, {"smtp": installation.mail, "dian": installation.dian, "stripe": installation.stripe}
        )
        self._supervisor = Supervisor()

    async def run_until(self, stopping: asyncio.Event) -> int:
        waiting = asyncio.create_task(stopping.wait())
        working = asyncio.create_task(self._boot_and_watch())
        try:
            await asyncio.wait((waiting, working), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return 0
        finally:
            await self._stop(waiting, working)

    async def _boot_and_watch(self) -> None:
        await self._boot()
        await self._supervisor.failed()

    async def _boot(self) -> None:
        installation = self._installation
        for name, address in installation.outside().items():
            say(_line(name, "", address))
        # Neither a fault nor a moved clock outlives the launcher that was asked for it.
        self._faults.forget()
        installation.clock.unlink(missing_ok=True)
        await asyncio.gather(*(self._start(service) for service in self._foundation))
        await installation.make_database()
        environment.save(installation.data, installation.chosen())
        await self._run("migrate")
        if self._demo and installation.secrets.demo is None:
            await self._fill_demo()
        await listen(installation.control, self._answer)
        self._programs = installation.programs()
        self._services |= {service.name: service for service in self._programs}
        for service in self._programs:
            await self._start(service)
        for service in self._services.values():
            self._supervisor.keep(service)
        address = f"http://127.0.0.1:{installation.port}"
        say(address)
        say(f"{address}/schema")
        if self._demo and (login := installation.secrets.demo):
            say(f"demo: {login.email} {login.password}")

    async def _start(self, service: Service) -> None:
        async with told(f"{service.name} starts"):
            await service.start()
        say(_line(service.name, service.version, service.url or ""))

    async def _run(self, name: str, *, heard: bool = False) -> list[str]:
        """Run a command of ours to its end and answer its lines; `heard` ones are shown. Raises `CannotStart`."""
        log = self._installation.log(name)
        lines: list[str] = []
        command, variables = self._installation.command(name), self._installation.environment()
        with log.open("a") as output:
            async with told(name), run(command, variables) as process:
                while line := await process.line():
                    output.write(line)
                    lines.append(line.rstrip())
                    if heard and not _DEMO_LINE.fullmatch(lines[-1]):
                        say(f"  {lines[-1]}")
                code = await process.code()
        if code != 0:
            raise CannotStart(f"`{name}` failed with exit code {code}; the end of {log}:\n{tail(log)}")
        return lines

    async def _fill_demo(self) -> None:
        say("filling the demo shop, only this first time")
        lines = await self._run("demo", heard=True)
        found = next((match for line in reversed(lines) if (match := _DEMO_LINE.fullmatch(line))), None)
        if found is None:
            raise CannotStart("`demo` did not say how to log in")
        self._installation.secrets.demo = DemoLogin(email=found[1], password=found[2])
        self._installation.secrets.save(self._installation.data)

    async def _answer(self, request: AnyRequest) -> Answer:
        match request:
            case ShowServices():
                return Answer(
                    services={
                        name: ServiceOut(url=service.url, pid=service.pid, version=service.version)
                        for name, service in self._services.items()
                    }
                )
            case MoveClock(offset_seconds=offset):
                write_private(self._installation.clock, msgspec.json.encode({"offset_seconds": offset}))
            case PutFault():
                await self._faults.put(request)
            case ClearFaults():
                await self._faults.clear()
        return Answer()

    async def _stop(self, *tasks: asyncio.Task[object]) -> None:
        started = time.monotonic()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._faults.thaw()
        async with told("stopping", warn):
            await self._supervisor.stop(
                (self._programs, _PROGRAMS_STOP_SECONDS), (self._foundation, _SERVERS_STOP_SECONDS)
            )
        # A worker of the API server, say, whose own parent was killed a moment ago.
        send(descendants(os.getpid()), signal.SIGKILL)
        self._installation.control.unlink(missing_ok=True)
        warn(f"stopped in {time.monotonic() - started:.1f} s")


def _line(name: str, version: str, address: str) -> str:
    return f"{name:<12}{version:<16}{address}".rstrip()
