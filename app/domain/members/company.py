"""What every change of people stands on: the company's turn, who asks now, and seats."""

from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from app.db.session import SYSTEM_USER, Work
from app.domain.accounts.models import Membership
from app.domain.members.models import Invitation
from app.domain.tenants.limits import Resource, claim, release
from app.domain.tenants.models import Tenant
from app.lib import clock
from app.lib.errors import FieldError, Forbidden
from app.lib.permissions import OWNER, permissions_of

_CHANGED: Final = "Su propio rol acaba de cambiar; vuelva a intentarlo."


async def take_turn(work: Work) -> None:
    """Change people, roles, invitations and keys of one company one after the other; sales go on meanwhile.

    What the caller may is read again: it may have changed while waiting. Raises `Forbidden` then.
    """
    await lock_company(work)
    actor = work.actor
    if actor.user_id == SYSTEM_USER:
        return
    own = await find_membership(work, actor.user_id)
    now = permissions_of(own.role, own.permissions) if own is not None and own.is_active else frozenset()
    if own is None or own.role != actor.role or not actor.permissions <= now:
        raise Forbidden(_CHANGED, code="role-changed")


async def lock_company(work: Work) -> None:
    """Hold the company's row until commit; foreign keys to it are not held up."""
    await work.session.execute(
        select(Tenant.tenant_id).where(Tenant.tenant_id == work.tenant_id).with_for_update(key_share=True)
    )


async def find_membership(work: Work, user_id: UUID) -> Membership | None:
    """A person's membership as it is now, also an inactive one."""
    found: Membership | None = await work.session.scalar(
        select(Membership)
        .where(Membership.tenant_id == work.tenant_id, Membership.user_id == user_id)
        .execution_options(populate_existing=True)
    )
    return found


async def reserve_seat(work: Work) -> None:
    """See that there is a seat for one more person: invitations that can still be accepted keep theirs.

    The company must be locked; who comes in claims the seat. Raises 422 `plan-limit`.
    """
    pending = await work.session.scalar(
        select(func.count()).where(
            Invitation.tenant_id == work.tenant_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > clock.now(),
        )
    )
    wanted = (pending or 0) + 1
    await claim(work, Resource.USERS, wanted)
    await release(work, Resource.USERS, wanted)


def refuse_to_grant(work: Work, role: str, permissions: frozenset[str], pointer: str) -> None:
    """Raise 403 `cannot-grant` when the caller would hand out what they lack; owners are made by owners alone."""
    lacking = sorted(permissions - work.actor.permissions)
    if lacking or (role == OWNER and work.actor.role != OWNER):
        raise Forbidden(
            "No puede dar permisos que usted no tiene.",
            code="cannot-grant",
            errors=(FieldError(pointer, "cannot-grant", "Incluye permisos que usted no tiene."),),
            permissions=lacking,
        )


def refuse_to_manage(work: Work, role: str, permissions: frozenset[str]) -> None:
    """Raise 403 `cannot-manage` for somebody who may more than the caller."""
    if not permissions <= work.actor.permissions or (role == OWNER and work.actor.role != OWNER):
        raise Forbidden("Esta persona tiene más permisos que usted.", code="cannot-manage")
