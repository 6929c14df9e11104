"""The file of an archive: a header in clear, then AES-256-GCM chunks of one mebibyte, each bound to its place.

    MOSTRADOR-BACKUP-1 ⏎ ‖ length of the header (4 bytes) ‖ header, JSON ‖ chunk ‖ chunk ‖ …

Nonce of a chunk: its number (8 bytes, from 0) ‖ 000 ‖ 1 for the last one, else 0. The archive's id and kind are bound to
every chunk. A chunk that was changed, moved, left out, or is the last without being marked so does not open.
Inside run frames: kind (1 byte) ‖ length (4) ‖ content; kind 1 is the content, kind 2 the manifest, once, at the end.
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, Literal, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain.backups.keys import BackupKeys, SealBroken

MAGIC: Final = b"MOSTRADOR-BACKUP-1\n"
CHUNK: Final = 1 << 20
TAG: Final = 16
_LONGEST_HEADER: Final = 65_536
_LONGEST_MANIFEST: Final = 64 << 20
_LENGTH: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">BI")
_CONTENT, _MANIFEST = 1, 2

ArchiveKind = Literal["platform", "company"]

_Manifest = TypeVar("_Manifest", bound="Manifest")


class ArchiveBroken(Exception):
    """The archive is not what was written, or this installation may not open it: the message says which."""


class Header(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What stands in clear at the beginning."""

    id: UUID
    kind: ArchiveKind
    created_at: str
    wrapped_key: str
    """Base64; `app.lib.sealing` says how."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What every archive says of itself at its end."""

    format: str
    id: UUID
    created_at: str
    """Of the snapshot, RFC 3339."""
    revision: str
    """Of the tables."""
    content_bytes: int
    content_sha256: str


def encode_header(header: Header) -> bytes:
    raw = msgspec.json.encode(header)
    return MAGIC + _LENGTH.pack(len(raw)) + raw


class Sealing:
    """Seals content piece by piece; what the methods answer is to be written in that order."""

    def __init__(self, header: Header, key: bytes) -> None:
        self._header = header
        self._aead = AESGCM(key)
        self._bound = _bound(header)
        self._buffer = bytearray()
        self._number = 0
        self._hash = sha256()
        self.content_bytes = 0

    @property
    def content_sha256(self) -> str:
        return self._hash.hexdigest()

    def begin(self) -> bytes:
        return encode_header(self._header)

    def add(self, content: bytes) -> Iterator[bytes]:
        """Chunks that are whole now."""
        self._hash.update(content)
        self.content_bytes += len(content)
        yield from self._frame(_CONTENT, content)

    def finish(self, manifest: bytes) -> Iterator[bytes]:
        """The rest, with the manifest in JSON."""
        yield from self._frame(_MANIFEST, manifest)
        yield self._chunk(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _frame(self, kind: int, content: bytes) -> Iterator[bytes]:
        self._buffer += _FRAME.pack(kind, len(content))
        self._buffer += content
        # Strictly more than a chunk: the last one is told by its mark, and is never empty.
        while len(self._buffer) > CHUNK:
            yield self._chunk(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]

    def _chunk(self, content: bytes, *, last: bool) -> bytes:
        sealed = self._aead.encrypt(_nonce(self._number, last=last), content, self._bound)
        self._number += 1
        return sealed


class Opening:
    """Opens an archive piece by piece and answers its content. Every method raises `ArchiveBroken`."""

    def __init__(self, keys: BackupKeys, wrapped: bytes | None = None, wanted: UUID | None = None) -> None:
        """`wrapped`: the archive's key as it was wrapped anew since; by default the header's own is taken.

        `wanted`: the only archive it may be, whatever lies under the name: a store can be made to mix them up.
        """
        self._keys = keys
        self._wanted = wanted
        self._wrapped = wrapped
        self._raw = bytearray()
        self._clear = bytearray()
        self._number = 0
        self._hash = sha256()
        self._content_bytes = 0
        self._manifest: bytes | None = None
        self._aead: AESGCM | None = None
        self._bound = b""
        self._header: Header | None = None
        self.key = b""

    @property
    def header(self) -> Header:
        if self._header is None:
            raise ArchiveBroken("the file ends within its header: it is no archive, or was cut off")
        return self._header

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """Content that is certain now."""
        self._raw += raw
        if self._header is None and not self._read_header():
            return
        while len(self._raw) > CHUNK + TAG:
            self._open(bytes(self._raw[: CHUNK + TAG]), last=False)
            del self._raw[: CHUNK + TAG]
            yield from self._frames()

    def finish(self) -> Iterator[bytes]:
        """The rest of the content; afterwards the manifest may be read."""
        if self._header is None:
            raise ArchiveBroken("the file ends within its header: it is no archive, or was cut off")
        self._open(bytes(self._raw), last=True)
        self._raw.clear()
        yield from self._frames()
        if self._clear or self._manifest is None:
            raise ArchiveBroken("the archive ends without its manifest")

    def manifest(self, kind: type[_Manifest]) -> _Manifest:
        """What the archive says of itself, checked against what was read."""
        try:
            manifest = msgspec.json.decode(self._manifest or b"", type=kind)
        except msgspec.MsgspecError as error:
            raise ArchiveBroken(f"the manifest is not of this format: {error}") from error
        if manifest.id != self.header.id:
            raise ArchiveBroken("the manifest is another archive's")
        same = hmac.compare_digest(manifest.content_sha256, self._hash.hexdigest())
        if not same or manifest.content_bytes != self._content_bytes:
            raise ArchiveBroken("the content is not what the manifest says")
        return manifest

    @property
    def manifest_json(self) -> bytes:
        return self._manifest or b""

    def _read_header(self) -> bool:
        begin = len(MAGIC) + _LENGTH.size
        if len(self._raw) < begin:
            if not MAGIC.startswith(bytes(self._raw[: len(MAGIC)])):
                raise ArchiveBroken("this is no archive of Mostrador")
            return False
        if not self._raw.startswith(MAGIC):
            raise ArchiveBroken("this is no archive of Mostrador")
        (length,) = _LENGTH.unpack(self._raw[len(MAGIC) : begin])
        if length > _LONGEST_HEADER:
            raise ArchiveBroken("the header is too long: the file was changed")
        if len(self._raw) < begin + length:
            return False
        try:
            header = msgspec.json.decode(bytes(self._raw[begin : begin + length]), type=Header)
            wrapped = self._wrapped or base64.b64decode(header.wrapped_key, validate=True)
        except (msgspec.MsgspecError, binascii.Error) as error:
            raise ArchiveBroken(f"the header does not read: {error}") from error
        if self._wanted is not None and header.id != self._wanted:
            raise ArchiveBroken("another archive lies under this name")
        try:
            self.key = self._keys.open(header.id, wrapped)
        except SealBroken as error:
            raise ArchiveBroken(f"this key does not open the archive: {error}") from error
        self._header, self._aead, self._bound = header, AESGCM(self.key), _bound(header)
        del self._raw[: begin + length]
        return True

    def _open(self, sealed: bytes, *, last: bool) -> None:
        assert self._aead is not None
        if len(sealed) < TAG:
            raise ArchiveBroken("the archive was cut off: its last chunk is missing")
        try:
            self._clear += self._aead.decrypt(_nonce(self._number, last=last), sealed, self._bound)
        except InvalidTag as error:
            raise ArchiveBroken(self._why(sealed, last=last)) from error
        self._number += 1

    def _why(self, sealed: bytes, *, last: bool) -> str:
        assert self._aead is not None
        if last:
            try:
                self._aead.decrypt(_nonce(self._number, last=False), sealed, self._bound)
            except InvalidTag:
                return f"chunk {self._number} was changed, moved, or cut off"
            return f"the archive was cut off after chunk {self._number}"
        return f"chunk {self._number} was changed, or is in another's place"

    def _frames(self) -> Iterator[bytes]:
        while len(self._clear) >= _FRAME.size:
            kind, length = _FRAME.unpack(self._clear[: _FRAME.size])
            if self._manifest is not None or kind not in {_CONTENT, _MANIFEST} or length > _LONGEST_MANIFEST:
                raise ArchiveBroken("the frames of the archive are not of this format")
            if len(self._clear) < _FRAME.size + length:
                return
            content = bytes(self._clear[_FRAME.size : _FRAME.size + length])
            del self._clear[: _FRAME.size + length]
            if kind == _MANIFEST:
                self._manifest = content
                continue
            self._hash.update(content)
            self._content_bytes += length
            yield content


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(8, "big") + b"\0\0\0" + (b"\1" if last else b"\0")


def _bound(header: Header) -> bytes:
    return header.id.bytes + header.kind.encode()
