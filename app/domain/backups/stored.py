"""An archive in a store: written once, read back whole before it counts, with its manifest beside it in clear.

Beside `NAME.mbk` lies `NAME.mbk.json`: the manifest, what the object must be, and the archive's key as it is wrapped now,
under a proof made with that key. Rotating keys rewrites this file alone; the archive by itself opens with the key of its day.
"""

import base64
import binascii
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from typing import Final, Generic, TypeVar
from uuid import UUID

import msgspec

from app.domain.backups.keys import BackupKeys, mac
from app.domain.backups.sealed import ArchiveBroken, Header, Manifest, Opening, Sealing, encode_header
from app.integrations.storage.store import ObjectMissing, Storage, Writer
from app.settings import Settings

SUFFIX: Final = ".mbk"
BESIDE: Final = ".json"

_Manifest = TypeVar("_Manifest", bound=Manifest)

Sink = Callable[[bytes], Awaitable[None]]
"""Takes content piece by piece."""


class Beside(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The file beside an archive."""

    id: UUID
    manifest: str
    """JSON, exactly as it stands in the archive."""
    object_bytes: int
    object_sha256: str
    wrapped_key: str
    """Base64."""
    mac: str

    def proven(self) -> bytes:
        """What the proof is over: everything but the wrapping, which changes."""
        return msgspec.json.encode([str(self.id), self.manifest, self.object_bytes, self.object_sha256])


class Read(msgspec.Struct, Generic[_Manifest], frozen=True, kw_only=True):
    """What an archive turned out to be."""

    header: Header
    manifest: _Manifest
    object_bytes: int
    object_sha256: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Read({self.header.id})"


class Sealer:
    """An archive on its way into a store: content in, chunks out."""

    def __init__(self, keys: BackupKeys, header_of: Callable[[str], Header], archive_id: UUID) -> None:
        key, wrapped = keys.make(archive_id)
        self._key = key
        self._wrapped = base64.b64encode(wrapped).decode()
        self.header = header_of(self._wrapped)
        self._sealing = Sealing(self.header, key)
        self._hash = sha256()
        self._manifest = b""
        self.object_bytes = 0

    @property
    def content_bytes(self) -> int:
        return self._sealing.content_bytes

    @property
    def content_sha256(self) -> str:
        return self._sealing.content_sha256

    async def begin(self, writer: Writer) -> None:
        await self._write(writer, self._sealing.begin())

    async def add(self, writer: Writer, content: bytes) -> None:
        """Raises `StorageFailed`."""
        for chunk in self._sealing.add(content):
            await self._write(writer, chunk)

    async def finish(self, writer: Writer, manifest: Manifest) -> None:
        """Raises `StorageFailed`."""
        self._manifest = msgspec.json.encode(manifest)
        for chunk in self._sealing.finish(self._manifest):
            await self._write(writer, chunk)

    def beside(self) -> bytes:
        """The file beside it, once it is finished."""
        beside = Beside(
            id=self.header.id,
            manifest=self._manifest.decode(),
            object_bytes=self.object_bytes,
            object_sha256=self._hash.hexdigest(),
            wrapped_key=self._wrapped,
            mac="",
        )
        return msgspec.json.encode(msgspec.structs.replace(beside, mac=mac(self._key, beside.proven())))

    async def _write(self, writer: Writer, piece: bytes) -> None:
        self._hash.update(piece)
        self.object_bytes += len(piece)
        await writer.write(piece)


async def read_archive(
    storage: Storage,
    name: str,
    keys: BackupKeys,
    kind: type[_Manifest],
    sink: Sink | None = None,
    *,
    wanted: UUID | None = None,
) -> Read[_Manifest]:
    """Read an archive to its end, every chunk and hash of it; `sink` gets the content on the way, before the end is known.

    `wanted` says which archive it must be.

    Raises `ArchiveBroken` for one that is not what was written, `StorageFailed`.
    """
    beside = await read_beside(storage, name)
    opening = Opening(keys, None if beside is None else _wrapped(beside), wanted)
    whole, size = sha256(), 0
    async for raw in storage.read(name):
        whole.update(raw)
        size += len(raw)
        for content in opening.feed(raw):
            if sink is not None:
                await sink(content)
    for content in opening.finish():
        if sink is not None:
            await sink(content)
    manifest = opening.manifest(kind)
    if beside is not None:
        _compare(beside, opening, size, whole.hexdigest())
    return Read(
        header=opening.header,
        manifest=manifest,
        object_bytes=size,
        object_sha256=whole.digest(),
        key=opening.key,
    )


async def read_beside(storage: Storage, name: str) -> Beside | None:
    """The file beside an archive; None where there is none. Raises `ArchiveBroken` for one that does not read."""
    try:
        return msgspec.json.decode(await storage.get(name + BESIDE), type=Beside)
    except ObjectMissing:
        return None
    except msgspec.MsgspecError as error:
        raise ArchiveBroken(f"the manifest beside the archive does not read: {error}") from error


async def rewrap(storage: Storage, name: str, keys: BackupKeys) -> bool:
    """Wrap an archive's key under the current key of the installation; answers whether it was not already.

    Raises `ArchiveBroken`, `SealBroken`, `StorageFailed`.
    """
    beside = await read_beside(storage, name)
    if beside is None:
        raise ArchiveBroken(f"{name} has no manifest beside it")
    wrapped = _wrapped(beside)
    renewed = keys.renewed(beside.id, wrapped)
    _prove(beside, keys.open(beside.id, wrapped))
    if renewed is None:
        return False
    changed = msgspec.structs.replace(beside, wrapped_key=base64.b64encode(renewed).decode())
    await storage.put(name + BESIDE, msgspec.json.encode(changed))
    return True


async def fetch(storage: Storage, name: str, keys: BackupKeys, sink: Sink, kind: type[Manifest]) -> None:
    """Copy an archive out so that it opens alone with the current key: its header names the key as wrapped now.

    Raises `ArchiveBroken`, `StorageFailed`.
    """
    read = await read_archive(storage, name, keys, kind)
    beside = await read_beside(storage, name)
    header = read.header if beside is None else msgspec.structs.replace(read.header, wrapped_key=beside.wrapped_key)
    skip, begun = len(encode_header(read.header)), False
    async for raw in storage.read(name):
        piece = raw
        if not begun:
            begun = True
            await sink(encode_header(header))
        if skip:
            piece, skip = raw[skip:], max(0, skip - len(raw))
        await sink(piece)


def _compare(beside: Beside, opening: Opening, size: int, digest: str) -> None:
    _prove(beside, opening.key)
    if beside.id != opening.header.id or beside.manifest.encode() != opening.manifest_json:
        raise ArchiveBroken("the manifest beside the archive is not the archive's")
    if beside.object_bytes != size or beside.object_sha256 != digest:
        raise ArchiveBroken("the object is not the one that was written")


def _prove(beside: Beside, key: bytes) -> None:
    if not hmac.compare_digest(beside.mac, mac(key, beside.proven())):
        raise ArchiveBroken("the manifest beside the archive was changed")


def _wrapped(beside: Beside) -> bytes:
    try:
        return base64.b64decode(beside.wrapped_key, validate=True)
    except binascii.Error as error:
        raise ArchiveBroken("the manifest beside the archive does not read: its key is no base64") from error


async def content_of(settings: Settings, name: str, wanted: UUID) -> AsyncIterator[bytes]:
    """The content of an archive in clear, as it is read: no piece that does not open is ever passed on.

    Raises `ArchiveBroken`, `StorageFailed`; in the middle, the reader gets no end.
    """
    storage, keys = Storage(settings.backup_storage_url, settings.backup_storage_options), BackupKeys.of(settings)
    beside = await read_beside(storage, name)
    opening = Opening(keys, None if beside is None else _wrapped(beside), wanted)
    async for raw in storage.read(name):
        for content in opening.feed(raw):
            yield content
    for content in opening.finish():
        yield content
