"""An estate for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.sample import filling, service
from tests.domain.sample.estate import Estate, open_estate


@pytest.fixture
async def estate(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Estate]:
    async with open_estate(environ, tmp_path) as opened:
        yield opened


@pytest.fixture
def short_history(monkeypatch: pytest.MonkeyPatch) -> int:
    """Six days instead of a month, by workers of this process."""
    monkeypatch.setattr(filling, "DAYS", 6)
    monkeypatch.setattr(service, "DAYS", 6)
    return 6
