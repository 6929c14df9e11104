"""A person's sample company: asked for, looked at, closed. The worker fills it (`filling`)."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.platform import OutboxJob
from app.db.session import Work
from app.domain.accounts.company_sessions import end_in_company
from app.domain.accounts.models import Membership, Role
from app.domain.accounts.service import accepted_terms, add_member, found_company
from app.domain.sample.jobs import FillSample, fill_sample
from app.domain.sample.models import SampleCompany
from app.domain.sample.people import DV, NAME, NIT
from app.domain.sample.schemas import SampleOut, SampleStatus
from app.domain.tenants.lifecycle import move
from app.domain.tenants.limits import Resource, release
from app.domain.tenants.models import TenantStatus
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import Conflict, NotFound, RuleBroken
from app.lib.permissions import ROLES

DAYS: Final = 30
"""Of history."""
MOST_A_DAY: Final = 10
"""Of samples that one person asks for: the books of each are kept when it is closed."""
ZONE: Final = "America/Bogota"


class NoSample(NotFound):
    """The person has no sample company."""

    code = "no-sample"


class SampleService:
    """The caller's sample, in a transaction of whatever company they are in."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._user_id = work.actor.user_id

    async def ask(self) -> SampleOut:
        """Make the caller's sample and have it filled; the one they have, if they have one. Raises 422 `too-many-samples`."""
        work, tenant_id = self._work, uuid7()
        today = clock.business_day(clock.now(), ZONE)
        # Twins wait here for the first, and find what it made.
        made = await work.session.scalar(
            insert(SampleCompany)
            .values(
                user_id=self._user_id, tenant_id=tenant_id, last_day=today - timedelta(days=1), created_at=clock.now()
            )
            .on_conflict_do_nothing()
            .returning(SampleCompany.tenant_id)
        )
        if made is not None:
            await self._refuse_flood()
            async with work.in_company(self._owner(tenant_id)) as other:
                await found_company(
                    other, name=NAME, nit=NIT, dv=DV, email="", is_sample=True, reason="Empresa de muestra."
                )
                await add_member(other, self._user_id, Role.OWNER, work.actor.display_name)
                other.session.add(accepted_terms(tenant_id, self._user_id, work.actor.address))
                fill_sample.ask(other, FillSample(user_id=self._user_id))
        try:
            return await self.read()
        except NoSample as error:
            raise Conflict("La empresa de muestra se acaba de retirar; intente de nuevo.", code="busy") from error

    async def read(self) -> SampleOut:
        """How the caller's sample stands. Raises 404 `no-sample`."""
        row = await self._find()
        if row is None:
            raise NoSample("No tiene una empresa de muestra.")
        return SampleOut(
            id=row.tenant_id,
            name=NAME,
            status=await self._status(row),
            progress=100 if row.ready_at is not None else min(99, row.days_begun * 100 // DAYS),
            created_at=row.created_at,
            ready_at=row.ready_at,
        )

    async def close(self) -> None:
        """Close the caller's sample, filled or not; nobody is its member any more. Without one nothing happens."""
        row = await self._find(lock=True)
        if row is None:
            return
        async with self._work.in_company(self._owner(row.tenant_id)) as other:
            await move(other, TenantStatus.CLOSED, "Se retiró la empresa de muestra.")
            members = await other.session.execute(
                update(Membership)
                .where(Membership.tenant_id == row.tenant_id, Membership.is_active)
                .values(is_active=False)
                .returning(Membership.id, Membership.user_id)
                .execution_options(synchronize_session=False)
            )
            left = members.all()
            await release(other, Resource.USERS, len(left))
            for membership_id, user_id in left:
                await end_in_company(other, user_id)
                other.record("membership.ended", membership_id, after={"userId": user_id, "reason": "sample-closed"})
        row.closed_at = clock.now()
        await self._work.flush()

    async def _refuse_flood(self) -> None:
        asked = await self._work.session.scalar(
            select(func.count()).where(
                SampleCompany.user_id == self._user_id, SampleCompany.created_at > clock.now() - timedelta(days=1)
            )
        )
        if (asked or 0) > MOST_A_DAY:
            raise RuleBroken("Ya pidió muchas empresas de muestra hoy; siga mañana.", code="too-many-samples")

    async def _find(self, *, lock: bool = False) -> SampleCompany | None:
        statement = (
            select(SampleCompany)
            .where(SampleCompany.user_id == self._user_id, SampleCompany.closed_at.is_(None))
            .execution_options(populate_existing=True)
        )
        return (await self._work.session.scalars(statement.with_for_update() if lock else statement)).one_or_none()

    async def _status(self, row: SampleCompany) -> SampleStatus:
        """The job that fills it says when it was given up: a worker that died each time could not."""
        if row.ready_at is not None:
            return "ready"
        async with self._work.in_company(self._owner(row.tenant_id)) as other:
            job = await other.session.scalar(
                select(OutboxJob.status)
                .where(OutboxJob.tenant_id == row.tenant_id, OutboxJob.kind == fill_sample.kind)
                .order_by(OutboxJob.id.desc())
                .limit(1)
            )
        return "failed" if job == "dead" else "filling"

    def _owner(self, tenant_id: UUID) -> Actor:
        return owner_of(msgspec.structs.replace(self._work.actor, tenant_id=tenant_id))


def owner_of(actor: Actor) -> Actor:
    """A person as the owner of their sample."""
    return msgspec.structs.replace(
        actor, role=Role.OWNER, permissions=ROLES[Role.OWNER], tenant_status="active", time_zone=ZONE, branches=None
    )
