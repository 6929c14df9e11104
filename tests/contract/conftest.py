"""Two companies with everything, and a cashier."""

import httpx
import pytest

from app.db.session import Database
from tests.contract.company import Company, new_company
from tests.stripe import StripeProcess


@pytest.fixture(scope="module")
async def company(http: httpx.AsyncClient, database: Database) -> Company:
    return await new_company(http, database)


@pytest.fixture(scope="module")
async def stranger(http: httpx.AsyncClient, database: Database) -> Company:
    return await new_company(http, database)


@pytest.fixture(scope="module")
async def cashier(company: Company) -> str:
    """Access token of a cashier of the company."""
    return (await company.member()).token


@pytest.fixture(scope="session", autouse=True)
def _payments(stripe_process: StripeProcess) -> None:
    """Routes of billing talk to it."""
