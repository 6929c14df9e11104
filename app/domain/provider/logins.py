"""How the operator's staff comes in: by a door of its own, with tokens that open nothing of a company.

A refresh token is `staff ‖ session ‖ generation ‖ HMAC`: nothing of it is stored but the newest generation. The one
before it answers the same successor for ten seconds (a lost answer); any older one is a copy, and ends the session.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from app.db.provider_trail import append
from app.db.session import Database, Work
from app.domain.accounts.service import Device, normalise_email
from app.domain.provider.models import ProviderSession, ProviderUser
from app.domain.provider.second_factor import accept_code
from app.domain.provider.staff_schemas import StaffLogIn, StaffOut, StaffRole, StaffSessionOut
from app.lib import clock
from app.lib.errors import Unauthenticated
from app.lib.passwords import verify_password
from app.lib.staff import Staff
from app.lib.tokens import LIFETIME, NO_COMPANY, AccessTokens

LONGEST: Final = timedelta(hours=12)
"""Of a session, however often it is renewed: a working day."""
GRACE: Final = timedelta(seconds=10)
_NUMBER: Final = 4
_LENGTH: Final = 16 + 16 + _NUMBER + 32
_ENDED: Final = "Su sesión terminó; inicie sesión de nuevo."

Counted = Callable[[], AbstractAsyncContextManager[None]]


class _Named(msgspec.Struct, frozen=True):
    """What a refresh token of ours says."""

    user_id: UUID
    session_id: UUID
    generation: int


class StaffLogins:
    """Begins, continues and ends the sessions of the staff."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens
        self._key = hmac.digest(database.settings.secret_key, b"provider refresh", "sha256")

    async def log_in(self, data: StaffLogIn, device: Device, counted: Counted = nullcontext) -> StaffSessionOut:
        """Begin a session. Raises 401, the same for an unknown person and a wrong password.

        With the right password, 401 `totp-required` or `totp-invalid` for who has a second factor; `counted` wraps its
        check.
        """
        email = normalise_email(data.email)
        async with self._database.person_transaction(login_email=email) as work:
            found = await work.session.scalar(select(ProviderUser).where(ProviderUser.email_norm == email))
        right = await verify_password(data.password, found.password_hash if found else None)
        if found is None or not right or not found.is_active:
            raise Unauthenticated("El correo o la contraseña no son correctos.", code="wrong-credentials")
        with_factor = found.totp_enabled_at is not None
        if with_factor and not data.totp:
            raise Unauthenticated("Escriba el código de su segundo factor.", code="totp-required")
        async with (
            counted() if with_factor else nullcontext(),
            self._database.person_transaction(user_id=found.id) as work,
        ):
            user = (
                await work.session.scalars(
                    select(ProviderUser).where(ProviderUser.id == found.id).with_for_update(key_share=True)
                )
            ).one()
            if not user.is_active or user.password_hash != found.password_hash:
                raise Unauthenticated("El correo o la contraseña no son correctos.", code="wrong-credentials")
            if user.totp_enabled_at is not None and not await accept_code(work, user, data.totp or ""):
                raise Unauthenticated("El código no es correcto o ya se usó.", code="totp-invalid")
            now = clock.now()
            session = ProviderSession(
                id=uuid7(),
                user_id=user.id,
                address=device.address,
                agent="".join(letter for letter in device.agent if letter.isprintable())[:300],
                rotated_at=now,
                created_at=now,
                expires_at=now + LONGEST,
            )
            work.session.add(session)
            await work.flush()
            person = Staff(
                id=user.id,
                session_id=session.id,
                name=user.name,
                role=user.role,
                address=device.address,
                request_id=device.request_id,
            )
            await append(work, person, "staff.logged-in", user.id, after={"session": session.id})
        return self._begun(user, session.id, 0)

    async def knows_address(self, email: str, address: str) -> bool:
        """Whether somebody of the staff with this address, if there is one, was seen at this one."""
        email = normalise_email(email)
        async with self._database.person_transaction(login_email=email) as work:
            user_id = await work.session.scalar(select(ProviderUser.id).where(ProviderUser.email_norm == email))
            await work.pin(user_id=user_id or NO_COMPANY)
            known = await work.session.scalar(
                select(ProviderSession.id)
                .where(ProviderSession.user_id == (user_id or NO_COMPANY), ProviderSession.address == address)
                .limit(1)
            )
        return known is not None

    async def refresh(self, token: str) -> StaffSessionOut:
        """Continue a session. Raises 401 for a token that does not count; a copy used late ends its session."""
        named = self._read(token)
        begun: StaffSessionOut | None = None
        if named is not None:
            async with self._database.person_transaction(user_id=named.user_id) as work:
                # Not raised inside: the end of a stolen session must be committed.
                begun = await self._continue(work, named)
        if begun is None:
            raise Unauthenticated(_ENDED, code="invalid-refresh")
        return begun

    async def log_out(self, user_id: UUID, session_id: UUID) -> None:
        """End a session at once."""
        async with self._database.person_transaction(user_id=user_id) as work:
            await end_sessions(work, user_id, session_id)

    async def _continue(self, work: Work, named: _Named) -> StaffSessionOut | None:
        now = clock.now()
        session = await work.session.scalar(
            select(ProviderSession)
            .where(ProviderSession.id == named.session_id, ProviderSession.user_id == named.user_id)
            .with_for_update()
        )
        if session is None or session.revoked_at is not None or session.expires_at <= now:
            return None
        if named.generation == session.generation:
            session.generation, session.rotated_at = session.generation + 1, now
        elif named.generation != session.generation - 1 or now - session.rotated_at > GRACE:
            session.revoked_at = now
            return None
        await work.flush()
        user = await work.session.scalar(
            select(ProviderUser).where(ProviderUser.id == named.user_id, ProviderUser.is_active)
        )
        return None if user is None else self._begun(user, session.id, session.generation)

    def _begun(self, user: ProviderUser, session_id: UUID, generation: int) -> StaffSessionOut:
        return StaffSessionOut(
            access_token=self._tokens.issue(user_id=user.id, tenant_id=NO_COMPANY, session_id=session_id, kind="staff"),
            expires_in=int(LIFETIME.total_seconds()),
            refresh_token=self._write(_Named(user.id, session_id, generation)),
            user=staff_out(user),
        )

    def _write(self, named: _Named) -> str:
        said = named.user_id.bytes + named.session_id.bytes + named.generation.to_bytes(_NUMBER, "big")
        return base64.urlsafe_b64encode(said + hmac.digest(self._key, said, "sha256")).decode().rstrip("=")

    def _read(self, token: str) -> _Named | None:
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return None
        said, seal = raw[: 32 + _NUMBER], raw[32 + _NUMBER :]
        if len(raw) != _LENGTH or not hmac.compare_digest(seal, hmac.digest(self._key, said, "sha256")):
            return None
        return _Named(UUID(bytes=said[:16]), UUID(bytes=said[16:32]), int.from_bytes(said[32:], "big"))


async def end_sessions(work: Work, user_id: UUID, session_id: UUID | None = None, *, but: UUID | None = None) -> None:
    """End one session of somebody of the staff, or all, or all but one, in a transaction pinned to them."""
    statement = update(ProviderSession).where(ProviderSession.user_id == user_id, ProviderSession.revoked_at.is_(None))
    if session_id is not None:
        statement = statement.where(ProviderSession.id == session_id)
    if but is not None:
        statement = statement.where(ProviderSession.id != but)
    await work.session.execute(statement.values(revoked_at=clock.now()).execution_options(synchronize_session=False))


def staff_out(user: ProviderUser) -> StaffOut:
    return StaffOut(
        id=user.id,
        email=user.email,
        name=user.name,
        role=msgspec.convert(user.role, StaffRole),
        active=user.is_active,
        totp_enabled=user.totp_enabled_at is not None,
        password_change_required=user.password_change_required,
        created_at=user.created_at,
    )
