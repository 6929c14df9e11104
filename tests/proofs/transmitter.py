"""The worker with another patience for DIAN's silence: `python -m tests.proofs.transmitter ENVIRONMENT.json SECONDS CLOCK`."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from app.domain.invoicing import transmit
from app.lib.clock import follow_clock_file
from app.lib.log import set_up_logging
from app.settings import Settings, read_settings
from worker.main import run_worker
from worker.pace import Pace

PACE = Pace(poll=0.2, pick=0.05, drain=5.0)
"""The worker's own rules; it only looks more often."""


async def work(settings: Settings) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_worker(settings, ["short"], stop, PACE)


if __name__ == "__main__":
    set_up_logging("worker")
    transmit.PATIENCE = float(sys.argv[2])  # type: ignore[misc]
    follow_clock_file(sys.argv[3])
    environ = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=dict[str, str])
    asyncio.run(work(read_settings(environ)))
