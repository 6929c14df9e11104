"""Choosing another password: the policy with what is known of the person, and what follows from a change."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.memberships import member_of
from app.domain.accounts.models import AppUser, PasswordHistory
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken
from app.lib.logins import LoginLimits
from app.lib.passwords import check_password, hash_password, verify_password

_FRESH: Final = timedelta(days=1)
REMEMBERED: Final = 5
"""Passwords that may not be chosen again, the current one included."""


async def hash_chosen(password: str, user: AppUser, companies: Sequence[str], former: Sequence[str], at: str) -> str:
    """The hash of a new password. Raises 422 `weak-password`, also for one that was used before, at the pointer `at`."""
    check_password(password, user.email, at, user.name, *companies)
    for stored in former:
        if await verify_password(password, stored):
            raise RuleBroken(
                "La contraseña ya se usó.",
                code="weak-password",
                errors=(FieldError(at, "password-reused", f"Es una de sus últimas {REMEMBERED} claves; elija otra."),),
            )
    return await hash_password(password)


async def prove_password(logins: LoginLimits, user: AppUser, password: str, address: str, at: str) -> None:
    """Whether somebody who is logged in is who they say. Counted like logins; raises 422 `wrong-password`, 429."""
    async with logins.attempt(user.email_norm, address, seen_here):
        if not await verify_password(password, user.password_hash):
            raise RuleBroken(
                "La contraseña no es correcta.",
                code="wrong-password",
                errors=(FieldError(at, "wrong-password", "No es su contraseña actual."),),
            )


async def seen_here() -> bool:
    """A live session is knowledge enough of the address."""
    return True


async def former_hashes(work: Work, user: AppUser) -> list[str]:
    """The current password and the ones before it, as far as they are remembered."""
    earlier = await work.session.scalars(
        select(PasswordHistory.password_hash)
        .where(PasswordHistory.user_id == user.id)
        .order_by(PasswordHistory.id.desc())
        .limit(REMEMBERED - 1)
    )
    return [user.password_hash, *earlier.all()]


async def replace_password(work: Work, user: AppUser, password_hash: str) -> None:
    """Write the new hash and remember the old one. Raises 409 when the password was changed meanwhile."""
    now = clock.now()
    changed = await work.session.scalar(
        update(AppUser)
        .where(AppUser.id == user.id, AppUser.password_hash == user.password_hash)
        .values(password_hash=password_hash, password_changed_at=now, password_change_required=False)
        .returning(AppUser.id)
        .execution_options(synchronize_session=False)
    )
    if changed is None:
        raise Conflict("La contraseña cambió mientras tanto; vuelva a intentarlo.", code="busy")
    await work.session.execute(
        insert(PasswordHistory).values(id=uuid7(), user_id=user.id, password_hash=user.password_hash, created_at=now)
    )
    kept = (
        select(PasswordHistory.id)
        .where(PasswordHistory.user_id == user.id)
        .order_by(PasswordHistory.id.desc())
        .limit(REMEMBERED - 1)
    )
    await work.session.execute(
        delete(PasswordHistory)
        .where(PasswordHistory.user_id == user.id, PasswordHistory.id.not_in(kept))
        .execution_options(synchronize_session=False)
    )


async def require_password_change(work: Work, user_id: UUID) -> None:
    """Let a member of the actor's company do nothing but change the password, from their next request on.

    Raises `NotFound` for a person who is no active member, 409 `changed-recently`. The transaction stays the actor's.
    """
    member = await member_of(work, user_id, work.tenant_id)
    if member is None:
        raise NotFound("Esta persona no es miembro de la empresa.")
    await work.flush()
    # A person's own row is visible to that person alone.
    await work.pin(tenant_id=work.tenant_id, user_id=user_id)
    changed_at = await work.session.scalar(select(AppUser.password_changed_at).where(AppUser.id == user_id))
    if changed_at is not None and changed_at > clock.now() - _FRESH:
        # It holds in all of the person's companies: one of them does not keep them from the others.
        raise Conflict("Esa persona cambió su contraseña hace menos de un día.", code="changed-recently")
    await work.session.execute(
        update(AppUser)
        .where(AppUser.id == user_id)
        .values(password_change_required=True)
        .execution_options(synchronize_session=False)
    )
    await work.pin(tenant_id=work.tenant_id, user_id=work.actor.user_id)
    work.record("member.password-change-required", user_id)
