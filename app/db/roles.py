"""Serve only as a plain role, also when the database comes up after the process that asks it."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from app.db.plain import why_unknown
from app.settings import Settings, SettingsError

_LOG = structlog.stdlib.get_logger("mostrador.roles")

_AGAIN: Final = 2.0
"""Seconds between questions to a database that does not answer."""


@asynccontextmanager
async def plain_role(settings: Settings) -> AsyncIterator[None]:
    """Raises `SettingsError` for a role that is not plain, or ends the server once an absent database has named it."""
    watch: asyncio.Task[None] | None = None
    if not await _is_known(settings):
        watch = asyncio.create_task(_watch(settings), name="role of the database")
    try:
        yield
    finally:
        if watch is not None:
            watch.cancel()


async def _is_known(settings: Settings) -> bool:
    """Whether the database answered, with a plain role."""
    reason = await why_unknown(settings)
    if reason is not None:
        _LOG.warning("role not checked yet: the database does not answer", reason=reason)
    return reason is None


async def _watch(settings: Settings) -> None:
    """Ask until the answer is known; a wrong role ends the server as its operator would."""
    try:
        while not await _is_known(settings):  # noqa: ASYNC110 - what is waited for is another machine
            await asyncio.sleep(_AGAIN)
    except SettingsError as error:
        _LOG.critical("wrong role", reason=str(error))
        _end_server()


def _end_server() -> None:
    """End the process that started this one, which would only start it again; or this one, where nobody did."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getppid(), signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)
