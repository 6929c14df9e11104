"""A data folder for embedded servers, and what root had to keep elsewhere for it, removed afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.dev.server import ServerRecord


@pytest.fixture
def data() -> Iterator[Path]:
    """Open to every user, as a clone in a home folder often is; pytest's own temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="mostrador-test-"))
    folder.chmod(0o755)
    yield folder
    forget(folder)
    shutil.rmtree(folder)


def forget(folder: Path) -> None:
    """Remove the homes of the servers below a data folder."""
    for file in folder.glob("**/server.json"):
        shutil.rmtree(msgspec.json.decode(file.read_bytes(), type=ServerRecord).home, ignore_errors=True)
