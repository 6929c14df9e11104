"""Sessions of people as their company may touch them: it ends them, and begins small ones at its tills and for its keys.

A session belongs to a person and the database shows it to nobody else: each of these turns the transaction to that
person for a moment, and back.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from app.db.session import Work
from app.domain.accounts.models import AppUser, AuthSession
from app.lib import clock

_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


@asynccontextmanager
async def _as_person(work: Work, user_id: UUID) -> AsyncIterator[None]:
    await work.flush()
    await work.pin(tenant_id=work.tenant_id, user_id=user_id)
    yield
    await work.flush()
    await work.pin(tenant_id=work.tenant_id, user_id=work.actor.user_id)


async def begin_scoped(
    work: Work,
    session_id: UUID,
    user_id: UUID,
    scopes: Iterable[str],
    *,
    key_name: str | None = None,
    expires_at: datetime | None = None,
    address: str = "",
    agent: str = "",
) -> bool:
    """Begin a session that may no more than its scopes, without a refresh token; False when the account is not active.

    Without an end it lasts until it is ended, as a key does.
    """
    async with _as_person(work, user_id):
        active = await work.session.scalar(select(AppUser.is_active).where(AppUser.id == user_id))
        if active:
            work.session.add(
                AuthSession(
                    id=session_id,
                    user_id=user_id,
                    tenant_id=work.tenant_id,
                    address=address,
                    agent=agent[:300],
                    scopes=sorted(scopes),
                    key_name=key_name,
                    expires_at=expires_at or _NEVER,
                )
            )
    return bool(active)


async def is_account_active(work: Work, user_id: UUID) -> bool:
    """Whether somebody of this company may log in at all: the account may have been closed, whatever the membership says."""
    async with _as_person(work, user_id):
        return bool(await work.session.scalar(select(AppUser.is_active).where(AppUser.id == user_id)))


async def addresses_of(work: Work, user_id: UUID) -> tuple[str, str]:
    """Name and e-mail of somebody's account, for a message to them."""
    async with _as_person(work, user_id):
        user = (await work.session.scalars(select(AppUser).where(AppUser.id == user_id))).one()
        return user.name, user.email


async def end_in_company(work: Work, user_id: UUID, session_id: UUID | None = None) -> None:
    """End a person's sessions in this company, or one of them; those in other companies go on."""
    async with _as_person(work, user_id):
        statement = update(AuthSession).where(
            AuthSession.user_id == user_id,
            AuthSession.tenant_id == work.tenant_id,
            AuthSession.revoked_at.is_(None),
        )
        if session_id is not None:
            statement = statement.where(AuthSession.id == session_id)
        await work.session.execute(
            statement.values(revoked_at=clock.now()).execution_options(synchronize_session=False)
        )
