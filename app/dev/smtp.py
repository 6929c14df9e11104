"""The mail sink: accepts everything on loopback, keeps it in a folder, and misbehaves when asked to.

`python -m app.dev.smtp PORT FOLDER`. The fault in force stands in `FOLDER/fault.json`, which the launcher writes.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import AnyStr

from aiosmtpd.smtp import SMTP, Envelope, Session
from uuid_utils.compat import uuid7

from app.dev.fault_file import current_fault

SLOW_SECONDS = 0.5
"""Added to every line of an answer under the fault `slow`: some five seconds for a whole message."""


class Keeper:
    """Stores each message with its envelope, as `<uuid7>.eml`: the names sort by time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if current_fault(self._folder) == "error":
            return "451 4.3.0 The sink was asked to fail"
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        head = (
            f"X-Sink-From: {envelope.mail_from or ''}\r\n"
            f"X-Sink-To: {', '.join(envelope.rcpt_tos)}\r\n"
            f"X-Sink-At: {datetime.now(UTC).isoformat(timespec='milliseconds').replace('+00:00', 'Z')}\r\n"
        )
        unfinished = self._folder / f"{uuid7()}.part"
        unfinished.write_bytes(head.encode() + content)
        unfinished.rename(unfinished.with_suffix(".eml"))
        if current_fault(self._folder) == "timeout-after-processing":
            await asyncio.sleep(3600)
        return "250 OK"


class SinkSMTP(SMTP):
    """The protocol, with every answer passing by the fault in force."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Keeper(folder), hostname="mostrador.test", enable_SMTPUTF8=True)
        self._sink_folder = folder

    async def push(self, status: AnyStr) -> None:
        fault = current_fault(self._sink_folder)
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if fault == "garbage":
            await super().push(b"\x00\xff not SMTP")
        else:
            await super().push(status)


async def serve(port: int, folder: Path) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(lambda: SinkSMTP(folder), "127.0.0.1", port)
    await stopped.wait()
    server.close()
    # A session that sleeps for a fault is not waited for.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
