"""Access tokens: short, signed with Ed25519, checked in process.

Refresh tokens are the accounts domain's; what must be immediate (deactivation, logout) is read from the database with
the first statement of a request, so this cache can only say who someone claims to be.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from uuid_utils.compat import uuid7

from app.lib import clock
from app.lib.errors import Unauthenticated

LIFETIME: Final = timedelta(minutes=10)
_ISSUER: Final = "mostrador"

Kind = Literal["access", "support", "staff"]
"""Whose token it is: a member's of a company, the operator's support's for one company, the operator's staff's."""

_MARKS: Final[dict[Kind, tuple[str, str]]] = {
    "access": ("mostrador-api", "access"),
    "support": ("mostrador-api", "support"),
    "staff": ("mostrador-provider", "access"),
}
"""Audience and type of each: none is taken for another."""
_KINDS: Final[dict[tuple[str, str], Kind]] = {marks: kind for kind, marks in _MARKS.items()}
NO_COMPANY: Final = UUID(int=0)
"""The company of a token of the operator's staff."""
_CACHED: Final = 4096
"""Tokens remembered per process; the oldest goes first."""


class Claims(msgspec.Struct, frozen=True):
    """Who a token says is calling, and until when."""

    user_id: UUID
    tenant_id: UUID
    session_id: UUID
    expires_at: float
    """Unix seconds."""
    kind: Kind = "access"

    @property
    def is_support(self) -> bool:
        return self.kind == "support"


class AccessTokens:
    """Issues and checks access tokens with one key; the key id lets another be added before this one goes."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key()
        self._kid = sha256(self._public.public_bytes_raw()).hexdigest()[:16]
        self._known: dict[str, Claims] = {}

    def issue(
        self,
        *,
        user_id: UUID,
        tenant_id: UUID,
        session_id: UUID,
        at: datetime | None = None,
        kind: Kind = "access",
        until: datetime | None = None,
    ) -> str:
        """A token for ten minutes, or less where it must end before."""
        now = at or clock.now()
        audience, written = _MARKS[kind]
        ends = min(now + LIFETIME, until or now + LIFETIME)
        return jwt.encode(
            {
                "iss": _ISSUER,
                "aud": audience,
                "typ": written,
                "sub": str(user_id),
                "tid": str(tenant_id),
                "sid": str(session_id),
                "jti": str(uuid7()),
                "iat": int(now.timestamp()),
                "exp": int(ends.timestamp()),
            },
            self._private,
            algorithm="EdDSA",
            headers={"kid": self._kid},
        )

    def read(self, token: str, *kinds: Kind) -> Claims:
        """Check a token of these kinds, or else of a member's. Raises `Unauthenticated` for anything but a valid, current one of ours."""
        claims = self._known.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._known) >= _CACHED:
                self._known.pop(next(iter(self._known)))
            self._known[token] = claims
        if claims.kind not in (kinds or ("access",)):
            raise Unauthenticated("Este token no es para esta parte del sistema.", code="wrong-token")
        if claims.expires_at <= clock.now().timestamp():
            self._known.pop(token, None)
            raise Unauthenticated("Su sesión venció; renuévela o inicie sesión de nuevo.", code="token-expired")
        return claims

    def _verify(self, token: str) -> Claims:
        try:
            body = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                issuer=_ISSUER,
                audience=[audience for audience, _ in _MARKS.values()],
                options={"require": ["exp", "iat", "sub", "jti"], "verify_exp": False, "verify_iat": False},
            )
            kind = _KINDS.get((str(body["aud"]), str(body.get("typ"))))
            if kind is None:
                raise Unauthenticated("El token no es de acceso.")
            return Claims(
                user_id=UUID(body["sub"]),
                tenant_id=UUID(body["tid"]),
                session_id=UUID(body["sid"]),
                expires_at=float(body["exp"]),
                kind=kind,
            )
        except (jwt.InvalidTokenError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise Unauthenticated("El token no es válido; inicie sesión de nuevo.") from error
