"""`python -m app.dev.stripe_fake PORT FOLDER [CLOCK_FILE HOOK SECRET]`: runs until SIGTERM."""

import os
import signal
import sys
from pathlib import Path

from app.dev.stripe_fake.server import Fake


def main() -> None:
    clock, hook, secret = (*sys.argv[3:6], "", "", "")[:3]
    fake = Fake(int(sys.argv[1]), Path(sys.argv[2]), Path(clock) if clock else None, hook or None, secret)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    fake.serve_forever()


if __name__ == "__main__":
    main()
