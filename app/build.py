"""Which commit this code is: written beside it by a build, or read from the checkout it runs from."""

import re
from pathlib import Path
from typing import Final

from app import __version__

_ROOT: Final = Path(__file__).resolve().parent.parent
WRITTEN: Final = _ROOT / "app" / "COMMIT"
"""One line, put there by deploy/Dockerfile and by `make release`; not part of the repository."""
_HASH: Final = re.compile(r"[0-9a-f]{40}")
_SHOWN: Final = 12


def commit() -> str | None:
    """The 40 digits of the commit; None where nobody wrote it down."""
    found = _written() or _checked_out(_ROOT / ".git")
    return found if found and _HASH.fullmatch(found) else None


def release() -> str:
    """Version and commit in one word (PEP 440's local version), as `0.1.0+4f1d2c3b5a69`."""
    known = commit()
    return f"{__version__}+{known[:_SHOWN]}" if known else __version__


def _written() -> str | None:
    return WRITTEN.read_text().strip() if WRITTEN.is_file() else None


def _checked_out(git: Path) -> str | None:
    """What HEAD names. By hand, for a process of the API starts no program to say its version."""
    if git.is_file():
        # A second work tree: the file names its folder, which shares branches with the first.
        git = Path(git.read_text().removeprefix("gitdir:").strip())
    head = git / "HEAD"
    if not head.is_file():
        return None
    name = head.read_text().strip()
    if not name.startswith("ref: "):
        return name
    name = name.removeprefix("ref: ")
    shared = git / "commondir"
    folders = [git, (git / shared.read_text().strip()).resolve()] if shared.is_file() else [git]
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).read_text().strip()
        packed = folder / "packed-refs"
        for line in packed.read_text().splitlines() if packed.is_file() else ():
            digits, _, branch = line.partition(" ")
            if branch == name:
                return digits
    return None
