"""What is done with mailed links: proving an address, choosing a new password, moving to another address.

Whoever asks for a mail is answered the same, after the same time, whether or not the address has an account.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import select, update

from app.db.session import Database, Work
from app.domain.accounts.memberships import memberships_of, some_membership
from app.domain.accounts.models import AppUser, Membership, OneTimeToken
from app.domain.accounts.passwords import former_hashes, hash_chosen, replace_password
from app.domain.accounts.service import Device, normalise_email, one_time_hash
from app.domain.accounts.sessions import Sessions, read_token
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import Conflict, Malformed
from app.lib.person_keys import Personal

Purpose = Literal["verify-email", "reset-password", "change-email"]

_EVEN: Final = 0.3
"""Seconds: answers to whoever asks for a mail come after a whole number of these."""
_NOBODY: Final = UUID(int=0)

_INVALID: Final = Malformed("El enlace no es válido, ya se usó o venció; pida otro.", code="invalid-token")
_TAKEN: Final = Conflict("Ese correo ya pertenece a otra cuenta.", code="email-taken")


class MailedLinks:
    """Asks for mails with links and takes the tokens that come back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask_verification(self, email: str) -> None:
        """Mail the link again to an address that was not proven yet; nothing tells whether there is one."""
        await self._ask(email, "accounts.send-verification")

    async def ask_reset(self, email: str) -> None:
        """Mail a link that lets the person choose a new password; nothing tells whether there is one."""
        await self._ask(email, "accounts.send-reset")

    async def _ask(self, email: str, kind: str) -> None:
        async with _evenly(), self._database.person_transaction(login_email=normalise_email(email)) as work:
            user = await _by_email(work, email)
            user_id = user.id if user is not None and user.is_active else _NOBODY
            await work.pin(user_id=user_id)
            membership = await some_membership(work, user_id)
            if membership is not None:
                await work.pin(tenant_id=membership.tenant_id, user_id=user_id)
                work.ask(kind, {"userId": str(user_id)})

    async def verify_email(self, token: str) -> None:
        """Mark the address as the person's own. Raises 400 for a token that is unknown, used or expired."""
        async with self._person(token) as (work, user_id):
            email = await _use(work, token, "verify-email")
            user = await _person(work, user_id)
            if email is None or user is None or normalise_email(email) != user.email_norm:
                raise _INVALID
            user.email_verified_at = clock.now()

    async def reset_password(self, token: str, password: str, device: Device) -> None:
        """Choose a new password: all sessions end and the person is told. Raises 400 `invalid-token`, 422 `weak-password`.

        A refused password leaves the link as good as it was.
        """
        async with self._person(token) as (work, user_id):
            good = await _look(work, token, "reset-password")
            user = await _person(work, user_id)
            if good is None or user is None or normalise_email(good) != user.email_norm:
                raise _INVALID
            former = await former_hashes(work, user)
            companies = [one.tenant_name for one in await memberships_of(work, user_id)]
        # Hashing takes its turn outside of any transaction.
        password_hash = await hash_chosen(password, user, companies, former, "/password")
        async with self._person(token) as (work, user_id):
            if await _use(work, token, "reset-password") is None:
                raise _INVALID
            await replace_password(work, user, password_hash)
            await work.session.execute(
                update(AppUser)
                .where(AppUser.id == user_id, AppUser.email_verified_at.is_(None))
                .values(email_verified_at=clock.now())
                .execution_options(synchronize_session=False)
            )
            await _spend_all(work, user_id, "reset-password")
            await Sessions(work).end_all(user_id)
            await self._tell(work, user, device, "password-reset", user.email)

    async def change_email(self, token: str, device: Device) -> None:
        """Move the person to the address that got the link; the old one is told. Raises 400 `invalid-token`, 409 `email-taken`."""
        async with self._person(token) as (work, user_id):
            email = await _use(work, token, "change-email")
            user = await _person(work, user_id)
            if email is None or user is None:
                raise _INVALID
            before, wanted = user.email, normalise_email(email)
            await work.pin(user_id=user_id, login_email=wanted)
            other = await _by_email(work, email)
            if other is not None and other.id != user_id:
                raise _TAKEN
            await work.pin(user_id=user_id)
            user.email, user.email_norm, user.email_verified_at = email, wanted, clock.now()
            for purpose in ("verify-email", "reset-password", "change-email"):
                await _spend_all(work, user_id, purpose)
            await work.flush()
            await self._tell(work, user, device, "email-changed", before, after=email)

    @asynccontextmanager
    async def _person(self, token: str) -> AsyncIterator[tuple[Work, UUID]]:
        """A transaction of the person whom a token names. Raises 400 for what is no token."""
        named = read_token(token)
        if named is None:
            raise _INVALID
        async with self._database.person_transaction(user_id=named[0]) as work:
            yield work, named[0]

    async def _tell(
        self, work: Work, user: AppUser, device: Device, event: str, to: str, after: str | None = None
    ) -> None:
        """Write the trail of the person's company and ask for the mail that says what happened."""
        membership = await some_membership(work, user.id)
        if membership is None:
            return
        await work.pin(tenant_id=membership.tenant_id, user_id=user.id)
        work.actor = _actor(membership, device)
        work.record(
            f"user.{event}",
            user.id,
            before=Personal(user.id, {"email": to}, ("email",)) if after else None,
            after=Personal(user.id, {"email": after}, ("email",)) if after else None,
        )
        work.ask(
            "accounts.send-notice",
            {
                "userId": str(user.id),
                "event": event,
                "to": to,
                "address": device.address,
                "at": clock.now().isoformat(),
            },
        )


@asynccontextmanager
async def _evenly() -> AsyncIterator[None]:
    """End the block after a whole number of `_EVEN` seconds, whatever it did; nothing is held meanwhile."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        yield
    finally:
        await asyncio.sleep(_EVEN - (loop.time() - started) % _EVEN)


async def _by_email(work: Work, email: str) -> AppUser | None:
    found: AppUser | None = await work.session.scalar(
        select(AppUser).where(AppUser.email_norm == normalise_email(email))
    )
    return found


async def _person(work: Work, user_id: UUID) -> AppUser | None:
    found: AppUser | None = await work.session.scalar(select(AppUser).where(AppUser.id == user_id, AppUser.is_active))
    return found


async def _look(work: Work, token: str, purpose: Purpose) -> str | None:
    """The address that a good token was mailed to."""
    return await work.session.scalar(
        select(OneTimeToken.email).where(
            OneTimeToken.token_hash == one_time_hash(token),
            OneTimeToken.purpose == purpose,
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > clock.now(),
        )
    )


async def _use(work: Work, token: str, purpose: Purpose) -> str | None:
    """Spend a token; the address it was mailed to, or None when it does not count. Two at once: one gets it."""
    return await work.session.scalar(
        update(OneTimeToken)
        .where(
            OneTimeToken.token_hash == one_time_hash(token),
            OneTimeToken.purpose == purpose,
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > clock.now(),
        )
        .values(used_at=clock.now())
        .returning(OneTimeToken.email)
        .execution_options(synchronize_session=False)
    )


async def _spend_all(work: Work, user_id: UUID, purpose: str) -> None:
    await work.session.execute(
        update(OneTimeToken)
        .where(OneTimeToken.user_id == user_id, OneTimeToken.purpose == purpose, OneTimeToken.used_at.is_(None))
        .values(used_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def _actor(membership: Membership, device: Device) -> Actor:
    """The person, as the trail of one of their companies names them."""
    return Actor(
        tenant_id=membership.tenant_id,
        user_id=membership.user_id,
        session_id=_NOBODY,
        role=membership.role,
        display_name=membership.display_name,
        permissions=frozenset(),
        tenant_status="active",
        time_zone="America/Bogota",
        address=device.address,
        request_id=device.request_id,
    )
