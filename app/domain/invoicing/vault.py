"""The secrets of issuing, sealed in the database: PIN of the software, technical keys of ranges, the certificate.

Each is bound to its company and to what it is for; `app.lib.sealing` says how.
"""

from typing import Final
from uuid import UUID

import msgspec

from app.lib.errors import Unavailable
from app.lib.sealing import SealBroken, Sealer
from app.settings import Settings

_KEPT: Final = 4_096
"""Opened texts that are remembered: a sale asks for the same ones each time."""


class CertificateFile(msgspec.Struct, frozen=True):
    """A .p12 and what opens it."""

    p12: bytes
    password: str

    def __repr__(self) -> str:
        return "CertificateFile(…)"


class SecretsUnreadable(Unavailable):
    """A secret was sealed with a key that the installation lost; its owner writes it again.

    Not the fault of who sells: a till that keeps its tickets sends them again when it is mended.
    """

    code = "dian-secrets-unreadable"


PIN_AGAIN: Final = "El PIN del software guardado no se puede abrir: escríbalo otra vez."
KEY_AGAIN: Final = "La clave técnica de la numeración {prefix} no se puede abrir: impórtela o escríbala otra vez."
CERTIFICATE_AGAIN: Final = "El certificado guardado no se puede abrir: instálelo otra vez."


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

    def open_or_say(self, tenant_id: UUID, sealed: bytes, detail: str) -> str:
        """The text, for somebody who waits. Raises `SecretsUnreadable` with this sentence."""
        try:
            return self.open(tenant_id, sealed)
        except SealBroken as error:
            raise SecretsUnreadable(detail) from error

    def seal_certificate(self, tenant_id: UUID, file: CertificateFile) -> bytes:
        return self._certificates.seal(msgspec.json.encode(file), tenant_id.bytes)

    def open_certificate(self, tenant_id: UUID, sealed: bytes) -> CertificateFile:
        """Raises `SealBroken`."""
        return msgspec.json.decode(self._certificates.open(sealed, tenant_id.bytes), type=CertificateFile)

    def opens_certificate(self, tenant_id: UUID, sealed: bytes) -> bool:
        """Whether `open_certificate` would answer."""
        try:
            self.open_certificate(tenant_id, sealed)
        except SealBroken:
            return False
        return True

    def renewed(self, tenant_id: UUID, sealed: bytes, *, certificate: bool = False) -> bytes | None:
        """The same secret under the installation's current key; None when it is already. Raises `SealBroken`."""
        sealer = self._certificates if certificate else self._texts
        return None if sealer.is_current(sealed) else sealer.renew(sealed, tenant_id.bytes)
