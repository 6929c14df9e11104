"""Making the archive of one company: every table of the catalogue, one snapshot, streamed and sealed on the way."""

import asyncio
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from app.db.session import Database
from app.domain.backups.catalogue import Connection, company_tables, literal, revision_of
from app.domain.backups.company.copying import copy_out, copy_query
from app.domain.backups.company.format import (
    FORMAT,
    GUIDE,
    MANIFEST,
    NOT_OF_THE_COMPANY,
    PEOPLE,
    README,
    ChainEnd,
    CompanyManifest,
    Contents,
    TableFile,
    chain_statement,
    member,
    root_hash,
)
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform.dump import snapshot
from app.domain.backups.sealed import Header
from app.domain.backups.stored import BESIDE, SUFFIX, Read, Sealer, read_archive
from app.integrations.storage.store import Storage, Writer
from app.lib.audit import GENESIS
from app.settings import SettingsError

_LEVEL: Final = 1
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""The same rows make the same ZIP."""

Progress = Callable[[int], None]
"""Hears how many rows are done."""


class CompanyGone(Exception):
    """There is no such company."""


class CompanyMade(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that was stored, read back and found whole."""

    object_name: str
    read: Read[CompanyManifest]
    snapshot_at: datetime


class _Pipe:
    """What `zipfile` writes to: holds bytes until they are taken."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, piece: bytes) -> int:
        self._held += piece
        return len(piece)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


class _Zip:
    """A ZIP that goes into an archive as it is written."""

    def __init__(self, sealer: Sealer, writer: Writer) -> None:
        self._sealer = sealer
        self._writer = writer
        self._pipe = _Pipe()
        self._zip = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)  # type: ignore[call-overload]

    def begin(self, name: str) -> "_Member":
        return _Member(self, self._zip.open(_info(name), "w", force_zip64=True))

    async def add(self, name: str, content: bytes) -> None:
        self._zip.writestr(_info(name), content, compresslevel=_LEVEL)
        await self.drain()

    async def drain(self) -> None:
        if piece := self._pipe.take():
            await self._sealer.add(self._writer, piece)

    async def close(self) -> None:
        self._zip.close()
        await self.drain()


class _Member:
    """A file of the ZIP on its way."""

    def __init__(self, parent: _Zip, file: "zipfile.IO[bytes]") -> None:  # type: ignore[name-defined]
        self._parent = parent
        self._file = file

    async def write(self, piece: bytes) -> None:
        # Deflating half a mebibyte takes long enough for others to be let in between.
        await asyncio.to_thread(self._file.write, piece)
        await self._parent.drain()

    async def close(self) -> None:
        self._file.close()
        await self._parent.drain()


async def export(
    database: Database, storage: Storage, keys: BackupKeys, tenant_id: UUID, archive_id: UUID, progress: Progress
) -> CompanyMade:
    """Write a company's archive and read it back whole.

    Raises `CompanyGone`, `StorageFailed`, `ArchiveBroken`, `SettingsError`, `CatalogueRefused`.
    """
    url = database.settings.database_backup_url
    if url is None:
        raise SettingsError("DATABASE_BACKUP_URL is missing: archives are made as the role mostrador_backup")
    async with snapshot(url) as (connection, _snapshot_id, at):
        name = f"empresas/{tenant_id}/{at:%Y%m%dT%H%M%SZ}-{archive_id}{SUFFIX}"
        sealer = Sealer(
            keys,
            lambda wrapped: Header(id=archive_id, kind="company", created_at=at.isoformat(), wrapped_key=wrapped),
            archive_id,
        )
        async with storage.writing(name) as writer:
            await sealer.begin(writer)
            zipped = _Zip(sealer, writer)
            contents = await _fill(database, connection, zipped, tenant_id, at, progress)
            await zipped.add(MANIFEST, msgspec.json.format(msgspec.json.encode(contents), indent=1))
            await zipped.close()
            manifest = CompanyManifest(
                format=FORMAT,
                id=archive_id,
                created_at=at.isoformat(),
                revision=contents.revision,
                content_bytes=sealer.content_bytes,
                content_sha256=sealer.content_sha256,
                contents=contents,
            )
            await sealer.finish(writer, manifest)
    await storage.put(name + BESIDE, sealer.beside())
    read = await read_archive(storage, name, keys, CompanyManifest, wanted=archive_id)
    return CompanyMade(object_name=name, read=read, snapshot_at=at)


async def _fill(
    database: Database, connection: Connection, zipped: _Zip, tenant_id: UUID, at: datetime, progress: Progress
) -> Contents:
    company = await connection.fetchrow("SELECT name, nit FROM tenant WHERE tenant_id = $1", tenant_id)
    if company is None:
        raise CompanyGone(f"there is no company {tenant_id}")
    await zipped.add(README, GUIDE.encode())
    files: list[TableFile] = []
    rows = 0
    for table in await company_tables(connection):
        if table.name in NOT_OF_THE_COMPANY:
            continue
        part = zipped.begin(member(table.name))
        found = await copy_out(connection, table, tenant_id, part.write)
        await part.close()
        files.append(found)
        rows += found.rows
        progress(rows)
    people = await _people(connection, zipped, tenant_id)
    root = root_hash(files)
    head = await connection.fetchrow("SELECT seq, hash FROM audit_head WHERE tenant_id = $1", tenant_id)
    seq, last = (head["seq"], head["hash"].hex()) if head else (0, GENESIS.hex())
    seal = database.audit_seal
    return Contents(
        format=FORMAT,
        tenant_id=tenant_id,
        name=company["name"],
        nit=company["nit"],
        snapshot_at=at.isoformat(),
        revision=await revision_of(connection),
        tables=files,
        people=people,
        rows=rows,
        root_hash=root,
        chain=ChainEnd(
            seq=seq,
            hash=last,
            signature=seal.sign(chain_statement(tenant_id, seq, last, root)).hex(),
            public_key=seal.public_key.hex(),
        ),
    )


async def _people(connection: Connection, zipped: _Zip, tenant_id: UUID) -> TableFile:
    part = zipped.begin(PEOPLE)
    query = (
        "SELECT jsonb_build_object('id', u.id, 'email', u.email, 'name', u.name) AS line FROM app_user u "
        f"WHERE u.id IN (SELECT user_id FROM membership WHERE tenant_id = {literal(str(tenant_id))} "
        f"UNION SELECT user_id FROM terms_acceptance WHERE tenant_id = {literal(str(tenant_id))}) ORDER BY u.id"
    )
    found = await copy_query(connection, query, PEOPLE, part.write)
    await part.close()
    return found


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _LONG_AGO)
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = _LEVEL  # type: ignore[attr-defined]
    info.external_attr = 0o600 << 16
    return info
