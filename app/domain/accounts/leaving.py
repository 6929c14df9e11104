"""What a company holds on one of its people, and forgetting somebody who left."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from app.db.session import Work
from app.domain.accounts.company_sessions import end_in_company
from app.domain.accounts.models import Membership, Role, TermsAcceptance
from app.domain.tenants.limits import Resource, release
from app.lib import clock
from app.lib.errors import NotFound, RuleBroken
from app.lib.person_keys import ERASED
from app.lib.schemas import Output


class TermsAccepted(Output):
    version: str
    address: str
    at: datetime


class MemberRecord(Output):
    """A person as this company knows them; their account (e-mail, password) is theirs and not the company's."""

    user_id: UUID
    membership_id: UUID
    name: str
    role: str
    is_active: bool
    member_since: datetime
    terms: list[TermsAccepted]


async def read_member(work: Work, user_id: UUID) -> MemberRecord:
    """Raises `NotFound` for somebody who never belonged to the company of the transaction."""
    member = await work.session.scalar(
        select(Membership).where(Membership.tenant_id == work.tenant_id, Membership.user_id == user_id)
    )
    if member is None:
        raise NotFound("No hay tal persona en esta empresa.")
    terms = await work.session.scalars(
        select(TermsAcceptance)
        .where(TermsAcceptance.tenant_id == work.tenant_id, TermsAcceptance.user_id == user_id)
        .order_by(TermsAcceptance.created_at)
    )
    return MemberRecord(
        user_id=member.user_id,
        membership_id=member.id,
        name=member.display_name,
        role=member.role,
        is_active=member.is_active,
        member_since=member.created_at,
        terms=[TermsAccepted(version=row.version, address=row.address, at=row.created_at) for row in terms],
    )


async def forget_member(work: Work, user_id: UUID, reason: str) -> datetime:
    """End a person's membership and forget their name here: on tickets, reports and in the trail. Again: nothing happens.

    Their account, which may belong to other companies, is not touched. Raises `NotFound`, 422 `own-account` and
    `last-owner`.
    """
    mine = Membership.tenant_id == work.tenant_id
    # In one order: two owners who forget each other must not both succeed, nor wait for each other.
    rows = (
        await work.session.scalars(
            select(Membership)
            .where(mine, (Membership.user_id == user_id) | (Membership.role == Role.OWNER))
            .order_by(Membership.id)
            .with_for_update(key_share=True)
        )
    ).all()
    member = next((row for row in rows if row.user_id == user_id), None)
    if member is None:
        raise NotFound("No hay tal persona en esta empresa.")
    if user_id == work.actor.user_id:
        raise RuleBroken("Nadie se retira a sí mismo: pídalo a otra persona de la empresa.", code="own-account")
    if member.display_name == ERASED:
        return member.updated_at
    owners = [row for row in rows if row.role == Role.OWNER and row.is_active and row.user_id != user_id]
    if member.role == Role.OWNER and not owners:
        raise RuleBroken("La empresa no puede quedar sin propietario.", code="last-owner")
    now = clock.now()
    await work.session.execute(
        update(Membership)
        .where(mine, Membership.id == member.id)
        .values(display_name=ERASED, is_active=False, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if member.is_active:
        await release(work, Resource.USERS)
    await end_in_company(work, user_id)
    await work.database.person_keys.destroy(work.session, work.tenant_id, user_id, now)
    work.record("membership.anonymised", member.id, after={"userId": user_id, "reason": reason})
    return now
