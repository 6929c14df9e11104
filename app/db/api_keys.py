"""API keys at the door: which company and key a bearer names, and whether its secret is the right one.

What a key may do, and that it was revoked, is read with the first statement of each request like any session's: a key
has a row of `auth_session` under its own id. Only the secret is checked here, once in five minutes per process.
"""

import base64
import binascii
import secrets
import time
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Database
from app.lib import clock
from app.lib.errors import Unauthenticated
from app.lib.ratelimit import RateLimits
from app.lib.tokens import Claims

PREFIX: Final = "msk_"
_ID_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_LOOK_AGAIN: Final = 300.0
"""Seconds a right secret is remembered; also how exact `last_used_at` is."""
_REMEMBERED: Final = 1024

_USE = text(
    "UPDATE api_key SET last_used_at = :now WHERE tenant_id = :tenant_id AND id = :id AND secret_hash = :secret_hash "
    "AND revoked_at IS NULL RETURNING user_id, expires_at"
)


class KeyParts(msgspec.Struct, frozen=True):
    """What a key's text says."""

    tenant_id: UUID
    key_id: UUID
    secret: bytes

    @property
    def text(self) -> str:
        raw = self.tenant_id.bytes + self.key_id.bytes + self.secret
        return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @property
    def secret_hash(self) -> bytes:
        """What is stored of a key: 256 random bits need no slow hash."""
        return sha256(self.secret).digest()


def new_key(tenant_id: UUID, key_id: UUID) -> KeyParts:
    """A key with a fresh secret."""
    return KeyParts(tenant_id, key_id, secrets.token_bytes(_SECRET_BYTES))


def read_key(token: str) -> KeyParts | None:
    """Take a key apart; None for another shape."""
    body = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 2 * _ID_BYTES + _SECRET_BYTES:
        return None
    return KeyParts(UUID(bytes=raw[:_ID_BYTES]), UUID(bytes=raw[_ID_BYTES : 2 * _ID_BYTES]), raw[2 * _ID_BYTES :])


class ApiKeys:
    """Checks the secrets of keys for one process."""

    def __init__(self, database: Database, limits: RateLimits) -> None:
        self._database = database
        self._limits = limits
        self._known: dict[str, tuple[Claims, float]] = {}

    async def read(self, token: str, address: str) -> Claims:
        """Check a key. Raises `Unauthenticated` for anything but a current key of ours, 429 for too many attempts."""
        claims, checked_at = self._known.get(token, (None, 0.0))
        if claims is None or time.monotonic() - checked_at > _LOOK_AGAIN:
            self._known.pop(token, None)
            claims = await self._look_up(token, address)
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[token] = (claims, time.monotonic())
        if claims.expires_at <= clock.now().timestamp():
            self._known.pop(token, None)
            raise Unauthenticated("La llave de API venció.", code="key-expired")
        return claims

    async def _look_up(self, token: str, address: str) -> Claims:
        await self._limits.count_key_check(address)
        parts = read_key(token)
        row = None
        if parts is not None:
            async with self._database.person_transaction() as work:
                await work.pin(tenant_id=parts.tenant_id)
                found = await work.session.execute(
                    _USE,
                    {
                        "now": clock.now(),
                        "tenant_id": parts.tenant_id,
                        "id": parts.key_id,
                        "secret_hash": parts.secret_hash,
                    },
                )
                row = found.one_or_none()
        if parts is None or row is None:
            raise Unauthenticated("La llave de API no es válida o fue revocada.", code="invalid-key")
        return Claims(
            user_id=row.user_id,
            tenant_id=parts.tenant_id,
            session_id=parts.key_id,
            expires_at=row.expires_at.timestamp() if row.expires_at is not None else float("inf"),
        )
