"""Sessions of people: opaque refresh tokens that rotate, and what happens when one is used twice."""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.models import AuthSession, RefreshToken
from app.lib import clock

LIFETIME: Final = timedelta(days=30)
"""Of a refresh token; each use starts it anew."""
GRACE: Final = timedelta(seconds=10)
"""How long a used token still answers its successor: the answer may have been lost."""
_ID_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_NONE: Final = UUID(int=0)


class Begun(msgspec.Struct, frozen=True):
    """A session and the refresh token that continues it."""

    session_id: UUID
    tenant_id: UUID
    refresh_token: str


class Sessions:
    """Begins, continues and ends sessions within a transaction pinned to their person."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._key = hmac.digest(work.database.settings.secret_key, b"refresh", "sha256")

    async def begin(self, user_id: UUID, tenant_id: UUID, address: str, agent: str) -> Begun:
        """A new login on a device."""
        now = clock.now()
        session = AuthSession(
            id=uuid7(),
            user_id=user_id,
            tenant_id=tenant_id,
            address=address,
            agent=_printable(agent),
            created_at=now,
            last_seen_at=now,
            expires_at=now + LIFETIME,
        )
        self._work.session.add(session)
        await self._work.flush()
        token = write_token(user_id, hmac.digest(self._key, session.id.bytes, "sha256"))
        await self._store(token, session.id, user_id, now)
        return Begun(session.id, tenant_id, token)

    async def continue_with(self, token: str, address: str, agent: str) -> Begun | None:
        """Rotate: the successor of a token, or None when it does not count. Notes when and where the session was seen.

        A token used more than ten seconds ago is a copy in wrong hands: the session it belongs to ends. The
        successor is derived from the token with our key, so a repeated call within the grace answers the same one.
        """
        now = clock.now()
        found = (
            await self._work.session.execute(
                select(RefreshToken, AuthSession)
                .join(AuthSession, AuthSession.id == RefreshToken.session_id)
                .where(RefreshToken.token_hash == _hash(token))
                .with_for_update(of=RefreshToken)
            )
        ).one_or_none()
        if found is None:
            return None
        row, session = found
        if session.revoked_at is not None or row.expires_at <= now:
            return None
        user_id, _ = read_token(token) or (row.user_id, b"")
        successor = write_token(user_id, hmac.digest(self._key, token.encode(), "sha256"))
        if row.used_at is None:
            row.used_at = now
            session.last_seen_at, session.expires_at = now, now + LIFETIME
            session.address, session.agent = address, _printable(agent)
            await self._store(successor, session.id, user_id, now)
        elif now - row.used_at > GRACE:
            await self.end(session.id, user_id)
            return None
        return Begun(session.id, session.tenant_id, successor)

    async def end(self, session_id: UUID, user_id: UUID) -> None:
        """End a session; its access tokens stop with the next request."""
        await self._work.session.execute(
            update(AuthSession)
            .where(AuthSession.id == session_id, AuthSession.user_id == user_id, AuthSession.revoked_at.is_(None))
            .values(revoked_at=clock.now())
        )

    async def end_all(self, user_id: UUID, but: UUID | None = None) -> int:
        """End all sessions of a person, or all but one, and no API key; answers how many."""
        ended = await self._work.session.scalars(
            update(AuthSession)
            .where(
                AuthSession.user_id == user_id,
                AuthSession.key_name.is_(None),
                AuthSession.revoked_at.is_(None),
                AuthSession.id != (but or _NONE),
            )
            .values(revoked_at=clock.now())
            .returning(AuthSession.id)
        )
        return len(ended.all())

    async def find_live(self, session_id: UUID, user_id: UUID) -> AuthSession | None:
        """A session of the person that has not ended."""
        found: AuthSession | None = await self._work.session.scalar(
            select(AuthSession).where(AuthSession.id == session_id, *live_sessions(user_id))
        )
        return found

    async def knows_address(self, user_id: UUID, address: str) -> bool:
        """Whether the person has logged in, or was seen, at this address in the last months."""
        return bool(
            await self._work.session.scalar(
                select(AuthSession.id)
                .where(AuthSession.user_id == user_id, AuthSession.scopes.is_(None), AuthSession.address == address)
                .limit(1)
            )
        )

    async def _store(self, token: str, session_id: UUID, user_id: UUID, now: datetime) -> None:
        self._work.session.add(
            RefreshToken(
                id=uuid7(),
                session_id=session_id,
                user_id=user_id,
                token_hash=_hash(token),
                issued_at=now,
                expires_at=now + LIFETIME,
            )
        )
        await self._work.flush()


def live_sessions(user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """What is true of a person's sessions that have not ended. Those of API keys are the company's, ended with the key."""
    return (
        AuthSession.user_id == user_id,
        AuthSession.key_name.is_(None),
        AuthSession.revoked_at.is_(None),
        AuthSession.expires_at > clock.now(),
    )


def _printable(agent: str) -> str:
    """What a client calls itself, as a person may be shown it."""
    return "".join(letter for letter in agent if letter.isprintable())[:300]


def write_token(user_id: UUID, secret: bytes) -> str:
    """An opaque token that names its person; `read_token` takes it apart."""
    return base64.urlsafe_b64encode(user_id.bytes + secret).decode().rstrip("=")


def read_token(token: str) -> tuple[UUID, bytes] | None:
    """The person a token names, needed to see its row at all, and its secret; None for another shape."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _ID_BYTES + _SECRET_BYTES:
        return None
    return UUID(bytes=raw[:_ID_BYTES]), raw[_ID_BYTES:]


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
