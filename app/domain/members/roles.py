"""Roles: the house's, and those that a company makes for itself."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.members.company import find_membership, refuse_to_grant, take_turn
from app.domain.members.models import CompanyRole, Invitation
from app.domain.members.schemas import ChangeRole, CreateRole, RoleList, RoleOut
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken
from app.lib.permissions import PERMISSIONS, ROLE_NAMES, ROLES
from app.lib.schemas import fingerprint

MOST: Final = 50
"""Roles of its own that a company may have: a list that fits on a page."""

ROLE_EXISTS: Final = Conflict("Ya hay un rol con ese código.", code="role-exists")
ROLE_IN_USE: Final = Conflict("Hay personas o invitaciones con este rol; cámbielas primero.", code="role-in-use")
ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")

BROKEN_CONSTRAINTS["uq_company_role_tenant_id_code"] = ROLE_EXISTS
BROKEN_CONSTRAINTS["pk_company_role"] = ID_TAKEN
BROKEN_CONSTRAINTS["fk_membership_tenant_id_company_role_id"] = ROLE_IN_USE


class Granted(msgspec.Struct, frozen=True):
    """A role as a membership holds it."""

    code: str
    company_role_id: UUID | None
    own: list[str] | None
    """Permissions of the company's own role; None for a house role."""

    @property
    def permissions(self) -> frozenset[str]:
        return ROLES[self.code] if self.own is None else frozenset(self.own) & PERMISSIONS.keys()


class RoleService:
    """Reads and changes the roles of the company."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def all(self) -> RoleList:
        """House roles first, then the company's own by name."""
        own = await self._work.session.scalars(
            select(CompanyRole)
            .where(CompanyRole.tenant_id == self._work.tenant_id)
            .order_by(CompanyRole.name, CompanyRole.id)
        )
        house = [
            RoleOut(id=None, code=code, name=ROLE_NAMES[code], permissions=sorted(permissions), is_house=True)
            for code, permissions in ROLES.items()
        ]
        return RoleList(items=[*house, *(role_out(row) for row in own)], next_cursor=None)

    async def find(self, role_id: UUID) -> CompanyRole:
        """A role of the company's own. Raises `NotFound`."""
        row: CompanyRole | None = await self._work.session.scalar(
            select(CompanyRole)
            .where(CompanyRole.tenant_id == self._work.tenant_id, CompanyRole.id == role_id)
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound("Ese rol no existe.")
        return row

    async def resolve(self, code: str, pointer: str) -> Granted:
        """The role with this code, which cannot change until commit if the company is locked. Raises 422 `unknown-role`."""
        if code in ROLES:
            return Granted(code, None, None)
        row = await self._work.session.scalar(
            select(CompanyRole)
            .where(CompanyRole.tenant_id == self._work.tenant_id, CompanyRole.code == code)
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise RuleBroken(
                "Ese rol no existe.",
                code="unknown-role",
                errors=(FieldError(pointer, "unknown-role", "No hay un rol con ese código."),),
            )
        return Granted(row.code, row.id, list(row.permissions))

    async def create(self, data: CreateRole) -> tuple[RoleOut, bool]:
        """Add a role; answers it and whether it is new.

        Raises 403 `cannot-grant`, 409 `role-exists` or `id-taken`, 422 `unknown-permission` or `too-many-roles`.
        """
        work, body_hash = self._work, fingerprint(data)
        permissions = _known(data.permissions)
        await take_turn(work)
        if data.id is not None:
            earlier = await work.session.get(CompanyRole, (work.tenant_id, data.id))
            if earlier is not None:
                if earlier.body_hash != body_hash:
                    raise ID_TAKEN
                return role_out(earlier), False
        refuse_to_grant(work, data.code, permissions, "/permissions")
        if data.code in ROLES:
            raise ROLE_EXISTS
        held = await work.session.scalar(select(func.count()).where(CompanyRole.tenant_id == work.tenant_id))
        if (held or 0) >= MOST:
            raise RuleBroken(f"Una empresa puede tener {MOST} roles propios.", code="too-many-roles")
        row = CompanyRole(
            tenant_id=work.tenant_id,
            id=data.id or uuid7(),
            code=data.code,
            name=data.name.strip(),
            permissions=sorted(permissions),
            body_hash=body_hash,
        )
        work.session.add(row)
        await work.flush()
        made = role_out(row)
        work.record("role.created", row.id, after=made)
        return made, True

    async def change(self, role_id: UUID, data: ChangeRole, check: Callable[[RoleOut], None]) -> RoleOut:
        """Change a role and, with it, everybody who holds it.

        Raises 403 `cannot-grant`, 404, 422 `own-role` or `unknown-permission`.
        """
        work = self._work
        await take_turn(work)
        row = await self.find(role_id)
        before = role_out(row)
        check(before)
        if data.name is not msgspec.UNSET:
            row.name = data.name.strip()
        if data.permissions is not msgspec.UNSET:
            permissions = _known(data.permissions)
            refuse_to_grant(work, row.code, permissions | frozenset(row.permissions), "/permissions")
            own = await find_membership(work, work.actor.user_id)
            if own is not None and own.company_role_id == role_id:
                raise RuleBroken("No puede cambiar los permisos de su propio rol.", code="own-role")
            row.permissions = sorted(permissions)
            await work.session.execute(
                update(Membership)
                .where(Membership.tenant_id == work.tenant_id, Membership.company_role_id == role_id)
                .values(permissions=sorted(permissions))
                .execution_options(synchronize_session=False)
            )
        await work.flush()
        after = role_out(row)
        work.record("role.changed", role_id, before=before, after=after)
        return after

    async def delete(self, role_id: UUID, check: Callable[[RoleOut], None]) -> None:
        """Remove a role that nobody holds or is invited to. Raises 404, 409 `role-in-use`."""
        work = self._work
        await take_turn(work)
        row = await self.find(role_id)
        before = role_out(row)
        check(before)
        refuse_to_grant(work, row.code, frozenset(row.permissions), "/permissions")
        invited = await work.session.scalar(
            select(Invitation.id)
            .where(
                Invitation.tenant_id == work.tenant_id,
                Invitation.role == row.code,
                Invitation.accepted_at.is_(None),
                Invitation.revoked_at.is_(None),
                Invitation.expires_at > clock.now(),
            )
            .limit(1)
        )
        if invited is not None:
            raise ROLE_IN_USE
        await work.session.delete(row)
        await work.flush()
        work.record("role.deleted", role_id, before=before)


def role_out(row: CompanyRole) -> RoleOut:
    return RoleOut(id=row.id, code=row.code, name=row.name, permissions=sorted(row.permissions), is_house=False)


def _known(permissions: Sequence[str]) -> frozenset[str]:
    """Raise 422 for a permission that does not exist."""
    for place, name in enumerate(permissions):
        if name not in PERMISSIONS:
            raise RuleBroken(
                "Ese permiso no existe.",
                code="unknown-permission",
                errors=(FieldError(f"/permissions/{place}", "unknown-permission", "No existe."),),
            )
    return frozenset(permissions)
