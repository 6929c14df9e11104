"""Secrets at rest under envelope encryption: AES-256-GCM with a key per value, itself sealed under a key of the installation.

Layout of a sealed value: version (1 byte) ‖ id of the sealing key (8) ‖ nonce (12) ‖ sealed value key (48) ‖ nonce (12) ‖
ciphertext and tag. The purpose and the owner are bound to it: a value moved to another row does not open.
Changing the installation's key re-seals only the 48 bytes of the value key, never the value.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = 1
_KEY: Final = 32
_ID: Final = 8
_NONCE: Final = 12
_TAG: Final = 16
_WRAPPED: Final = _KEY + _TAG
_HEAD: Final = 1 + _ID
_BODY: Final = _HEAD + _NONCE + _WRAPPED
"""Where the value's own nonce begins."""


class SealBroken(Exception):
    """The value was not sealed by us, for this purpose and owner, or was changed."""


class Sealer:
    """Seals values for one purpose. New ones under `secret`; those of a former secret still open."""

    def __init__(self, secret: bytes, purpose: str, former: Sequence[bytes] = ()) -> None:
        self._purpose = purpose.encode()
        keys = [self._derive(root) for root in (secret, *former)]
        self._current = _key_id(keys[0])
        self._keys = {_key_id(key): AESGCM(key) for key in reversed(keys)}

    def seal(self, value: bytes, owner: bytes) -> bytes:
        """Encrypt a value for its owner, such as the id of a row."""
        own_key = AESGCM.generate_key(8 * _KEY)
        nonce = os.urandom(_NONCE)
        return self._wrap(own_key, owner) + nonce + AESGCM(own_key).encrypt(nonce, value, self._bound(owner))

    def open(self, sealed: bytes, owner: bytes) -> bytes:
        """The value. Raises `SealBroken`."""
        own_key = self._unwrap(sealed, owner)
        nonce, encrypted = sealed[_BODY : _BODY + _NONCE], sealed[_BODY + _NONCE :]
        try:
            return AESGCM(own_key).decrypt(nonce, encrypted, self._bound(owner))
        except InvalidTag as error:
            raise SealBroken("the value does not open") from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value needs no `renew`."""
        return sealed[1:_HEAD] == self._current

    def renew(self, sealed: bytes, owner: bytes) -> bytes:
        """The same value under the current key of the installation. Raises `SealBroken`."""
        return self._wrap(self._unwrap(sealed, owner), owner) + sealed[_BODY:]

    def _wrap(self, own_key: bytes, owner: bytes) -> bytes:
        head, nonce = bytes([_VERSION]) + self._current, os.urandom(_NONCE)
        return head + nonce + self._keys[self._current].encrypt(nonce, own_key, head + self._bound(owner))

    def _unwrap(self, sealed: bytes, owner: bytes) -> bytes:
        if len(sealed) < _BODY + _NONCE + _TAG or sealed[0] != _VERSION:
            raise SealBroken("this is no sealed value of a known version")
        head, nonce, wrapped = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE : _BODY]
        key = self._keys.get(head[1:])
        if key is None:
            raise SealBroken("sealed under a key that this installation does not have")
        try:
            return key.decrypt(nonce, wrapped, head + self._bound(owner))
        except InvalidTag as error:
            raise SealBroken("the key of the value does not open") from error

    def _bound(self, owner: bytes) -> bytes:
        return len(self._purpose).to_bytes(2, "big") + self._purpose + owner

    def _derive(self, root: bytes) -> bytes:
        return HKDF(SHA256(), _KEY, salt=None, info=b"mostrador sealing " + self._purpose).derive(root)


def _key_id(key: bytes) -> bytes:
    return sha256(b"id" + key).digest()[:_ID]
