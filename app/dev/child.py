"""Become another user, ask to die with the parent, then become the program.

`child.py SIGNAL PARENT UID GID PROGRAM ARGUMENT...`; UID -1 keeps the user.

A program of its own, and not a `preexec_fn`, because the order matters and the caller may have threads: changing the
user clears the parent-death signal, so it is set afterwards, and a parent that died in between is noticed by its id.
Runs with `python -I -S`, so it imports nothing but the standard library.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""`linux/prctl.h`."""


def die_with_parent(signal_number: int, parent: int) -> None:
    """Ask the kernel for the signal when the parent ends; exits at once if it already has."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    signal_number, parent, uid, gid = (int(word) for word in sys.argv[1:5])
    program = sys.argv[5:]
    if uid >= 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    # Python ignores SIGPIPE and a background shell ignores SIGINT; both would be inherited by the program.
    for inherited in (signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT):
        signal.signal(inherited, signal.SIG_DFL)
    die_with_parent(signal_number, parent)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
