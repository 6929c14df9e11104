"""People as the tests of accounts need them: members of several companies, sessions on several devices."""

from uuid import UUID

import httpx

from app.db.session import Database
from app.domain.accounts.models import Role
from app.domain.accounts.service import add_member
from tests.shop import Shop


async def join(database: Database, person: Shop, company: Shop, role: Role = Role.CASHIER) -> None:
    """Make somebody a member of another company as well."""
    async with database.job_transaction(UUID(company.tenant_id)) as work:
        await add_member(work, UUID(person.user["id"]), role, "También aquí")


def bearer(answer: httpx.Response) -> dict[str, str]:
    """Headers of the session that an answer began."""
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}
