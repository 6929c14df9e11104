"""A worker in a process of its own, to be killed: `python -m tests.worker.victim ENVIRONMENT.json`."""

import asyncio
import sys
from pathlib import Path

import msgspec

from app.settings import read_settings
from tests.worker.house import FAST
from worker.main import run_worker

if __name__ == "__main__":
    environ = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=dict[str, str])
    asyncio.run(run_worker(read_settings(environ), ["short"], asyncio.Event(), FAST))
