"""Opening a company's archive: everything is checked, every byte of it, before anybody gets a row."""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Final
from uuid import UUID

import msgspec

from app.domain.backups.company.format import (
    FORMAT,
    MANIFEST,
    PEOPLE,
    README,
    CompanyManifest,
    Contents,
    TableFile,
    chain_statement,
    member,
    root_hash,
)
from app.domain.backups.keys import BackupKeys
from app.domain.backups.sealed import ArchiveBroken
from app.domain.backups.stored import read_archive
from app.integrations.storage.store import Storage
from app.lib.audit_seal import AuditSeal

_PIECE: Final = 1 << 20
_LARGEST_MANIFEST: Final = 16 << 20
_ROOMY: Final = 200
"""How many times its ZIP's size an archive may unfold to."""


class Person(msgspec.Struct, frozen=True):
    """Somebody of the company, as the archive names them."""

    id: UUID
    email: str
    name: str


_PERSON: Final = msgspec.json.Decoder(Person)


class CompanyArchive:
    """An archive that was found whole."""

    def __init__(self, zipped: zipfile.ZipFile, contents: Contents) -> None:
        self._zip = zipped
        self.contents = contents

    async def lines(self, table: str) -> AsyncIterator[bytes]:
        """A table's rows, some at a time; pieces end between rows."""
        async for piece in _whole_lines(self._zip, member(table)):
            yield piece

    async def people(self) -> list[Person]:
        found: list[Person] = []
        async for piece in _whole_lines(self._zip, PEOPLE):
            found += [_PERSON.decode(line) for line in piece.splitlines()]
        return found


@asynccontextmanager
async def open_sealed(
    storage: Storage, name: str, keys: BackupKeys, wanted: UUID | None = None
) -> AsyncIterator[CompanyArchive]:
    """An archive of the store, opened and checked; `wanted` says which one it must be. Raises `ArchiveBroken`, `StorageFailed`."""
    # Unlinked before the first byte: nothing of it outlives the block.
    with tempfile.TemporaryFile(prefix="mostrador-") as file:

        async def sink(piece: bytes) -> None:
            file.write(piece)

        read = await read_archive(storage, name, keys, CompanyManifest, sink, wanted=wanted)
        async with _opened(file) as archive:
            if archive.contents != read.manifest.contents:
                raise ArchiveBroken("the ZIP's manifest is not the archive's")
            yield archive


@asynccontextmanager
async def open_plain(path: Path) -> AsyncIterator[CompanyArchive]:
    """A company's own export, a ZIP on this machine, checked. Raises `ArchiveBroken`."""
    with path.open("rb") as file:
        async with _opened(file) as archive:
            yield archive


def is_signed_here(seal: AuditSeal, contents: Contents) -> bool:
    """Whether this installation made it, as it is: a plain ZIP proves nothing by hashes that whoever changed it may count anew."""
    said = chain_statement(contents.tenant_id, contents.chain.seq, contents.chain.hash, contents.root_hash)
    try:
        return seal.holds(said, bytes.fromhex(contents.chain.signature))
    except ValueError:
        return False


@asynccontextmanager
async def _opened(file: IO[bytes]) -> AsyncIterator[CompanyArchive]:
    try:
        zipped = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ArchiveBroken(f"the ZIP does not open: {error}") from error
    with zipped:
        try:
            archive = CompanyArchive(zipped, _contents(zipped, file))
            await _check(zipped, archive.contents)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise ArchiveBroken(f"the ZIP was changed: {error}") from error
        yield archive


def _contents(zipped: zipfile.ZipFile, file: IO[bytes]) -> Contents:
    infos = zipped.infolist()
    names = [info.filename for info in infos]
    if len(names) != len(set(names)) or MANIFEST not in names:
        raise ArchiveBroken("the ZIP has no manifest, or names twice")
    size = file.seek(0, 2)
    if sum(info.file_size for info in infos) > _ROOMY * size + _LARGEST_MANIFEST:
        raise ArchiveBroken("the ZIP unfolds to more than it could hold")
    if zipped.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise ArchiveBroken("the manifest is too long")
    try:
        contents = msgspec.json.decode(zipped.read(MANIFEST), type=Contents)
    except msgspec.MsgspecError as error:
        raise ArchiveBroken(f"the manifest does not read: {error}") from error
    if contents.format != FORMAT:
        raise ArchiveBroken(f"the archive is of the format {contents.format!r}; this version reads {FORMAT!r}")
    wanted = {MANIFEST, README, PEOPLE, *(member(one.table) for one in contents.tables)}
    if wanted != set(names) or len(wanted) != len(contents.tables) + 3:
        odd = sorted(wanted.symmetric_difference(names))
        raise ArchiveBroken(f"files and manifest do not agree: {', '.join(odd[:5])}")
    if root_hash(contents.tables) != contents.root_hash or sum(one.rows for one in contents.tables) != contents.rows:
        raise ArchiveBroken("the manifest does not add up: its root hash is not that of its tables")
    return contents


async def _check(zipped: zipfile.ZipFile, contents: Contents) -> None:
    for one, name in [*((one, member(one.table)) for one in contents.tables), (contents.people, PEOPLE)]:
        digest, rows, size = sha256(), 0, 0
        async for piece in _whole_lines(zipped, name):
            digest.update(piece)
            rows += piece.count(b"\n")
            size += len(piece)
        if TableFile(one.table, rows, size, digest.hexdigest()) != one:
            raise ArchiveBroken(f"{name} is not what the manifest says")


async def _whole_lines(zipped: zipfile.ZipFile, name: str) -> AsyncIterator[bytes]:
    with zipped.open(name) as file:
        held = b""
        while piece := await asyncio.to_thread(file.read, _PIECE):
            held += piece
            end = held.rfind(b"\n") + 1
            if end:
                yield held[:end]
                held = held[end:]
        if held:
            yield held
