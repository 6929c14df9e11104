"""Drawing the printed form for a request: a long document costs seconds of processor, which the API does not have."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from app.domain.invoicing.printed import Printed
from app.lib.errors import Unavailable

PdfWidth = Literal["80", "letter"]
_LOG = structlog.stdlib.get_logger("mostrador.invoicing")
_ROOT: Final = str(Path(__file__).parents[3])
"""Where `app` is imported from, whatever the directory of this process."""
_SHORT: Final = 100
"""Lines that are drawn here: some hundred milliseconds."""
_PATIENCE: Final = 60.0
"""Seconds for a long one, once its turn has come."""
_WAITING: Final = 4
"""Long ones that may wait; more are told to come again."""


class Drawer:
    """Draws short documents in a thread, long ones one at a time in a process of their own."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._asked = 0

    async def draw(self, paper: Printed, width: PdfWidth) -> bytes:
        """The PDF. Raises 503 `busy` when several long ones wait already, or one took too long."""
        if len(paper.document.lines) <= _SHORT:
            return await asyncio.to_thread(draw, paper, width)
        if self._asked >= _WAITING:
            raise _BUSY
        self._asked += 1
        try:
            async with self._turn:
                return await _elsewhere(paper, width)
        finally:
            self._asked -= 1


DRAWER: Final = Drawer()
_BUSY: Final = Unavailable(
    "Se están dibujando otros documentos largos: pida el PDF otra vez en un momento.", code="busy"
)


async def _elsewhere(paper: Printed, width: PdfWidth) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.domain.invoicing.drawing", width),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))},
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            pdf, said = await process.communicate(msgspec.msgpack.encode(paper))
    except TimeoutError as error:
        raise _BUSY from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        _LOG.error("document not drawn", number=paper.document.number, reason=said.decode(errors="replace")[-500:])
        raise RuntimeError(f"the process that draws {paper.document.number} ended with {process.returncode}")
    return pdf


def draw(paper: Printed, width: PdfWidth) -> bytes:
    """The PDF, drawn here and now. A roll is one page, and the code must stand on each: what is longer goes on sheets."""
    from app.domain.invoicing.printed_letter import print_letter
    from app.domain.invoicing.printed_roll import LONGEST, print_roll

    is_roll = width == "80" and len(paper.document.lines) <= LONGEST
    return print_roll(paper) if is_roll else print_letter(paper)


def main() -> None:
    """A document on the standard input, its PDF on the standard output."""
    paper = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Printed)
    sys.stdout.buffer.write(draw(paper, "80" if sys.argv[1] == "80" else "letter"))


if __name__ == "__main__":
    main()
