"""Secrets of endpoints: made, sealed at rest, and what they sign, as Standard Webhooks 1.0 has it.

The key is what follows `whsec_`, in base64. During a rotation both secrets sign, and the header carries both signatures.
"""

import base64
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from app.integrations.webhook import signing
from app.lib.sealing import Sealer
from app.settings import Settings

_PREFIX: Final = "whsec_"
_BYTES: Final = 32


class SecretVault:
    """Seals an endpoint's secret for its company and endpoint."""

    def __init__(self, settings: Settings) -> None:
        self._sealer = Sealer(settings.secret_key, "webhook-secret", settings.former_secret_keys)

    def seal(self, tenant_id: UUID, endpoint_id: UUID, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), tenant_id.bytes + endpoint_id.bytes)

    def open(self, tenant_id: UUID, endpoint_id: UUID, sealed: bytes) -> str:
        """The secret. Raises `SealBroken`."""
        return self._sealer.open(sealed, tenant_id.bytes + endpoint_id.bytes).decode()

    def renewed(self, tenant_id: UUID, endpoint_id: UUID, sealed: bytes) -> bytes | None:
        """The same under the installation's current key; None when it is already. Raises `SealBroken`."""
        if self._sealer.is_current(sealed):
            return None
        return self._sealer.renew(sealed, tenant_id.bytes + endpoint_id.bytes)


def new_secret() -> str:
    """A secret as its owner is shown it."""
    return _PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()


def signed_headers(secrets: Sequence[str], event_id: UUID, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a delivery; the id is the event's, the same at every try."""
    keys = [base64.b64decode(secret.removeprefix(_PREFIX)) for secret in secrets]
    return signing.signed_headers(keys, str(event_id), int(at.timestamp()), body)
