"""Breaking the installation on purpose, and mending it."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from app.dev.control import PutFault, Refused
from app.dev.fault_file import MISBEHAVIOURS, Fault, forget_fault, write_fault
from app.dev.processes import send
from app.dev.services import Service

_STOP_SECONDS = 8.0


class Faults:
    """What is broken now. `seconds` bounds a freeze or a misbehaviour; without it, until `clear`."""

    def __init__(self, services: dict[str, Service], stand_ins: Mapping[str, Path]) -> None:
        """`stand_ins` are the services that can misbehave, with the folders where they look for how."""
        self._services = services
        self._stand_ins = stand_ins
        self._freezers: dict[str, subprocess.Popen[bytes]] = {}

    async def put(self, wanted: PutFault) -> None:
        """Raises `Refused` for what makes no sense."""
        service = self._services.get(wanted.service)
        if service is None:
            raise Refused(f"El servicio {wanted.service} no corre en esta instalación.")
        if wanted.fault == "stop":
            service.allowed.clear()
            self.thaw(service.name)
            await service.stop(_STOP_SECONDS)
        elif wanted.fault == "kill":
            send([_running(service)], signal.SIGKILL)
        elif wanted.fault == "freeze":
            await self._freeze(service, wanted.seconds)
        else:
            self._misbehave(wanted)

    def _misbehave(self, wanted: PutFault) -> None:
        folder = self._stand_ins.get(wanted.service)
        how = MISBEHAVIOURS.get(wanted.fault)
        if folder is None or how is None:
            raise Refused(
                f"{wanted.service} solo admite las fallas stop, freeze y kill: "
                f"nada entre él y sus clientes puede hacer «{wanted.fault}»."
            )
        until = None if wanted.seconds is None else time.time() + wanted.seconds
        write_fault(folder, Fault(how, until))

    async def clear(self) -> None:
        """Everything moves and runs again when this returns."""
        self.forget()
        self.thaw()
        for service in self._services.values():
            if not service.allowed.is_set():
                await service.start()
                service.allowed.set()

    def forget(self) -> None:
        """Drop what an earlier launcher left broken."""
        for folder in self._stand_ins.values():
            forget_fault(folder)

    def thaw(self, name: str | None = None) -> None:
        """Let one service move again, or all."""
        for service in [name] if name else list(self._freezers):
            freezer = self._freezers.pop(service, None)
            if freezer:
                # Closes its standard input, which is what it waits for.
                freezer.communicate()

    async def _freeze(self, service: Service, seconds: float | None) -> None:
        pid = _running(service)
        self.thaw(service.name)
        freezer = _freezer(pid, seconds)
        self._freezers[service.name] = freezer
        if freezer.stdout is None or await asyncio.to_thread(freezer.stdout.readline) != b"frozen\n":
            raise Refused("El proceso no se pudo congelar.")


def _freezer(pid: int, seconds: float | None) -> subprocess.Popen[bytes]:
    limit = [] if seconds is None else [str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "app.dev.freezer", str(pid), *limit],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Its own group: Ctrl-C must not end it before it has let go.
        process_group=0,
    )


def _running(service: Service) -> int:
    """The process id. Raises `Refused` when it is not running."""
    if service.pid is None:
        raise Refused(f"El servicio {service.name} no está corriendo en este momento.")
    return service.pid
