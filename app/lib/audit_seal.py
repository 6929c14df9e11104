"""Signatures over heads and archives of the trail: Ed25519, so that whoever holds the public key can check them alone."""

import hmac
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.lib.schemas import canonical

_CONTEXT: Final = b"mostrador audit\0"
"""What is signed here is never taken for anything else that is signed."""


class AuditSeal:
    """Signs with a key derived from `SECRET_KEY`."""

    def __init__(self, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hmac.digest(secret, b"audit-seal", "sha256"))
        self.public_key = self._private.public_key().public_bytes_raw()

    def sign(self, statement: object) -> bytes:
        """Signature over a statement's canonical JSON."""
        return self._private.sign(_CONTEXT + canonical(statement))

    def holds(self, statement: object, signature: bytes) -> bool:
        """Whether we signed it."""
        return holds(self.public_key, canonical(statement), signature)

    def holds_text(self, text: str, signature: bytes) -> bool:
        """The same for canonical JSON that was kept as text."""
        return holds(self.public_key, text.encode(), signature)


def holds(public_key: bytes, statement: bytes, signature: bytes) -> bool:
    """Whether the holder of a public key signed this canonical JSON."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _CONTEXT + statement)
    except (InvalidSignature, ValueError):
        return False
    return True
