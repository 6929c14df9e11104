"""Stretches of a chain that lie in signed archives, as verification steps over them."""

from collections.abc import Callable
from uuid import UUID

import msgspec
from sqlalchemy import select

from app.db.session import Work
from app.domain.audit.models import AuditArchive
from app.domain.audit.schemas import Break
from app.lib.audit import GENESIS


class Stretch(msgspec.Struct, frozen=True):
    """From one entry to another, with the hashes before and at its end."""

    first_seq: int
    last_seq: int
    previous_hash: bytes
    last_hash: bytes


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is signed of an archive; the hashes are hexadecimal."""

    format: str
    tenant_id: UUID
    first_seq: int
    last_seq: int
    previous_hash: str
    last_hash: str
    first_at: str
    last_at: str
    entries: int
    file: str
    sha256: str
    """Of the compressed file."""
    created_at: str
    public_key: str


_MANIFEST = msgspec.json.Decoder(Manifest)


async def sound_stretches(work: Work, tell: Callable[[Break], None]) -> list[Stretch]:
    """The company's archived stretches, oldest first. Tells those that were forged or do not join up, and leaves them out."""
    rows = await work.session.scalars(
        select(AuditArchive).where(AuditArchive.tenant_id == work.tenant_id).order_by(AuditArchive.first_seq)
    )
    found: list[Stretch] = []
    place, hash_there = 1, GENESIS
    for row in rows:
        stretch = Stretch(row.first_seq, row.last_seq, row.previous_hash, row.last_hash)
        if detail := _fault(work, row, stretch, place, hash_there):
            tell(Break(kind="archive", seq=row.first_seq, last_seq=row.last_seq, entry_id=None, detail=detail))
            continue
        found.append(stretch)
        place, hash_there = row.last_seq + 1, row.last_hash
    return found


def _fault(work: Work, row: AuditArchive, stretch: Stretch, place: int, hash_there: bytes) -> str | None:
    if not work.database.audit_seal.holds_text(row.manifest, row.signature):
        return "El archivo no lleva nuestra firma."
    manifest = _MANIFEST.decode(row.manifest)
    signed = Stretch(
        manifest.first_seq,
        manifest.last_seq,
        bytes.fromhex(manifest.previous_hash),
        bytes.fromhex(manifest.last_hash),
    )
    if manifest.tenant_id != work.tenant_id or signed != stretch:
        return "El archivo no es el que se firmó."
    if (stretch.first_seq, stretch.previous_hash) != (place, hash_there):
        return "El archivo no continúa donde termina el anterior."
    return None
