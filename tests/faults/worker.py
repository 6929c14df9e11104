"""A worker as `mostrador worker` is one, which also knows a job that blocks its loop: `python -m tests.faults.worker`."""

import os
import sys
import time

from app.db.jobs import JobContext
from app.lib.jobs import job
from app.lib.schemas import Input
from app.settings import read_settings
from worker.main import run


class Block(Input):
    seconds: float


@job("test.block", timeout=60)
async def block(_context: JobContext, payload: Block) -> None:
    # Exactly what no job should do.
    time.sleep(payload.seconds)  # noqa: ASYNC251


if __name__ == "__main__":
    sys.exit(run(read_settings(os.environ), "all"))
