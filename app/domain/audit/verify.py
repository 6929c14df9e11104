"""Proving the chain: every entry is computed again from the one before it, and all breaks are told, not only the first.

Streams in batches, so a chain of any length takes the memory of one.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, Work
from app.domain.audit.schemas import Break, Verification
from app.lib.audit import GENESIS, AuditKeys

_BATCH: Final = 500

_HEAD = text(
    "SELECT seq, hash, (SELECT max(seq) FROM audit_entry WHERE tenant_id = :tenant_id) AS last_seq "
    "FROM audit_head WHERE tenant_id = :tenant_id"
)
_HASH = text("SELECT hash FROM audit_entry WHERE tenant_id = :tenant_id AND seq = :seq")
_ENTRIES = text(
    "SELECT seq, id, at, action, subject_id, number, content, hash FROM audit_entry "
    f"WHERE tenant_id = :tenant_id AND seq > :behind AND seq <= :to_seq ORDER BY seq LIMIT {_BATCH}"
)
_COMPANIES = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")


class _Subject(msgspec.Struct):
    """Columns that a content repeats under its hash."""

    action: str
    at: datetime
    subject: UUID


_SUBJECT = msgspec.json.Decoder(_Subject)


async def verify_chain(work: Work, from_seq: int = 1, to_seq: int | None = None) -> Verification:
    """Verify the company's chain from one entry to another, by default all of it, against the kept head."""
    walk = _Walk(work.session, work.database.audit_keys, work.tenant_id)
    return await walk.verify(from_seq, to_seq)


class _Walk:
    def __init__(self, session: AsyncSession, keys: AuditKeys, tenant_id: UUID) -> None:
        self._session = session
        self._keys = keys
        self._tenant_id = tenant_id
        self._breaks: list[Break] = []
        self._checked = 0

    async def verify(self, from_seq: int, to_seq: int | None) -> Verification:
        # One statement sees head and entries of one instant; later entries are not this run's.
        head = (await self._session.execute(_HEAD, {"tenant_id": self._tenant_id})).one_or_none()
        head_seq = head.seq if head else 0
        last_seq = (head.last_seq if head else None) or 0
        end = max(head_seq, last_seq) if to_seq is None else min(to_seq, max(head_seq, last_seq))
        # Beyond the end there is nothing to prove but the head.
        from_seq = min(from_seq, max(head_seq, last_seq) + 1)
        previous = await self._hash_before(from_seq)
        expected = from_seq
        async for row in self._rows(from_seq - 1, end):
            if row.seq != expected:
                self._missing(expected, row.seq - 1)
                # What it was computed from is gone.
                previous = None
            self._check(row, previous)
            previous = row.hash
            expected = row.seq + 1
        # Beyond the kept head nothing is missing; a row there is told by the head.
        self._missing(expected, min(end, head_seq))
        if end >= head_seq:
            self._check_head(head, last_seq, previous if expected > head_seq else None)
        return Verification(
            from_seq=from_seq,
            to_seq=end,
            checked=self._checked,
            head_seq=head_seq,
            intact=not self._breaks,
            breaks=self._breaks,
        )

    async def _hash_before(self, seq: int) -> bytes | None:
        if seq <= 1:
            return GENESIS
        found: bytes | None = await self._session.scalar(_HASH, {"tenant_id": self._tenant_id, "seq": seq - 1})
        if found is None:
            self._missing(seq - 1, seq - 1)
        return found

    async def _rows(self, behind: int, to_seq: int) -> AsyncIterator[Any]:
        while True:
            values = {"tenant_id": self._tenant_id, "behind": behind, "to_seq": to_seq}
            rows = (await self._session.execute(_ENTRIES, values)).all()
            for row in rows:
                yield row
            if len(rows) < _BATCH:
                return
            behind = rows[-1].seq

    def _check(self, row: Any, previous: bytes | None) -> None:
        if previous is None:
            self._tell(
                "unknown", row.seq, row.id, "Falta la entrada anterior: no se puede comprobar que esta siga igual."
            )
            return
        self._checked += 1
        link = self._keys.link(self._tenant_id, row.id, previous, row.seq, row.number or 0, row.content)
        if link != row.hash:
            self._tell("changed", row.seq, row.id, "La entrada no es la que se escribió.")
        elif not _agrees(row):
            self._tell("changed", row.seq, row.id, "Las columnas de la entrada no dicen lo mismo que su contenido.")

    def _check_head(self, head: Any, last_seq: int, last_hash: bytes | None) -> None:
        if head is None:
            self._tell("head", 0, None, "La cadena no tiene su cabeza.")
        elif last_seq > head.seq:
            self._tell("head", head.seq, None, f"Hay entradas hasta la {last_seq}, más allá de la cabeza guardada.")
        elif last_hash is not None and last_hash != head.hash:
            self._tell("head", head.seq, None, "La cabeza guardada no es la de la última entrada.")

    def _missing(self, first: int, last: int) -> None:
        if first <= last:
            detail = "La entrada ya no está." if first == last else f"Faltan las entradas {first} a {last}."
            self._breaks.append(Break(kind="missing", seq=first, last_seq=last, entry_id=None, detail=detail))

    def _tell(self, kind: Any, seq: int, entry_id: UUID | None, detail: str) -> None:
        self._breaks.append(Break(kind=kind, seq=seq, last_seq=seq, entry_id=entry_id, detail=detail))


def _agrees(row: Any) -> bool:
    try:
        content = _SUBJECT.decode(row.content)
    except msgspec.MsgspecError:
        return False
    return (content.action, content.at, content.subject) == (row.action, row.at, row.subject_id)


async def verify_companies(
    database: Database, tenant_id: UUID | None, told: Callable[[UUID, Verification, int, int], None]
) -> bool:
    """Verify one company's chain, or every company's; `told` hears each result with its place among how many.

    Answers whether all of it is intact.
    """
    async with database.platform_transaction() as session:
        companies = [tenant_id] if tenant_id else list((await session.scalars(_COMPANIES)).all())
    intact = True
    for place, company in enumerate(companies, start=1):
        async with database.job_transaction(company) as work:
            found = await verify_chain(work)
        intact = intact and found.intact
        told(company, found, place, len(companies))
    return intact
