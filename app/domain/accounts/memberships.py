"""The companies of a person, read across the fence one by one: each under its own pin."""

from uuid import UUID

from sqlalchemy import select

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.accounts.schemas import MembershipOut
from app.domain.tenants.models import Tenant


async def memberships_of(work: Work, user_id: UUID) -> list[MembershipOut]:
    """Active memberships, oldest first, a sample last. Leaves the transaction pinned to the person and the last of the companies."""
    rows = list(
        await work.session.scalars(
            select(Membership)
            .where(Membership.user_id == user_id, Membership.is_active)
            .order_by(Membership.created_at, Membership.tenant_id)
        )
    )
    found: list[MembershipOut] = []
    for row in rows:
        await work.pin(tenant_id=row.tenant_id, user_id=user_id)
        tenant = await tenant_of(work, row.tenant_id)
        found.append(
            MembershipOut(tenant_id=row.tenant_id, tenant_name=tenant.name, role=row.role, is_sample=tenant.is_sample)
        )
    return sorted(found, key=lambda one: one.is_sample)


async def member_of(work: Work, user_id: UUID, tenant_id: UUID) -> Membership | None:
    """The person's active membership in one company."""
    found: Membership | None = await work.session.scalar(
        select(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id, Membership.is_active)
    )
    return found


async def some_membership(work: Work, user_id: UUID) -> Membership | None:
    """Where a person's own matters are kept and mailed from: the first active membership, else any."""
    found: Membership | None = await work.session.scalar(
        select(Membership)
        .where(Membership.user_id == user_id)
        .order_by(Membership.is_active.desc(), Membership.created_at, Membership.tenant_id)
        .limit(1)
    )
    return found


async def tenant_of(work: Work, tenant_id: UUID) -> Tenant:
    """The company that the transaction is pinned to."""
    return (await work.session.scalars(select(Tenant).where(Tenant.tenant_id == tenant_id))).one()
