"""Companies as the operator makes, finds, suspends and closes them.

Making one is one transaction: the company, its first owner's invitation with its mail in the outbox, both trails. What
else must follow from a new company, as its customer at the payment provider, is asked for in `found_company`
(`app.domain.accounts.service`), through which signing up passes as well.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, structs
from sqlalchemy import func, or_, select
from uuid_utils.compat import uuid7

from app.db.desk import Desk
from app.db.locks import AdvisoryLock, take_turn
from app.db.session import Work
from app.domain.accounts.service import found_company, refuse_blank
from app.domain.backups.closing import export_of_closing
from app.domain.billing.standing import block, follow, may_be_active, refuse_while_owing, stand, way_back
from app.domain.invoicing.reads import issues_documents
from app.domain.members.invitations import InvitationService, invitation_out
from app.domain.members.schemas import InvitationOut
from app.domain.provider.company_schemas import (
    ChangeTenant,
    CompanyDetail,
    CompanyItem,
    CompanyPage,
    CompanyStatus,
    CreateCompany,
    OwnerInvitationOut,
    Reactivate,
)
from app.domain.standing.usage import use_of_plan
from app.domain.tenants import lifecycle
from app.domain.tenants.history import history
from app.domain.tenants.models import Tenant, TenantStatus, TenantUsage
from app.domain.tenants.schemas import ChangeCompany
from app.domain.tenants.service import TenantService
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken
from app.lib.nit import split_nit
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")
_STEPS: Final = 20
"""Of a company's life that its page shows."""

BROKEN_CONSTRAINTS["pk_tenant"] = ID_TAKEN


class CompanyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which companies a list is about."""

    search: str | None = None
    """Part of the name, or the beginning of the NIT."""
    status: str | None = None
    plan: str | None = None
    samples: bool = False
    """Whether samples that people look around in are listed as well; they are nobody's customers."""


class Companies:
    """All of them, for the operator's staff."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, wanted: CompanyFilter, limit: int, cursor: str | None) -> CompanyPage:
        """Companies, the newest first, with what they use of their plans."""
        statement = select(Tenant).limit(limit + 1)
        if not wanted.samples:
            statement = statement.where(~Tenant.is_sample)
        if wanted.status is not None:
            statement = statement.where(Tenant.status == wanted.status)
        if wanted.plan is not None:
            statement = statement.where(Tenant.plan == wanted.plan)
        if wanted.search is not None and (words := wanted.search.strip()):
            statement = statement.where(
                or_(
                    func.lower(Tenant.name).contains(words.lower(), autoescape=True),
                    Tenant.nit.startswith(words.partition("-")[0], autoescape=True),
                )
            )
        # By when they were made: an id may be the client's choice.
        statement = after(
            statement, (Tenant.created_at, Tenant.tenant_id), cursor, tuple[datetime, UUID], descending=True
        )
        async with self._desk.database.platform_transaction() as session:
            rows = (await session.scalars(statement)).all()
            page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.tenant_id))
            counted = await session.scalars(
                select(TenantUsage).where(TenantUsage.tenant_id.in_([row.tenant_id for row in page]))
            )
            usage: dict[UUID, dict[str, int]] = {}
            for row in counted:
                usage.setdefault(row.tenant_id, {})[row.resource] = row.used
        return CompanyPage(items=[_item(row, usage.get(row.tenant_id, {})) for row in page], next_cursor=next_cursor)

    async def find(self, tenant_id: UUID) -> CompanyDetail:
        """One company with its limits and the last steps of its life. Raises `NotFound`."""
        return await _detail(await self._desk.enter(tenant_id))

    async def create(self, data: CreateCompany) -> tuple[CompanyDetail, bool]:
        """Make a company and invite its owner; answers it, and whether it is new.

        Raises 422 `invalid-nit` or `unknown-plan`, 409 `id-taken`.
        """
        nit, dv = split_nit(data.company.nit, "/company/nit")
        for pointer, said in (("/company/name", data.company.name), ("/owner/name", data.owner.name)):
            refuse_blank(pointer, said)
        tenant_id, staff = data.id or uuid7(), self._desk.staff
        body_hash = fingerprint(data)
        if data.id is not None:
            # Twins under different keys take turns; the second finds what the first made.
            await take_turn(self._desk.work.session, AdvisoryLock.COMPANY_OF_AN_ID, str(tenant_id))
            if (earlier := await self._earlier(tenant_id, body_hash)) is not None:
                return earlier, False
        work = await self._desk.turn_to(tenant_id)
        await found_company(
            work,
            name=data.company.name.strip(),
            nit=nit,
            dv=dv,
            email=data.owner.email,
            plan=data.plan,
            reason=f"Creada por el operador ({staff.name}).",
        )
        await InvitationService(work).invite_owner(data.owner.email, data.owner.name.strip(), body_hash)
        detail = await _detail(work)
        await self._desk.note(
            "company.created", tenant_id, company_id=tenant_id, after={"plan": detail.plan, "nit": nit}
        )
        return detail, True

    async def resend_invitation(self, tenant_id: UUID) -> OwnerInvitationOut:
        """Mail the first owner's invitation again with a new link. Raises 404, 409 `invitation-closed`, 422 `too-many-mails`."""
        work = await self._desk.enter(tenant_id)
        sent = await InvitationService(work).resend_owner()
        await self._desk.note("company.invitation-sent-again", sent.id, company_id=tenant_id)
        return _invitation(sent)

    async def change(
        self, tenant_id: UUID, data: ChangeTenant, check: Callable[[CompanyDetail], None]
    ) -> CompanyDetail:
        """Correct what the operator keeps of a company. `check` may refuse the version that is being changed.

        Raises 404, 412, 422 `invalid-nit` or `nit-is-printed`.
        """
        work = await self._desk.enter(tenant_id)
        tenant = await lifecycle.lock(work)
        check(await _detail(work))
        given = {name: value for name, value in structs.asdict(data).items() if value is not UNSET}
        nit = given.pop("nit", None)
        before = {"nit": tenant.nit, "dv": tenant.dv}
        if nit is not None:
            tenant.nit, tenant.dv = split_nit(nit, "/nit")
            if tenant.nit != before["nit"] and await issues_documents(work):
                raise RuleBroken(
                    "La empresa ya expide documentos con su NIT.",
                    code="nit-is-printed",
                    errors=(FieldError("/nit", "nit-is-printed", "Ya está en documentos electrónicos."),),
                )
        await work.flush()
        if tenant.nit != before["nit"]:
            work.record("company.nit-changed", tenant_id, before=before, after={"nit": tenant.nit, "dv": tenant.dv})
        if given:
            await TenantService(work).change(ChangeCompany(**given))
        detail = await _detail(work)
        changed = sorted([*given, *(["nit"] if nit is not None else [])])
        await self._desk.note("company.changed", tenant_id, company_id=tenant_id, after={"fields": changed})
        return detail

    async def suspend(self, tenant_id: UUID, reason: str) -> CompanyDetail:
        """Nobody of the company does anything from their next request on, whatever it pays. Raises 404, 409 `move-not-allowed`."""
        work = await self._desk.enter(tenant_id)
        if await block(work, reason):
            detail = await _detail(work)
            moved = {"from": TenantStatus.SUSPENDED, "to": TenantStatus.SUSPENDED, "reason": reason.strip()}
            await self._desk.note("company.moved", tenant_id, company_id=tenant_id, after=moved)
            return detail
        return await self._move(tenant_id, TenantStatus.SUSPENDED, reason)

    async def close(self, tenant_id: UUID, reason: str) -> CompanyDetail:
        """End the company's account; its data stays, and an export of it is made. Raises 404, 409 `move-not-allowed`."""
        return await self._move(tenant_id, TenantStatus.CLOSED, reason)

    async def reactivate(self, tenant_id: UUID, data: Reactivate) -> CompanyDetail:
        """Bring back a suspended or closed company. Raises 404, 409 `move-not-allowed`, `not-suspended`, `not-paid` or `unpaid-invoice`."""
        work = await self._desk.enter(tenant_id)
        tenant = await stand(work)
        if tenant.status not in {TenantStatus.SUSPENDED, TenantStatus.CLOSED}:
            raise Conflict("La empresa no está suspendida ni cerrada.", code="not-suspended", fromStatus=tenant.status)
        await refuse_while_owing(work)
        until = None
        if data.status is not None:
            wanted = TenantStatus(data.status)
            if (
                wanted == TenantStatus.ACTIVE
                and tenant.status == TenantStatus.SUSPENDED
                and not await may_be_active(work)
            ):
                raise Conflict(
                    "La empresa no ha pagado su plan: reactívela sin estado, o en solo lectura.", code="not-paid"
                )
        elif tenant.status == TenantStatus.CLOSED or await self._was_read_only(work):
            wanted = TenantStatus.READ_ONLY
        else:
            wanted, until = await way_back(work)
        return await self._move(tenant_id, wanted, data.reason, until)

    @staticmethod
    async def _was_read_only(work: Work) -> bool:
        steps = (await history(work, 1, None)).items
        return bool(steps) and steps[0].from_status == TenantStatus.READ_ONLY

    async def _move(
        self, tenant_id: UUID, status: TenantStatus, reason: str, trial_ends_at: datetime | None = None
    ) -> CompanyDetail:
        work = await self._desk.enter(tenant_id)
        before = (await stand(work)).status
        tenant = await lifecycle.move(work, status, reason, trial_ends_at=trial_ends_at)
        if before != tenant.status:
            await follow(work)
            if tenant.status == TenantStatus.CLOSED:
                await export_of_closing(work, work.actor.user_id)
        detail = await _detail(work)
        if before != tenant.status:
            moved = {"from": before, "to": tenant.status, "reason": reason.strip()}
            await self._desk.note("company.moved", tenant_id, company_id=tenant_id, after=moved)
        return detail

    async def _earlier(self, tenant_id: UUID, body_hash: bytes) -> CompanyDetail | None:
        """The company that this very request made before. Raises 409 `id-taken` for any other with its id."""
        try:
            work = await self._desk.enter(tenant_id)
        except NotFound:
            return None
        invitation = await InvitationService(work).find_owner()
        if invitation is None or invitation.body_hash != body_hash:
            raise ID_TAKEN
        return await _detail(work)


async def _detail(work: Work) -> CompanyDetail:
    tenant = await TenantService(work).find()
    use = await use_of_plan(work)
    invitation = await InvitationService(work).find_owner()
    counted = {name: limit.used for name, limit in use.limits.items()}
    return CompanyDetail(
        **structs.asdict(_item(tenant, counted)),
        use=use,
        history=(await history(work, _STEPS, None)).items,
        owner_invitation=None if invitation is None else _invitation(invitation_out(invitation)),
    )


def _item(row: Tenant, usage: Mapping[str, int]) -> CompanyItem:
    return CompanyItem(
        id=row.tenant_id,
        name=row.name,
        nit=row.nit,
        dv=row.dv,
        status=msgspec.convert(str(row.status), CompanyStatus),
        status_since=row.status_since,
        plan=row.plan,
        trial_ends_at=row.trial_ends_at,
        is_demo=row.is_demo,
        is_sample=row.is_sample,
        created_at=row.created_at,
        usage=dict(usage),
    )


def _invitation(made: InvitationOut) -> OwnerInvitationOut:
    return OwnerInvitationOut(id=made.id, email=made.email, status=made.status, expires_at=made.expires_at)
