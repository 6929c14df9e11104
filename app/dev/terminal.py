"""What `mostrador up` tells whoever started it."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TextIO

PATIENCE_SECONDS = 2.0
"""Whatever takes longer says so, and again after as long."""


class _Voice:
    """Knows when it last said something."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def write(self, line: str, stream: TextIO) -> None:
        self.last = time.monotonic()
        try:
            print(line, file=stream, flush=True)
        except BrokenPipeError:
            # Nobody reads any more, as after `| head`: the installation goes on unheard. What is still buffered would
            # break again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_VOICE = _Voice()


def say(line: str) -> None:
    """Print at once what a start tells."""
    _VOICE.write(line, sys.stdout)


def warn(line: str) -> None:
    """Print at once what happens later, apart: the last line of the start stays the last one."""
    _VOICE.write(line, sys.stderr)


@contextlib.asynccontextmanager
async def told(what: str, tell: Callable[[str], None] = say) -> AsyncIterator[None]:
    """Say that `what` is still going on whenever two seconds passed without a word."""
    started = time.monotonic()

    async def repeat() -> None:
        while True:
            heard = max(started, _VOICE.last)
            await asyncio.sleep(max(0.0, heard + PATIENCE_SECONDS - time.monotonic()))
            if heard == max(started, _VOICE.last):
                tell(f"  {what} … {time.monotonic() - started:.0f} s")

    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()
