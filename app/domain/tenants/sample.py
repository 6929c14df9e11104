"""What a sample company does not do."""

from sqlalchemy import select

from app.db.session import Work
from app.domain.tenants.models import Tenant
from app.lib.errors import RuleBroken


class IsSample(RuleBroken):
    """The company is somebody's sample."""

    code = "sample-company"


async def is_sample(work: Work) -> bool:
    """Whether the company of the transaction is somebody's sample."""
    return bool(await work.session.scalar(select(Tenant.is_sample).where(Tenant.tenant_id == work.tenant_id)))


async def refuse_sample(work: Work, detail: str) -> None:
    """Keep a sample from what reaches the world outside, or costs. Raises 422 `sample-company`."""
    if await is_sample(work):
        raise IsSample(detail)
