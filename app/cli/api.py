"""`mostrador api`: the HTTP server. This process only holds the workers; each of them loads the application itself."""

import argparse
import asyncio
import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Final

import msgspec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from app.db.plain import why_unknown
from app.lib import leaving
from app.settings import Settings, read_settings

_FACTORY: Final = "app.asgi"
_DEVELOPMENT_FACTORY: Final = "app.dev.asgi"
"""Named, never imported here: adds the `/dev` routes for `mostrador up`."""
_DRAIN_SECONDS: Final = 25
"""What a worker may take to answer the requests it has when it is made to stop; statements end after 15."""
_BACKLOG: Final = 2_048
_HEADER_MILLISECONDS: Final = 15_000
_PR_SET_PDEATHSIG: Final = 1
"""`linux/prctl.h`."""


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    _refuse_wrong_role(settings)
    factory = _DEVELOPMENT_FACTORY if settings.dev_control else _FACTORY
    server = _Server(
        settings.leave_seconds,
        factory,
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.ASGI,
        workers=settings.api_workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_access=False,
        log_dictconfig=_LOGGING,
        respawn_failed_workers=True,
        workers_kill_timeout=_DRAIN_SECONDS,
    )
    server.serve(target_loader=partial(_load, parent=os.getpid()))
    return 0


class _Server(MPServer):
    """granian, that says goodbye: not ready first, and only then does it stop listening and drain.

    Balancers that ask `/health/ready` send the next requests elsewhere while this process still takes those that come.
    """

    def __init__(self, leave_seconds: int, target: str, **options: Any) -> None:
        super().__init__(target, **options)
        self._leave_seconds = leave_seconds

    def shutdown(self, exit_code: int = 0) -> None:
        if self.interrupt_signal and self._leave_seconds:
            # A second signal, or a worker that ends, cuts it short.
            self.main_loop_interrupt.clear()
            for worker in self.wrks:
                # One that ends at this moment needs no telling.
                with suppress(ProcessLookupError):
                    os.kill(worker.inner.pid, leaving.ANNOUNCED_BY)
            self.main_loop_interrupt.wait(self._leave_seconds)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def _refuse_wrong_role(settings: Settings) -> None:
    """Raise `SettingsError` before anything listens: a worker that refuses to start would only be started again.

    A database that does not answer is the workers' business: they wait for it.
    """
    reason = asyncio.run(why_unknown(settings))
    if reason is not None:
        line = {"level": "warning", "logger": "api", "event": "the database does not answer yet", "reason": reason}
        print(msgspec.json.encode(line).decode(), flush=True)


def _load(factory: str, *, parent: int) -> Any:
    """Build the application in a worker, which ends with the server, even when that is killed."""
    _die_with(parent)
    leaving.listen()
    spare_memory()
    # What is loaded and built stays: looking through all of it for garbage again and again is a third of the start.
    gc.disable()
    try:
        return import_module(factory).from_environment()
    finally:
        gc.freeze()
        gc.enable()


_NEEDLESS: Final = ("attr", "attrs", "pydantic", "pygments", "rich")
"""What libraries load when it happens to be installed, for uses that are not ours: coloured tracebacks, other models."""
_M_MMAP_THRESHOLD: Final = -3
"""`malloc.h`."""
_LARGE: Final = 1_048_576
"""Bytes of a block that goes back to the system when it is freed."""


def spare_memory() -> None:
    """Keep a worker small; before its application is imported.

    The C library learns from the first freed block of a password hash (19 MiB) to keep such blocks for good, one for
    each thread that ever hashed; a fixed limit stops it from learning.
    """
    for name in _NEEDLESS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the one that started it ends; ends now if that has happened already."""
    if multiprocessing.parent_process() is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "prctl")
    if os.getppid() != parent:
        os._exit(1)


class LineFormatter(logging.Formatter):
    """The server's own few records as JSON lines, like everybody else's."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": "granian",
            "event": record.getMessage(),
            "process": "api",
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": LineFormatter}},
    "handlers": {"console": {"formatter": "line", "class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
    "loggers": {"_granian": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}
