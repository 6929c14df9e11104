"""The people of a company: who they are, what role they have, and whether they are still in."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET
from sqlalchemy import Select, and_, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db.session import Work
from app.domain.accounts.branches import limit_to_branches
from app.domain.accounts.company_sessions import end_in_company
from app.domain.accounts.models import Membership, MembershipBranch
from app.domain.accounts.passwords import require_password_change
from app.domain.members.company import find_membership, refuse_to_grant, refuse_to_manage, reserve_seat, take_turn
from app.domain.members.models import ApiKey, CompanyRole, Invitation, MemberPin
from app.domain.members.roles import RoleService
from app.domain.members.schemas import ChangeMember, MemberOut, MemberPage
from app.domain.tenants.limits import Resource, claim, release
from app.domain.tenants.scope import branch_refusal
from app.lib import clock
from app.lib.errors import Conflict, NotFound, RuleBroken
from app.lib.pages import after, cut
from app.lib.permissions import OWNER, ROLE_NAMES, permissions_of
from app.lib.person_keys import Personal


class MemberService:
    """Reads and changes the memberships of the company."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, *, active: bool | None, limit: int, cursor: str | None) -> MemberPage:
        """People by name."""
        statement = self._select().limit(limit + 1)
        if active is not None:
            statement = statement.where(Membership.is_active.is_(active))
        statement = after(
            statement, (Membership.display_name, Membership.user_id), cursor, tuple[str, UUID], descending=False
        )
        rows = (await self._work.session.execute(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row[0].display_name, row[0].user_id))
        return MemberPage(items=[_member_out(*row) for row in page], next_cursor=next_cursor)

    async def find(self, user_id: UUID) -> MemberOut:
        """One person. Raises `NotFound`, also for somebody of another company."""
        row = (
            await self._work.session.execute(
                self._select().where(Membership.user_id == user_id).execution_options(populate_existing=True)
            )
        ).one_or_none()
        if row is None:
            raise NotFound("Esa persona no es de esta empresa.")
        return _member_out(*row)

    async def change(self, user_id: UUID, data: ChangeMember, check: Callable[[MemberOut], None]) -> MemberOut:
        """Change somebody's role, name or branches, put them out or let them in again.

        Raises 403 `cannot-manage`, `cannot-grant` or `branch-not-allowed`, 404, 409 `last-owner`, 422 `own-membership`,
        `unknown-role`, `unknown-reference` or `plan-limit`.
        """
        work = self._work
        await take_turn(work)
        before = await self.find(user_id)
        check(before)
        row = await find_membership(work, user_id)
        assert row is not None
        await self._refuse(row, data, before.branch_ids)
        leaves = data.active is False and row.is_active
        if data.active is True and not row.is_active:
            await reserve_seat(work)
            await claim(work, Resource.USERS)
        if data.role is not UNSET and data.role != row.role:
            role = await RoleService(work).resolve(data.role, "/role")
            refuse_to_grant(work, role.code, role.permissions, "/role")
            row.role, row.company_role_id, row.permissions = role.code, role.company_role_id, role.own
            # What they could grant then they may not be able to grant now.
            await self._revoke_invitations(user_id)
        if data.display_name is not UNSET:
            row.display_name = data.display_name.strip()
        if data.active is not UNSET:
            row.is_active = data.active
        await work.flush()
        if data.branch_ids is not UNSET:
            await limit_to_branches(work, row.id, data.branch_ids)
        if leaves:
            await release(work, Resource.USERS)
            await self._end_all(user_id)
        changed = await self.find(user_id)
        work.record("membership.changed", row.id, before=_for_trail(before), after=_for_trail(changed))
        return changed

    async def _refuse(self, row: Membership, data: ChangeMember, branches: Sequence[UUID] | None) -> None:
        """Nobody changes their own place or somebody's above or beyond them, and an owner always stays."""
        role = row.role if data.role is UNSET else data.role
        active = row.is_active if data.active is UNSET else data.active
        moves = (role, active) != (row.role, row.is_active) or data.branch_ids is not UNSET
        if row.user_id == self._work.actor.user_id:
            if moves:
                raise RuleBroken(
                    "Nadie cambia su propio rol ni sus sucursales, ni se retira a sí mismo.", code="own-membership"
                )
            return
        refuse_to_manage(self._work, row.role, permissions_of(row.role, row.permissions))
        own = self._work.actor.branches
        if moves and own is not None and (branches is None or not own.issuperset(branches)):
            # Who is limited to branches gives nobody a place, or takes one, in others.
            raise branch_refusal()
        if row.role == OWNER and row.is_active and (role != OWNER or not active):
            others = await self._work.session.scalar(
                select(func.count()).where(
                    Membership.tenant_id == self._work.tenant_id,
                    Membership.role == OWNER,
                    Membership.is_active,
                    Membership.user_id != row.user_id,
                )
            )
            if not others:
                raise Conflict("La empresa debe tener al menos un propietario activo.", code="last-owner")

    async def require_password_change(self, user_id: UUID) -> None:
        """Let somebody do nothing but choose another password. Raises 403 `cannot-manage`, 404, 422 `own-membership`."""
        row = await find_membership(self._work, user_id)
        if row is None:
            raise NotFound("Esa persona no es de esta empresa.")
        if user_id == self._work.actor.user_id:
            raise RuleBroken("Cambie su contraseña en su propia cuenta.", code="own-membership")
        refuse_to_manage(self._work, row.role, permissions_of(row.role, row.permissions))
        await require_password_change(self._work, user_id)

    async def _end_all(self, user_id: UUID) -> None:
        """What somebody who left has in hand stops: sessions, API keys, invitations they sent."""
        work, now = self._work, clock.now()
        await end_in_company(work, user_id)
        await work.session.execute(
            update(ApiKey)
            .where(ApiKey.tenant_id == work.tenant_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=now)
            .execution_options(synchronize_session=False)
        )
        await self._revoke_invitations(user_id)

    async def _revoke_invitations(self, user_id: UUID) -> None:
        work = self._work
        await work.session.execute(
            update(Invitation)
            .where(
                Invitation.tenant_id == work.tenant_id,
                Invitation.invited_by == user_id,
                Invitation.accepted_at.is_(None),
                Invitation.revoked_at.is_(None),
            )
            .values(revoked_at=clock.now())
            .execution_options(synchronize_session=False)
        )

    def _select(self) -> Select[*tuple[Any, ...]]:
        tenant_id = self._work.tenant_id
        email = (
            select(Invitation.email)
            .where(Invitation.tenant_id == tenant_id, Invitation.accepted_by == Membership.user_id)
            .order_by(Invitation.accepted_at.desc())
            .limit(1)
            .scalar_subquery()
        )
        branches = (
            select(func.array_agg(aggregate_order_by(MembershipBranch.branch_id, MembershipBranch.branch_id)))
            .where(MembershipBranch.tenant_id == tenant_id, MembershipBranch.membership_id == Membership.id)
            .scalar_subquery()
        )
        return (
            select(Membership, CompanyRole.name, MemberPin.user_id, email, branches)
            .outerjoin(
                CompanyRole,
                and_(CompanyRole.tenant_id == tenant_id, CompanyRole.id == Membership.company_role_id),
            )
            .outerjoin(MemberPin, and_(MemberPin.tenant_id == tenant_id, MemberPin.user_id == Membership.user_id))
            .where(Membership.tenant_id == tenant_id)
        )


def _member_out(
    row: Membership, role_name: str | None, with_pin: UUID | None, email: str | None, branches: list[UUID] | None
) -> MemberOut:
    return MemberOut(
        user_id=row.user_id,
        display_name=row.display_name,
        role=row.role,
        role_name=role_name or ROLE_NAMES.get(row.role, row.role),
        email=email,
        active=row.is_active,
        branch_ids=None if row.all_branches else branches or [],
        has_pin=with_pin is not None,
        joined_at=row.created_at,
    )


def _for_trail(member: MemberOut) -> Personal:
    return Personal(member.user_id, member, ("displayName", "email"))
