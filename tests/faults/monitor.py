"""A monitor as `mostrador monitor` is one, which writes down how late its looks were: `python -m tests.faults.monitor FILE`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from app.lib.log import set_up_logging
from app.settings import read_settings
from worker.monitor import Monitor


async def watch(file: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    monitor = Monitor(read_settings(os.environ))

    async def write_down() -> None:
        while True:
            await asyncio.sleep(1)
            file.write_text(str(monitor.longest_delay))  # noqa: ASYNC240 - a few bytes, once a second

    writing = asyncio.create_task(write_down())
    await monitor.run(stop)
    writing.cancel()


if __name__ == "__main__":
    set_up_logging("monitor")
    uvloop.run(watch(Path(sys.argv[1])))
