"""A DIAN for the module, a company for each test."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.db.session import Database
from app.dev.dian_simulator.server import Simulator
from tests.domain.invoicing.issuer import Company, dian, new_company
from worker import registry

DECLARES = registry.MODULES
"""Importing them declares the jobs that the tests run."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with dian(tmp_path_factory.mktemp("dian")) as running:
        yield running


@pytest.fixture
async def company(http: httpx.AsyncClient, database: Database, server: Simulator) -> AsyncIterator[Company]:
    made = await new_company(http, database, server)
    yield made
    server.faults.clear()
    await made.close()
