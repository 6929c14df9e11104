"""`mostrador api`: the HTTP server. This process only holds the workers; each of them loads the application itself."""

import argparse
import ctypes
import logging
import multiprocessing
import os
import signal
from functools import partial
from importlib import import_module
from typing import Any, Final

import msgspec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server import Server

from app.settings import read_settings

_FACTORY: Final = "app.asgi"
_DEVELOPMENT_FACTORY: Final = "app.dev.asgi"
"""Named, never imported here: adds the `/dev` routes for `mostrador up`."""
_DRAIN_SECONDS: Final = 25
"""What a worker may take to answer the requests it has when it is told to stop; statements end after 15."""
_BACKLOG: Final = 2_048
_HEADER_MILLISECONDS: Final = 15_000
_PR_SET_PDEATHSIG: Final = 1
"""`linux/prctl.h`."""


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    factory = _DEVELOPMENT_FACTORY if settings.dev_control else _FACTORY
    server = Server(
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


def _load(factory: str, *, parent: int) -> Any:
    """Build the application in a worker, which ends with the server, even when that is killed."""
    _die_with(parent)
    return import_module(factory).from_environment()


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
