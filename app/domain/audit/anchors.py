"""Anchored heads: where a chain ended on a day, signed, kept in a table and, where configured, in a folder elsewhere.

A chain that lost its end together with its head is whole in itself; only something outside it remembers the rest.
"""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, text

from app.db.platform import AuditHead
from app.db.session import Work
from app.domain.audit.models import AuditCheckpoint
from app.lib import clock
from app.lib.audit_seal import AuditSeal

_LAST: Final = text("SELECT seq FROM audit_checkpoint WHERE tenant_id = :tenant_id ORDER BY seq DESC LIMIT 1")


class Anchor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One head, as it stands in the file: a line of JSON."""

    tenant_id: UUID
    seq: int
    hash: str
    """Hexadecimal, as the signature."""
    at: datetime
    signature: str = ""

    def is_signed_by(self, seal: AuditSeal) -> bool:
        try:
            signature = bytes.fromhex(self.signature)
        except ValueError:
            return False
        return seal.holds(_statement(self), signature)


_LINE = msgspec.json.Decoder(Anchor)


def _statement(anchor: Anchor) -> dict[str, object]:
    return {"tenantId": anchor.tenant_id, "seq": anchor.seq, "hash": anchor.hash, "at": anchor.at}


async def anchor_head(work: Work) -> Anchor | None:
    """Keep where the company's chain ends now; None when that is kept already, or the chain is shorter than it was."""
    where = {"tenant_id": work.tenant_id}
    head = await work.session.scalar(select(AuditHead).where(AuditHead.tenant_id == work.tenant_id))
    last = await work.session.scalar(_LAST, where) or 0
    if head is None or head.seq <= last:
        return None
    seal = work.database.audit_seal
    bare = Anchor(tenant_id=work.tenant_id, seq=head.seq, hash=head.hash.hex(), at=clock.now())
    signature = seal.sign(_statement(bare))
    await work.session.execute(
        insert(AuditCheckpoint).values(
            tenant_id=work.tenant_id, seq=head.seq, hash=head.hash, at=bare.at, signature=signature
        )
    )
    return msgspec.structs.replace(bare, signature=signature.hex())


async def kept_anchors(work: Work) -> list[Anchor]:
    """The company's anchored heads, oldest first: one a day with business."""
    rows = await work.session.scalars(
        select(AuditCheckpoint).where(AuditCheckpoint.tenant_id == work.tenant_id).order_by(AuditCheckpoint.seq)
    )
    return [
        Anchor(tenant_id=row.tenant_id, seq=row.seq, hash=row.hash.hex(), at=row.at, signature=row.signature.hex())
        for row in rows
    ]


async def append_to_file(folder: Path, anchor: Anchor) -> None:
    """Add a head to its company's file, on disk before this returns. Raises `OSError`."""
    await asyncio.to_thread(_append, _file(folder, anchor.tenant_id), msgspec.json.encode(anchor) + b"\n")


def read_file(folder: Path, tenant_id: UUID) -> list[Anchor]:
    """A company's heads in a folder; none when it has no file yet. Raises `ValueError` naming a line that is no head."""
    path = _file(folder, tenant_id)
    if not path.exists():
        return []
    found: list[Anchor] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            found.append(_LINE.decode(line))
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return [anchor for anchor in found if anchor.tenant_id == tenant_id]


def _file(folder: Path, tenant_id: UUID) -> Path:
    return folder / f"{tenant_id}.jsonl"


def _append(path: Path, line: bytes) -> None:
    # One write of one line to a file opened for appending: lines of several workers do not mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
