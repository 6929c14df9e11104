"""The stretch of a trail that a copied company brought along: its links were made with other keys, so a hash holds it.

What arrives is hashed and the hash is signed by this installation; verification computes it again, and follows the chain
with this company's own keys from there on.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from app.db.session import Work
from app.domain.audit.models import AuditOrigin

_BATCH: Final = 500
COLUMNS: Final = "seq, id, at, action, subject_id, number, content, hash"
_ENTRIES: Final = text(
    f"SELECT {COLUMNS} FROM audit_entry WHERE tenant_id = :tenant_id AND seq > :behind AND seq <= :last "
    f"ORDER BY seq LIMIT {_BATCH}"
)


class Stretch:
    """Hashes entries in their order."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.count = 0

    def add(self, row: Mapping[str, Any]) -> None:
        content = str(row["content"]).encode()
        head = (
            f"{row['seq']}|{row['id']}|{row['at'].timestamp():.6f}|{row['action']}|{row['subject_id']}|{row['number']}|"
        )
        self._hash.update(f"{head}{bytes(row['hash']).hex()}|{len(content)}|".encode() + content)
        self.count += 1

    def digest(self) -> bytes:
        return self._hash.digest()


def statement(tenant_id: UUID, source: UUID, last_seq: int, last_hash: bytes, content_hash: bytes) -> dict[str, object]:
    """What the installation signs."""
    return {
        "origin": str(source),
        "tenantId": str(tenant_id),
        "lastSeq": last_seq,
        "lastHash": last_hash.hex(),
        "contentHash": content_hash.hex(),
    }


async def find_origin(work: Work) -> AuditOrigin | None:
    """Where the company's trail came from; None for one that began here."""
    found: AuditOrigin | None = await work.session.scalar(
        select(AuditOrigin).where(AuditOrigin.tenant_id == work.tenant_id)
    )
    return found


async def origin_fault(work: Work, origin: AuditOrigin) -> str | None:
    """What is wrong with the stretch that came along, in Spanish; None when it is as it arrived."""
    said = statement(work.tenant_id, origin.source_tenant_id, origin.last_seq, origin.last_hash, origin.content_hash)
    if not work.database.audit_seal.holds(said, origin.signature):
        return "El tramo que llegó de otra empresa no lleva nuestra firma."
    stretch, behind = Stretch(), 0
    while True:
        values = {"tenant_id": work.tenant_id, "behind": behind, "last": origin.last_seq}
        rows = (await work.session.execute(_ENTRIES, values)).mappings().all()
        for row in rows:
            stretch.add(dict(row))
        if len(rows) < _BATCH:
            break
        behind = rows[-1]["seq"]
    if stretch.digest() != origin.content_hash:
        return "El tramo que llegó de otra empresa no es el que se trajo."
    return None
