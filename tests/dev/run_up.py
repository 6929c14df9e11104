"""`mostrador up` with the small shop's programs: `run_up.py DATA PORT [--no-demo]`."""

import asyncio
import sys
from pathlib import Path

from app.dev.launcher import up

PROGRAM = (sys.executable, "-m", "tests.dev.small_shop")

if __name__ == "__main__":
    sys.exit(asyncio.run(up(Path(sys.argv[1]), int(sys.argv[2]), "--no-demo" not in sys.argv, program=PROGRAM)))
