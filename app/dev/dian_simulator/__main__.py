"""`python -m app.dev.dian_simulator PORT FOLDER [CLOCK_FILE]`: runs until SIGTERM."""

import os
import signal
import sys
from pathlib import Path

from app.dev.dian_simulator.server import Simulator


def main() -> None:
    clock_file = Path(sys.argv[3]) if sys.argv[3:] else None
    simulator = Simulator(int(sys.argv[1]), Path(sys.argv[2]), clock_file)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A silence that a fault asked for is not waited for.
        signal.signal(number, lambda *_: os._exit(0))
    simulator.serve_forever()


if __name__ == "__main__":
    main()
