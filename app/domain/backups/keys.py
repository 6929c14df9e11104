"""Keys of archives: a new one each, wrapped under a key of the installation, so that rotating rewrites no archive."""

import hmac
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.lib.sealing import SealBroken, Sealer
from app.settings import Settings

_BITS: Final = 256


class BackupKeys:
    """Makes and opens the keys of archives. Under `BACKUP_KEY`, or `SECRET_KEY` where there is none."""

    def __init__(self, key: bytes, former: tuple[bytes, ...] = ()) -> None:
        self._sealer = Sealer(key, "backup", former)

    @classmethod
    def of(cls, settings: Settings) -> "BackupKeys":
        if settings.backup_key is None:
            return cls(settings.secret_key, settings.former_secret_keys)
        return cls(
            settings.backup_key, (*settings.former_backup_keys, settings.secret_key, *settings.former_secret_keys)
        )

    def make(self, archive_id: UUID) -> tuple[bytes, bytes]:
        """A new key, and the same wrapped for its archive."""
        key = AESGCM.generate_key(_BITS)
        return key, self._sealer.seal(key, archive_id.bytes)

    def open(self, archive_id: UUID, wrapped: bytes) -> bytes:
        """The archive's key. Raises `SealBroken` for one wrapped by a key that we do not have, or for another archive."""
        return self._sealer.open(wrapped, archive_id.bytes)

    def renewed(self, archive_id: UUID, wrapped: bytes) -> bytes | None:
        """The same key wrapped under the current one; None when it is already. Raises `SealBroken`."""
        return None if self._sealer.is_current(wrapped) else self._sealer.renew(wrapped, archive_id.bytes)


def mac(key: bytes, text: bytes) -> str:
    """Proof, in hexadecimal, that whoever wrote a text had the archive's key."""
    return hmac.digest(hmac.digest(key, b"mostrador backup manifest", "sha256"), text, "sha256").hex()


__all__ = ["BackupKeys", "SealBroken", "mac"]
