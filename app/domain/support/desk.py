"""The operator's side of support's look into a company: opened by somebody of the staff, with a reason and for minutes."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.desk import Desk
from app.domain.support.models import SupportAccess
from app.domain.support.schemas import OpenSupport, StaffAccessOut, StaffAccessPage, SupportTokenOut
from app.domain.support.visits import NO_SUCH, Ended, end_access, find_access, is_open
from app.domain.tenants.models import Tenant
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint
from app.lib.tokens import AccessTokens

ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")
BROKEN_CONSTRAINTS["pk_support_access"] = ID_TAKEN


class SupportDesk:
    """The operator's side."""

    def __init__(self, desk: Desk, tokens: AccessTokens) -> None:
        self._desk = desk
        self._tokens = tokens

    async def open(self, data: OpenSupport) -> tuple[SupportTokenOut, bool]:
        """Begin to look into a company; its owners are told at once. Answers a token, and whether the access is new.

        Raises 422 `unknown-reference` or `blank`, 409 `id-taken` or `access-ended`.
        """
        reason, body_hash, staff = data.reason.strip(), fingerprint(data), self._desk.staff
        if not reason:
            raise RuleBroken(
                "Escriba el motivo del acceso.",
                code="blank",
                errors=(FieldError("/reason", "blank", "No puede estar en blanco."),),
            )
        try:
            work = await self._desk.enter(data.tenant_id)
        except NotFound as error:
            raise unknown_reference("/tenantId", "No hay tal empresa.") from error
        if data.id is not None and (earlier := await find_access(work, data.id)) is not None:
            if earlier.body_hash != body_hash or earlier.staff_id != staff.id:
                raise ID_TAKEN
            return self._token(earlier), False
        if data.id is not None and await self._is_taken(data.id):
            raise ID_TAKEN
        now = clock.now()
        row = SupportAccess(
            tenant_id=data.tenant_id,
            id=data.id or uuid7(),
            staff_id=staff.id,
            staff_name=staff.name,
            reason=reason,
            opened_at=now,
            expires_at=now + timedelta(minutes=data.minutes),
            body_hash=body_hash,
        )
        work.session.add(row)
        await work.flush()
        told = {"staffId": staff.id, "staffName": staff.name, "reason": reason, "expiresAt": row.expires_at}
        work.record("support.opened", row.id, after=told)
        work.ask("provider.tell-owners", {"accessId": str(row.id)})
        await self._desk.note("support.opened", row.id, company_id=data.tenant_id, after=told)
        return self._token(row), True

    async def token(self, access_id: UUID) -> SupportTokenOut:
        """Another short token of the caller's own access. Raises 404, 409 `access-ended`."""
        own = [
            tenant_id for tenant_id, staff_id in await self._companies_of(access_id) if staff_id == self._desk.staff.id
        ]
        if not own:
            raise NotFound(NO_SUCH)
        work = await self._desk.enter(own[0])
        row = await find_access(work, access_id)
        assert row is not None
        return self._token(row)

    async def end(self, access_id: UUID) -> None:
        """End somebody's access, one's own or another's; again: nothing happens. Raises 404."""
        ended: list[UUID] = []
        for tenant_id, _ in await self._companies_of(access_id):
            work = await self._desk.enter(tenant_id)
            if await end_access(work, access_id, "provider"):
                ended.append(tenant_id)
            await work.finish()
        for tenant_id in ended:
            await self._desk.note("support.ended", access_id, company_id=tenant_id)

    async def page(self, tenant_id: UUID | None, limit: int, cursor: str | None) -> StaffAccessPage:
        """Accesses to all companies, the newest first."""
        statement = select(SupportAccess, Tenant.name).join(Tenant, Tenant.tenant_id == SupportAccess.tenant_id)
        if tenant_id is not None:
            statement = statement.where(SupportAccess.tenant_id == tenant_id)
        statement = after(
            statement.limit(limit + 1),
            (SupportAccess.opened_at, SupportAccess.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        async with self._desk.database.platform_transaction() as session:
            rows = (await session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].opened_at, row[0].id))
        return StaffAccessPage(items=[_for_staff(row, name) for row, name in page], next_cursor=next_cursor)

    async def _is_taken(self, access_id: UUID) -> bool:
        """Whether another company has an access of this id: whoever ends it means one."""
        async with self._desk.database.platform_transaction() as session:
            found = await session.scalar(select(SupportAccess.id).where(SupportAccess.id == access_id))
        return found is not None

    async def _companies_of(self, access_id: UUID) -> list[tuple[UUID, UUID]]:
        """Company and person of an access: one, unless two were opened at one instant with one id. Raises 404."""
        async with self._desk.database.platform_transaction() as session:
            found = await session.execute(
                select(SupportAccess.tenant_id, SupportAccess.staff_id)
                .where(SupportAccess.id == access_id)
                # The ends of the companies' trails are locked in one order by everybody.
                .order_by(SupportAccess.tenant_id)
            )
            rows = [(row.tenant_id, row.staff_id) for row in found]
        if not rows:
            raise NotFound(NO_SUCH)
        return rows

    def _token(self, row: SupportAccess) -> SupportTokenOut:
        now = clock.now()
        if not is_open(row):
            raise Conflict("Este acceso ya terminó; abra otro.", code="access-ended")
        token = self._tokens.issue(
            user_id=row.staff_id,
            tenant_id=row.tenant_id,
            session_id=row.id,
            at=now,
            kind="support",
            until=row.expires_at,
        )
        return SupportTokenOut(
            access_id=row.id,
            tenant_id=row.tenant_id,
            expires_at=row.expires_at,
            access_token=token,
            expires_in=int(self._tokens.read(token, "support").expires_at - now.timestamp()),
        )


async def end_all_of(desk: Desk, staff_id: UUID) -> None:
    """End every open access of somebody who left the staff, company by company.

    Their guard refuses them already; this is for the companies, which read that it is over.
    """
    async with desk.database.platform_transaction() as session:
        rows = (
            await session.execute(
                select(SupportAccess.tenant_id, SupportAccess.id)
                .where(
                    SupportAccess.staff_id == staff_id,
                    SupportAccess.ended_at.is_(None),
                    SupportAccess.expires_at > clock.now(),
                )
                # The ends of the companies' trails are locked in one order by everybody.
                .order_by(SupportAccess.tenant_id)
            )
        ).all()
    for tenant_id, access_id in rows:
        work = await desk.enter(tenant_id)
        await end_access(work, access_id, "provider")
        await work.finish()


def _for_staff(row: SupportAccess, company_name: str) -> StaffAccessOut:
    return StaffAccessOut(
        id=row.id,
        tenant_id=row.tenant_id,
        company_name=company_name,
        staff_id=row.staff_id,
        staff_name=row.staff_name,
        reason=row.reason,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        ended_by=msgspec.convert(row.ended_by, Ended),
        is_open=is_open(row),
    )
