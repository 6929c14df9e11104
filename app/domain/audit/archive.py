"""Archives: a finished stretch of a chain as a signed file, checked link by link before anything relies on it.

`NAME.jsonl.gz` holds the entries, one line of JSON each; `NAME.manifest.json` says from where to where, with the heads, the
file's SHA-256 and an Ed25519 signature over its canonical JSON. The row of `audit_archive` keeps the manifest, so that the
chain is verified over the stretch when its entries are no longer in the table.
"""

import gzip
import os
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, text
from uuid_utils.compat import uuid7

from app.db.session import Database, Work
from app.domain.audit.models import AuditArchive
from app.domain.audit.stretches import Manifest
from app.lib import clock
from app.lib.audit import GENESIS, AuditKeys
from app.lib.schemas import canonical

_BATCH: Final = 500
FORMAT: Final = "mostrador-audit-1"

_FIRST_KEPT: Final = text(
    "SELECT seq FROM audit_entry WHERE tenant_id = :tenant_id AND seq >= :first AND at >= :before ORDER BY seq LIMIT 1"
)
_HEAD: Final = text("SELECT seq FROM audit_head WHERE tenant_id = :tenant_id")
_ENTRIES: Final = text(
    "SELECT seq, id, at, action, subject_id, number, content, hash FROM audit_entry "
    f"WHERE tenant_id = :tenant_id AND seq > :behind AND seq <= :last ORDER BY seq LIMIT {_BATCH}"
)


class ArchiveRefused(Exception):
    """The stretch, or the file, is not what was written: the message says where."""


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One entry in the file."""

    seq: int
    id: UUID
    at: datetime
    action: str
    subject_id: UUID
    number: int | None
    content: str
    hash: str
    """Hexadecimal."""


class Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest's file."""

    manifest: str
    """Canonical JSON, exactly as signed."""
    signature: str
    """Hexadecimal."""


_LINE = msgspec.json.Decoder(Line)
_MANIFEST = msgspec.json.Decoder(Manifest)
_SEALED = msgspec.json.Decoder(Sealed)


class _Chain:
    """Follows the hashes of a stretch. Raises `ArchiveRefused` at the first link that does not hold."""

    def __init__(self, keys: AuditKeys, tenant_id: UUID, first_seq: int, head: bytes) -> None:
        self._keys = keys
        self._tenant_id = tenant_id
        self.next_seq = first_seq
        self.head = head

    def follow(self, line: Line) -> None:
        if line.seq != self.next_seq:
            raise ArchiveRefused(f"entry {self.next_seq} is missing")
        link = self._keys.link(self._tenant_id, line.id, self.head, line.seq, line.number or 0, line.content)
        if link.hex() != line.hash:
            raise ArchiveRefused(f"entry {line.seq} is not what was written")
        self.next_seq, self.head = line.seq + 1, link


async def archive(database: Database, tenant_id: UUID, before: datetime, folder: Path) -> Path | None:
    """Write a company's entries from before an instant, as far as no archive has them, into a file; answers its manifest.

    None when there are none. The entries stay in the table. Raises `ArchiveRefused` for a chain that does not hold.
    """
    async with database.job_transaction(tenant_id) as work:
        first_seq, head = await _where_archives_end(work)
        last_seq = await _last_before(work, first_seq, before)
        if last_seq < first_seq:
            return None
        chain = _Chain(database.audit_keys, tenant_id, first_seq, head)
        name = f"auditoria-{tenant_id}-{first_seq}-{last_seq}"
        with _Writer(folder / f"{name}.jsonl.gz") as out:
            async for line in _lines(work, first_seq - 1, last_seq):
                chain.follow(line)
                out.add(line)
        if chain.next_seq != last_seq + 1:
            raise ArchiveRefused(f"entry {chain.next_seq} is missing")
        manifest = Manifest(
            format=FORMAT,
            tenant_id=tenant_id,
            first_seq=first_seq,
            last_seq=last_seq,
            previous_hash=head.hex(),
            last_hash=chain.head.hex(),
            first_at=out.first_at,
            last_at=out.last_at,
            entries=last_seq - first_seq + 1,
            file=out.path.name,
            sha256=out.digest,
            created_at=_instant(clock.now()),
            public_key=database.audit_seal.public_key.hex(),
        )
        await _keep(work, manifest)
        path = folder / f"{name}.manifest.json"
        sealed = Sealed(manifest=canonical(manifest).decode(), signature=database.audit_seal.sign(manifest).hex())
        _write_whole(path, msgspec.json.encode(sealed))
    return path


async def _keep(work: Work, manifest: Manifest) -> None:
    archive_id = uuid7()
    await work.session.execute(
        insert(AuditArchive).values(
            tenant_id=work.tenant_id,
            id=archive_id,
            first_seq=manifest.first_seq,
            last_seq=manifest.last_seq,
            previous_hash=bytes.fromhex(manifest.previous_hash),
            last_hash=bytes.fromhex(manifest.last_hash),
            first_at=datetime.fromisoformat(manifest.first_at),
            last_at=datetime.fromisoformat(manifest.last_at),
            file_name=manifest.file,
            file_hash=bytes.fromhex(manifest.sha256),
            manifest=canonical(manifest).decode(),
            signature=work.database.audit_seal.sign(manifest),
        )
    )
    work.record("audit.archived", archive_id, after=manifest)


def check(database: Database, manifest_path: Path) -> Manifest:
    """Prove an archive: signature, checksum, every link from its first head to its last. Raises `ArchiveRefused`."""
    manifest = _read_manifest(database, manifest_path)
    chain = _Chain(database.audit_keys, manifest.tenant_id, manifest.first_seq, bytes.fromhex(manifest.previous_hash))
    for line in read_lines(manifest_path, manifest):
        chain.follow(line)
    if (chain.next_seq - 1, chain.head.hex()) != (manifest.last_seq, manifest.last_hash):
        raise ArchiveRefused("the file does not end where its manifest says")
    return manifest


async def restore(database: Database, manifest_path: Path) -> int:
    """Put the entries of a proven archive back into the table; answers how many were not there."""
    manifest = check(database, manifest_path)
    restored = 0
    async with database.job_transaction(manifest.tenant_id) as work:
        await _known(work, manifest)
        for batch in _batches(read_lines(manifest_path, manifest)):
            restored += await _put_back(work, batch)
        work.record(
            "audit.restored", await _archive_id(work, manifest), after={"file": manifest.file, "entries": restored}
        )
    return restored


async def announce_pruning(database: Database, manifest: Manifest) -> None:
    """Say in the trail that an archive's entries are taken out of the table. Raises `ArchiveRefused` for an unknown one."""
    async with database.job_transaction(manifest.tenant_id) as work:
        await _known(work, manifest)
        work.record("audit.pruned", await _archive_id(work, manifest), after=manifest)


def read_lines(manifest_path: Path, manifest: Manifest) -> Iterator[Line]:
    """The entries of an archive's file, one at a time. Raises `ArchiveRefused` for what is no entry."""
    path = manifest_path.parent / Path(manifest.file).name
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                yield _LINE.decode(line)
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        raise ArchiveRefused(f"{path}: {error}") from error


def _read_manifest(database: Database, path: Path) -> Manifest:
    try:
        sealed = _SEALED.decode(path.read_bytes())
        manifest = _MANIFEST.decode(sealed.manifest)
        signature = bytes.fromhex(sealed.signature)
        found = _digest(path.parent / Path(manifest.file).name)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ArchiveRefused(f"{path}: {error}") from error
    if not database.audit_seal.holds_text(sealed.manifest, signature):
        raise ArchiveRefused("the manifest is not signed by this installation")
    if manifest.format != FORMAT:
        raise ArchiveRefused(f"the format {manifest.format} is not known")
    if found != manifest.sha256:
        raise ArchiveRefused("the file is not the one that was signed")
    return manifest


async def _where_archives_end(work: Work) -> tuple[int, bytes]:
    last = await work.session.scalar(
        select(AuditArchive)
        .where(AuditArchive.tenant_id == work.tenant_id)
        .order_by(AuditArchive.first_seq.desc())
        .limit(1)
    )
    return (last.last_seq + 1, last.last_hash) if last else (1, GENESIS)


async def _last_before(work: Work, first_seq: int, before: datetime) -> int:
    values = {"tenant_id": work.tenant_id, "first": first_seq, "before": before}
    kept = await work.session.scalar(_FIRST_KEPT, values)
    if kept is not None:
        return int(kept) - 1
    return int(await work.session.scalar(_HEAD, {"tenant_id": work.tenant_id}) or 0)


async def _lines(work: Work, behind: int, last: int) -> AsyncIterator[Line]:
    while behind < last:
        values = {"tenant_id": work.tenant_id, "behind": behind, "last": last}
        rows = (await work.session.execute(_ENTRIES, values)).all()
        for row in rows:
            yield Line(**{**row._mapping, "hash": row.hash.hex()})
        if len(rows) < _BATCH:
            return
        behind = rows[-1].seq


async def _known(work: Work, manifest: Manifest) -> None:
    if await _archive_id(work, manifest) is None:
        raise ArchiveRefused("this installation keeps no such archive")


async def _archive_id(work: Work, manifest: Manifest) -> Any:
    return await work.session.scalar(
        select(AuditArchive.id).where(
            AuditArchive.tenant_id == work.tenant_id, AuditArchive.manifest == canonical(manifest).decode()
        )
    )


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


_PUT_BACK: Final = text(
    "INSERT INTO audit_entry (tenant_id, seq, id, at, action, subject_id, number, content, hash) "
    "VALUES (:tenant_id, :seq, :id, :at, :action, :subject_id, :number, :content, :hash) ON CONFLICT DO NOTHING"
)
_COUNT: Final = text("SELECT count(*) FROM audit_entry WHERE tenant_id = :tenant_id AND seq BETWEEN :first AND :last")


async def _put_back(work: Work, batch: list[Line]) -> int:
    where = {"tenant_id": work.tenant_id, "first": batch[0].seq, "last": batch[-1].seq}
    there = await work.session.scalar(_COUNT, where) or 0
    rows = [
        msgspec.structs.asdict(line) | {"tenant_id": work.tenant_id, "hash": bytes.fromhex(line.hash)} for line in batch
    ]
    await work.session.execute(_PUT_BACK, rows)
    return len(batch) - there


class _Writer:
    """A new compressed file: whole and on disk, or not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_at = self.last_at = ""
        self.digest = ""
        self._part = path.with_name(f"{path.name}.part")

    def __enter__(self) -> "_Writer":
        self._raw = self._part.open("wb")
        # No time and no name inside: the same entries make the same file.
        self._zip = gzip.GzipFile("", "wb", 6, self._raw, 0)
        return self

    def add(self, line: Line) -> None:
        self.last_at = _instant(line.at)
        self.first_at = self.first_at or self.last_at
        self._zip.write(msgspec.json.encode(line) + b"\n")

    def __exit__(self, kind: object, *_rest: object) -> None:
        self._zip.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        if kind is not None:
            self._part.unlink()
            return
        self.digest = _digest(self._part)
        self._part.replace(self.path)


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def _digest(path: Path) -> str:
    found = sha256()
    with path.open("rb") as content:
        while piece := content.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _instant(at: datetime) -> str:
    return at.isoformat()
