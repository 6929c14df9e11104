"""Two companies with everything, and a cashier."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.accounts.models import AppUser, Role
from app.domain.accounts.service import add_member, normalise_email
from app.domain.accounts.sessions import Sessions
from app.lib.passwords import hash_password
from tests.contract.company import Company, new_company


@pytest.fixture(scope="module")
async def company(http: httpx.AsyncClient, database: Database) -> Company:
    return await new_company(http, database)


@pytest.fixture(scope="module")
async def stranger(http: httpx.AsyncClient, database: Database) -> Company:
    return await new_company(http, database)


@pytest.fixture(scope="module")
async def cashier(app: Litestar, database: Database, company: Company) -> AsyncIterator[str]:
    """Access token of a cashier of the company."""
    user_id, tenant_id = uuid7(), UUID(company.shop.tenant_id)
    email = f"cajero-{user_id.hex}@tienda.test"
    async with database.person_transaction(user_id=user_id) as work:
        work.session.add(
            AppUser(
                id=user_id,
                email=email,
                email_norm=normalise_email(email),
                name="Cajero",
                password_hash=await hash_password("una clave larga y propia"),
            )
        )
    async with database.job_transaction(tenant_id) as work:
        await add_member(work, user_id, Role.CASHIER, "Cajero")
    async with database.person_transaction(user_id=user_id) as work:
        await work.pin(tenant_id=tenant_id, user_id=user_id)
        begun = await Sessions(work).begin(user_id, tenant_id, "", "")
    yield app.state.tokens.issue(user_id=user_id, tenant_id=tenant_id, session_id=begun.session_id)
