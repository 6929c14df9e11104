"""Folders for Unix sockets, whose whole path Linux limits to 107 bytes."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from app.dev.account import Account, give

_LONGEST_FOLDER = 80
"""Leaves room for `/.s.PGSQL.<port>.lock`."""


class NotOurs(RuntimeError):
    """The folder's name was taken by someone else."""


def socket_folder(inside: Path) -> Path:
    """`inside` where its path is short enough, else one in /tmp under a name that the next start finds again."""
    if len(os.fsencode(inside)) <= _LONGEST_FOLDER:
        return inside
    key = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"mostrador-{key}")


def make_socket_folder(folder: Path, account: Account | None) -> None:
    """Raises `NotOurs`: in /tmp anyone may have made a folder of that name before."""
    folder.mkdir(mode=0o700, exist_ok=True)
    entry = folder.lstat()
    owner = account.uid if account else os.geteuid()
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid not in (owner, os.geteuid()):
        raise NotOurs(f"{folder} belongs to another user")
    give(account, folder)
