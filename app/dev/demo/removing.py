"""Closing the demo shop: its books stay, nobody logs in to it any more, and its addresses are free again."""

from uuid import UUID

from sqlalchemy import select, update

from app.db.session import Database, system_actor
from app.dev.demo import people
from app.domain.accounts.models import AppUser, AuthSession, Membership
from app.domain.accounts.service import normalise_email
from app.domain.tenants.lifecycle import move
from app.domain.tenants.limits import Resource, release
from app.domain.tenants.models import TenantStatus
from app.domain.tenants.service import TenantService
from app.lib import clock


async def remove(database: Database) -> bool:
    """Close every demo company of these people; False when there is none."""
    found = False
    for email in (people.EMAIL, *(email for email, _ in people.CASHIERS)):
        async with database.person_transaction(login_email=normalise_email(email)) as work:
            user_id = await work.session.scalar(select(AppUser.id).where(AppUser.email_norm == normalise_email(email)))
        if user_id is not None:
            await _let_go(database, user_id)
            found = True
    return found


async def _let_go(database: Database, user_id: UUID) -> None:
    async with database.person_transaction(user_id=user_id) as work:
        tenant_ids = (
            await work.session.scalars(select(Membership.tenant_id).where(Membership.user_id == user_id))
        ).all()
        address = f"retirado-{user_id}@mostrador.test"
        await work.session.execute(
            update(AppUser).where(AppUser.id == user_id).values(is_active=False, email=address, email_norm=address)
        )
        await work.session.execute(
            update(AuthSession)
            .where(AuthSession.user_id == user_id, AuthSession.revoked_at.is_(None))
            .values(revoked_at=clock.now())
        )
    for tenant_id in tenant_ids:
        await _close(database, tenant_id)


async def _close(database: Database, tenant_id: UUID) -> None:
    async with database.tenant_transaction(system_actor(tenant_id, "demo")) as work:
        tenant = await TenantService(work).find()
        if not tenant.is_demo or tenant.status == TenantStatus.CLOSED:
            return
        await move(work, TenantStatus.CLOSED, "Se retiró la empresa de demostración.")
        left = await work.session.execute(
            update(Membership)
            .where(Membership.tenant_id == tenant_id, Membership.is_active)
            .values(is_active=False)
            .returning(Membership.id)
        )
        await release(work, Resource.USERS, len(left.all()))
