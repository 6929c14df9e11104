"""Hold a process and all its descendants still: `python -m app.dev.freezer PID [SECONDS]`.

A process of its own, so that a launcher that is killed meanwhile leaves nothing frozen behind: its end closes our
standard input, everything moves again, and the signals that were waiting do their work.
"""

import select
import signal
import sys

from app.dev.processes import descendants, send


def main() -> None:
    pid = int(sys.argv[1])
    seconds = float(sys.argv[2]) if sys.argv[2:] else None
    # The root first: frozen, it makes no new children.
    send([pid], signal.SIGSTOP)
    frozen = [pid, *descendants(pid)]
    try:
        send(frozen[1:], signal.SIGSTOP)
        print("frozen", flush=True)
        select.select([sys.stdin], [], [], seconds)
    finally:
        send(frozen[::-1], signal.SIGCONT)


if __name__ == "__main__":
    main()
