"""Which user an embedded server runs as, and where that user may keep its files.

PostgreSQL refuses to run as root, and root's folders are often closed to everyone else. A parent's mode is never
loosened: what the user cannot reach is kept in a folder of its own below /var/lib instead.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

CANDIDATES = ("postgres", "nobody")
SHARED_FOLDERS = (Path("/var/lib/mostrador-dev"), Path("/var/tmp/mostrador-dev"))


class NoAccount(RuntimeError):
    """Root found no other user that the servers could run as."""


class Account(NamedTuple):
    uid: int
    gid: int


def server_account(existing: Path) -> Account | None:
    """The user for a server whose files are, or will be, in `existing`; None keeps the current user.

    Files that an ordinary user made before keep their owner. Raises `NoAccount`.
    """
    if os.geteuid() != 0:
        return None
    if existing.exists() and (owner := existing.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        account = Account(entry.pw_uid, entry.pw_gid)
        if _can_become(account):
            return account
    raise NoAccount(
        f"PostgreSQL does not run as root, and none of the users {', '.join(CANDIDATES)} can be used here; "
        "start as an ordinary user or set DATABASE_URL and REDIS_URL"
    )


def _can_become(account: Account) -> bool:
    """False where a container maps no user but root."""
    try:
        tried = subprocess.run(
            ["/bin/true"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            check=False,
        )
    except OSError:
        return False
    return tried.returncode == 0


def reaches(account: Account, path: Path) -> bool:
    """Whether the user may enter every folder above `path`, and `path` itself if it is one."""
    resolved = path.resolve()
    folders = [resolved, *resolved.parents] if resolved.is_dir() else list(resolved.parents)
    return all(_may_enter(account, folder.stat()) for folder in folders if folder.exists())


def _may_enter(account: Account, entry: os.stat_result) -> bool:
    if entry.st_uid == account.uid:
        return bool(entry.st_mode & stat.S_IXUSR)
    if entry.st_gid == account.gid:
        return bool(entry.st_mode & stat.S_IXGRP)
    return bool(entry.st_mode & stat.S_IXOTH)


def own_folder(account: Account, data: Path, name: str) -> Path:
    """A folder outside `data`, found again by the path of `data`, that the user can reach."""
    key = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    return _shared_folder(account) / f"{name}-{key}"


def reachable_copy(account: Account | None, tree: Path, name: str) -> Path:
    """`tree` itself, or a copy that the user can reach; `name` carries the version, so a copy never goes stale."""
    if account is None or reaches(account, tree):
        return tree
    copy = _shared_folder(account) / name
    if not copy.exists():
        unfinished = copy.with_name(f"{name}.{os.getpid()}")
        shutil.copytree(tree, unfinished, symlinks=True)
        for folder, _, files in os.walk(unfinished):
            Path(folder).chmod(0o755)
            for file in (Path(folder, entry) for entry in files):
                # Installed under a strict umask, the files are as closed as the folders were.
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            unfinished.rename(copy)
        except OSError:
            # Another start finished the same copy first.
            shutil.rmtree(unfinished)
            if not copy.exists():
                raise
    return copy


def _shared_folder(account: Account) -> Path:
    for folder in SHARED_FOLDERS:
        try:
            folder.mkdir(mode=0o711, exist_ok=True)
        except OSError:
            continue
        entry = folder.lstat()
        if stat.S_ISDIR(entry.st_mode) and entry.st_uid == 0 and reaches(account, folder):
            return folder
    raise NoAccount(f"none of {', '.join(map(str, SHARED_FOLDERS))} can hold files for the user {account.uid}")


def give(account: Account | None, path: Path) -> None:
    """Hand `path`, and everything in it, to the user."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    for folder, folders, files in os.walk(path):
        for entry in (*folders, *files):
            os.chown(Path(folder, entry), account.uid, account.gid, follow_symlinks=False)
