"""The secrets of issuing, sealed in the database: PIN of the software, technical keys of ranges, the certificate.

Each is bound to its company and to what it is for; `app.lib.sealing` says how.
"""

from typing import Final
from uuid import UUID

import msgspec

from app.lib.sealing import Sealer
from app.settings import Settings

_KEPT: Final = 4_096
"""Opened texts that are remembered: a sale asks for the same ones each time."""


class CertificateFile(msgspec.Struct, frozen=True):
    """A .p12 and what opens it."""

    p12: bytes
    password: str

    def __repr__(self) -> str:
        return "CertificateFile(…)"


class Vault:
    """Seals and opens."""

    def __init__(self, settings: Settings) -> None:
        self._texts = Sealer(settings.secret_key, "dian-text", settings.former_secret_keys)
        self._certificates = Sealer(settings.secret_key, "dian-certificate", settings.former_secret_keys)
        self._opened: dict[tuple[UUID, bytes], str] = {}

    def seal(self, tenant_id: UUID, text: str) -> bytes:
        """Seal a PIN or a technical key."""
        return self._texts.seal(text.encode(), tenant_id.bytes)

    def open(self, tenant_id: UUID, sealed: bytes) -> str:
        """The text. Raises `SealBroken`."""
        known = self._opened.get((tenant_id, sealed))
        if known is None:
            known = self._texts.open(sealed, tenant_id.bytes).decode()
            if len(self._opened) >= _KEPT:
                self._opened.clear()
            self._opened[tenant_id, sealed] = known
        return known

    def seal_certificate(self, tenant_id: UUID, file: CertificateFile) -> bytes:
        return self._certificates.seal(msgspec.json.encode(file), tenant_id.bytes)

    def open_certificate(self, tenant_id: UUID, sealed: bytes) -> CertificateFile:
        """Raises `SealBroken`."""
        return msgspec.json.decode(self._certificates.open(sealed, tenant_id.bytes), type=CertificateFile)

    def renewed(self, tenant_id: UUID, sealed: bytes, *, certificate: bool = False) -> bytes | None:
        """The same secret under the installation's current key; None when it is already. Raises `SealBroken`."""
        sealer = self._certificates if certificate else self._texts
        return None if sealer.is_current(sealed) else sealer.renew(sealed, tenant_id.bytes)
