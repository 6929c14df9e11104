"""Second factors: time-based codes (RFC 6238) and recovery codes, each good once."""

import base64
import hmac
import secrets
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import delete, func, insert, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.models import AppUser, RecoveryCode, TotpFactor
from app.lib import clock
from app.lib.errors import Conflict
from app.lib.sealing import Sealer

ISSUER: Final = "Mostrador"
STEP: Final = 30
"""Seconds."""
_DIGITS: Final = 6
SECRET_BYTES: Final = 20
CODES: Final = 10
"""Recovery codes of a set."""
_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""None that is taken for another when read from paper."""
_HALF: Final = 5

ALREADY: Final = Conflict("El segundo factor ya está activo.", code="totp-enabled")
NOT_BEGUN: Final = Conflict("Primero pida el secreto del segundo factor.", code="totp-not-begun")


class Enrolment(msgspec.Struct, frozen=True):
    """What an authenticator needs, until a first code confirms it."""

    secret: str
    """Base32."""
    uri: str
    """`otpauth://…`, as a QR shows it."""


class SecondFactor:
    """The second factor of one person, in a transaction pinned to them."""

    def __init__(self, work: Work, user_id: UUID) -> None:
        settings = work.database.settings
        self._work = work
        self._user_id = user_id
        self._sealer = Sealer(settings.secret_key, "totp", settings.former_secret_keys)
        self._keys = [
            hmac.digest(secret, b"recovery codes", "sha256")
            for secret in (settings.secret_key, *settings.former_secret_keys)
        ]

    async def begin(self, user: AppUser) -> Enrolment:
        """A new secret; replaces one that was never confirmed. Raises 409 `totp-enabled`."""
        if user.totp_enabled_at is not None:
            raise ALREADY
        secret = secrets.token_bytes(SECRET_BYTES)
        await self._work.session.execute(delete(TotpFactor).where(TotpFactor.user_id == self._user_id))
        await self._work.session.execute(
            insert(TotpFactor).values(
                user_id=self._user_id, sealed=self._sealer.seal(secret, self._user_id.bytes), created_at=clock.now()
            )
        )
        uri = totp_of(secret).get_provisioning_uri(user.email, ISSUER)
        return Enrolment(base64.b32encode(secret).decode(), uri)

    async def confirm(self, user: AppUser, code: str) -> list[str] | None:
        """Enable it with a first code; answers recovery codes, or None for a wrong code.

        Raises 409 `totp-enabled` or `totp-not-begun`.
        """
        if user.totp_enabled_at is not None:
            raise ALREADY
        factor = await self._factor()
        if factor is None:
            raise NOT_BEGUN
        if not await self._accept_totp(factor, bare_code(code)):
            return None
        now = clock.now()
        await self._work.session.execute(
            update(TotpFactor).where(TotpFactor.user_id == self._user_id).values(confirmed_at=now)
        )
        user.totp_enabled_at = now
        return await self.new_codes()

    async def accept(self, code: str) -> bool:
        """Whether this is a current code or a recovery code; either counts once."""
        bare = bare_code(code)
        if bare.isascii() and bare.isdigit() and len(bare) == _DIGITS:
            factor = await self._factor()
            return factor is not None and factor.confirmed_at is not None and await self._accept_totp(factor, bare)
        return await self._accept_recovery(bare)

    async def disable(self, user: AppUser) -> None:
        """Forget the secret and its recovery codes."""
        user.totp_enabled_at = None
        for table in (RecoveryCode, TotpFactor):
            await self._work.session.execute(delete(table).where(table.user_id == self._user_id))

    async def new_codes(self) -> list[str]:
        """A new set of recovery codes; the former one ends."""
        codes = ["".join(secrets.choice(_LETTERS) for _ in range(2 * _HALF)) for _ in range(CODES)]
        await self._work.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == self._user_id))
        await self._work.session.execute(
            insert(RecoveryCode),
            [
                {"id": uuid7(), "user_id": self._user_id, "code_hash": self._hashes(code)[0], "created_at": clock.now()}
                for code in codes
            ],
        )
        return [f"{code[:_HALF]}-{code[_HALF:]}" for code in codes]

    async def codes_left(self) -> int:
        """Recovery codes not used yet."""
        count = select(func.count()).where(RecoveryCode.user_id == self._user_id, RecoveryCode.used_at.is_(None))
        return int(await self._work.session.scalar(count) or 0)

    async def _factor(self) -> TotpFactor | None:
        found: TotpFactor | None = await self._work.session.scalar(
            select(TotpFactor).where(TotpFactor.user_id == self._user_id)
        )
        return found

    async def _accept_totp(self, factor: TotpFactor, code: str) -> bool:
        secret = self._sealer.open(factor.sealed, self._user_id.bytes)
        step = step_of(secret, code, int(clock.now().timestamp()) // STEP)
        if step is None:
            return False
        # Guarded: two requests with one code wait for each other here, and the second finds the step taken.
        taken = await self._work.session.scalar(
            update(TotpFactor)
            .where(
                TotpFactor.user_id == self._user_id,
                TotpFactor.sealed == factor.sealed,
                func.coalesce(TotpFactor.last_step, -1) < step,
            )
            .values(last_step=step, sealed=self._renewed(factor.sealed))
            .returning(TotpFactor.user_id)
        )
        return taken is not None

    def _renewed(self, sealed: bytes) -> bytes:
        return sealed if self._sealer.is_current(sealed) else self._sealer.renew(sealed, self._user_id.bytes)

    async def _accept_recovery(self, code: str) -> bool:
        taken = await self._work.session.scalar(
            update(RecoveryCode)
            .where(
                RecoveryCode.user_id == self._user_id,
                RecoveryCode.code_hash.in_(self._hashes(code)),
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=clock.now())
            .returning(RecoveryCode.id)
        )
        return taken is not None

    def _hashes(self, code: str) -> list[bytes]:
        message = self._user_id.bytes + code.upper().encode()
        return [hmac.digest(key, message, "sha256") for key in self._keys]


def totp_of(secret: bytes) -> TOTP:
    """The generator of a secret's codes."""
    # SHA-1 is what every authenticator speaks; HMAC does not rest on the property that SHA-1 lost.
    return TOTP(secret, _DIGITS, SHA1(), STEP)  # noqa: S303


def step_of(secret: bytes, code: str, now: int) -> int | None:
    """The step whose code this is: the current one or a neighbour, since clocks differ."""
    for step in (now, now - 1, now + 1):
        try:
            totp_of(secret).verify(code.encode(), step * STEP)
        except InvalidToken:
            continue
        return step
    return None


def bare_code(code: str) -> str:
    """A code as it is compared: people type blanks and dashes."""
    return "".join(letter for letter in code if letter.isalnum())
