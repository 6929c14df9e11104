"""Links to photos that need no login and end by themselves.

The signature is an HMAC over company, photo and end, under a key derived from SECRET_KEY: who has one link has that photo
until it ends, and can make no other.
"""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.settings import Settings

_STEP: Final = timedelta(hours=1)
"""Ends lie on full hours, so that a link stays the same, and cached, within one; each lasts one to two of them."""
_SIGNATURE: Final = 22
"""Letters: 128 bits in base64."""


class PhotoLinks:
    """Makes links and checks them."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.public_url
        self._keys = [
            hmac.digest(secret, b"photo-links", "sha256")
            for secret in (settings.secret_key, *settings.former_secret_keys)
        ]

    def make(self, tenant_id: UUID, photo_id: UUID, now: datetime) -> tuple[str, datetime]:
        """A link and when it ends."""
        step = int(_STEP.total_seconds())
        end = (int(now.timestamp()) // step + 2) * step
        path = f"/v1/public/photos/{tenant_id}/{photo_id}"
        signature = self._sign(self._keys[0], tenant_id, photo_id, end)
        return f"{self._base}{path}?expires={end}&signature={signature}", datetime.fromtimestamp(end, UTC)

    def holds(self, tenant_id: UUID, photo_id: UUID, expires: int, signature: str, now: datetime) -> bool:
        """Whether we made this link and it has not ended."""
        given = signature.encode("utf-8", "replace")
        known = [self._sign(key, tenant_id, photo_id, expires).encode() for key in self._keys]
        return any(hmac.compare_digest(given, one) for one in known) and expires > now.timestamp()

    def _sign(self, key: bytes, tenant_id: UUID, photo_id: UUID, end: int) -> str:
        said = b"photo\0" + tenant_id.bytes + photo_id.bytes + str(end).encode()
        return base64.urlsafe_b64encode(hmac.digest(key, said, "sha256")).decode()[:_SIGNATURE]
