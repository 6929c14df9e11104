"""A worker in a process of its own, to be killed while it fills: `python -m tests.domain.sample.victim ENVIRONMENT.json`."""

import asyncio
import sys
from pathlib import Path

import msgspec

from app.settings import read_settings
from tests.domain.sample.estate import PATIENT
from worker.main import run_worker

if __name__ == "__main__":
    environ = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=dict[str, str])
    asyncio.run(run_worker(read_settings(environ), ["short", "long"], asyncio.Event(), PATIENT))
