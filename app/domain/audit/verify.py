"""Proving the chain: every entry is computed again from the one before it, and all breaks are told, not only the first.

Streams in batches, so a chain of any length takes the memory of one. Entries that lie in signed archives are stepped over
by the archive's heads; anchored heads are compared on the way.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.db.session import Database, Work
from app.domain.audit.anchors import Anchor, kept_anchors, read_file
from app.domain.audit.origin import find_origin, origin_fault
from app.domain.audit.schemas import Break, BreakKind, Verification
from app.domain.audit.stretches import Stretch, sound_stretches
from app.domain.audit.suspects import Link, Suspect, Suspects, computing
from app.lib.audit import GENESIS

_BATCH: Final = 500
_MOST_TOLD: Final = 1_000
"""Breaks that an answer lists."""
_FARTHEST: Final = 16
"""How many entries taken out at one place are recognised when the rest was numbered anew."""

_HEAD = text(
    "SELECT h.seq, h.hash, (SELECT max(seq) FROM audit_entry WHERE tenant_id = :tenant_id) AS last_seq "
    "FROM audit_head h WHERE h.tenant_id = :tenant_id"
)
_LAST = text("SELECT max(seq) FROM audit_entry WHERE tenant_id = :tenant_id")
_HASH = text("SELECT hash FROM audit_entry WHERE tenant_id = :tenant_id AND seq = :seq")
_ENTRIES = text(
    "SELECT seq, id, at, action, subject_id, number, content, hash FROM audit_entry "
    f"WHERE tenant_id = :tenant_id AND seq > :behind AND seq <= :to_seq ORDER BY seq LIMIT {_BATCH}"
)
_COMPANIES = text("SELECT tenant_id FROM tenant ORDER BY tenant_id")

Tell = Callable[[Break], None]


class _Subject(msgspec.Struct):
    """Columns that a content repeats under its hash."""

    action: str
    at: datetime
    subject: UUID


_SUBJECT = msgspec.json.Decoder(_Subject)


async def verify_chain(
    work: Work,
    from_seq: int = 1,
    to_seq: int | None = None,
    *,
    anchors: Iterable[Anchor] = (),
    tell: Tell | None = None,
) -> Verification:
    """Verify the company's chain from one entry to another, by default all of it, against the kept and anchored heads.

    `anchors` are heads kept elsewhere. `tell` hears every break as it is found; the answer lists the first thousand.
    """
    return await _Walk(work, tell).verify(from_seq, to_seq, anchors)


class _Walk:
    def __init__(self, work: Work, tell: Tell | None) -> None:
        self._work = work
        self._session = work.session
        self._tenant_id = work.tenant_id
        self._hear = tell
        self._compute = computing(work.database.audit_keys, work.tenant_id)
        self._suspects = Suspects(self._compute, self._note)
        self._breaks: list[Break] = []
        self._count = 0
        self._checked = 0
        self._archived = 0
        self._compared = 0
        self._anchors: dict[int, Anchor] = {}
        self._stretches: list[Stretch] = []
        self._archived_ends: dict[int, bytes] = {}
        self._shift = 0
        """Places that the rows stand behind their own number: more were put in than taken out."""
        self._good: tuple[bytes, int] | None = None
        """Hash and own number of the last entry that fitted."""
        self._doubtful = 0
        """Entries since then."""

    async def verify(self, from_seq: int, to_seq: int | None, anchors: Iterable[Anchor]) -> Verification:
        # One statement sees head and entries of one instant; later entries are not this run's.
        head = (await self._session.execute(_HEAD, {"tenant_id": self._tenant_id})).one_or_none()
        last_seq = await self._last_seq(head)
        head_seq = head.seq if head else 0
        self._stretches = await sound_stretches(self._work, self._note)
        self._archived_ends = {stretch.last_seq: stretch.last_hash for stretch in self._stretches}
        longest = max(head_seq, last_seq)
        end = longest if to_seq is None else min(to_seq, longest)
        origin = await find_origin(self._work)
        if origin is not None and origin.last_seq >= from_seq:
            # Made with another company's keys: held by one hash, and the chain goes on from its end.
            if fault := await origin_fault(self._work, origin):
                self._tell("changed", origin.last_seq, None, fault)
            self._archived += origin.last_seq - from_seq + 1
            from_seq = origin.last_seq + 1
        # Beyond the end there is nothing to prove but the head.
        from_seq = min(from_seq, longest + 1)
        await self._gather_anchors(anchors, from_seq, None if to_seq is None else end, longest)
        previous = await self._hash_before(from_seq)
        expected = from_seq
        async for row in self._rows(from_seq - 1, end):
            if row.seq != expected:
                # What it was computed from is gone, unless an archive knows it.
                previous = self._over(expected, row.seq - 1)
            self._check(row, previous)
            previous = row.hash
            expected = row.seq + 1
        self._suspects.settle()
        # Beyond the kept head nothing is missing; a row there is told by the head.
        if expected <= min(end, head_seq):
            previous = self._over(expected, min(end, head_seq))
            expected = min(end, head_seq) + 1 if previous is not None else expected
        if end >= head_seq:
            self._check_head(head, last_seq, previous if expected > head_seq else None)
        return Verification(
            from_seq=from_seq,
            to_seq=end,
            checked=self._checked,
            archived=self._archived,
            checkpoints=self._compared,
            head_seq=head_seq,
            intact=not self._count,
            break_count=self._count,
            breaks=sorted(self._breaks, key=lambda found: (found.seq, found.last_seq)),
        )

    async def _last_seq(self, head: Any) -> int:
        if head is not None:
            return head.last_seq or 0
        return await self._session.scalar(_LAST, {"tenant_id": self._tenant_id}) or 0

    async def _gather_anchors(self, others: Iterable[Anchor], from_seq: int, to_seq: int | None, longest: int) -> None:
        """Heads to compare on the way. Tells those that are forged, contradict each other, or lie beyond the end."""
        seal = self._work.database.audit_seal
        farthest: Anchor | None = None
        for anchor in [*await kept_anchors(self._work), *others]:
            if not anchor.is_signed_by(seal):
                self._tell("checkpoint", anchor.seq, None, "La cabeza anotada no lleva nuestra firma.")
                continue
            known = self._anchors.setdefault(anchor.seq, anchor)
            if known.hash != anchor.hash:
                self._tell("checkpoint", anchor.seq, None, f"Hay dos cabezas anotadas distintas de la {anchor.seq}.")
            if farthest is None or anchor.seq > farthest.seq:
                farthest = anchor
        if farthest is not None and farthest.seq > longest and to_seq is None:
            day = f"{farthest.at:%Y-%m-%d %H:%M} UTC"
            detail = f"El final fue cortado: el {day} la cadena llegaba hasta la {farthest.seq}."
            self._note(Break(kind="truncated", seq=longest + 1, last_seq=farthest.seq, entry_id=None, detail=detail))
        last = longest if to_seq is None else to_seq
        self._anchors = {seq: one for seq, one in self._anchors.items() if from_seq <= seq <= last}

    async def _hash_before(self, seq: int) -> bytes | None:
        if seq <= 1:
            return GENESIS
        found: bytes | None = await self._session.scalar(_HASH, {"tenant_id": self._tenant_id, "seq": seq - 1})
        if found is not None:
            return found
        for stretch in self._stretches:
            if stretch.first_seq < seq <= stretch.last_seq + 1:
                return stretch.last_hash if stretch.last_seq == seq - 1 else None
        self._missing(seq - 1, seq - 1)
        return None

    def _over(self, first: int, last: int) -> bytes | None:
        """The hash behind a gap that archives cover wholly; None for any other, which is told."""
        place, hash_there = first, None
        for stretch in self._stretches:
            if stretch.first_seq <= place <= min(last, stretch.last_seq):
                place = min(last, stretch.last_seq) + 1
                hash_there = stretch.last_hash if stretch.last_seq <= last else None
                self._anchored(stretch.last_seq, stretch.last_hash, None)
        self._archived += place - first
        self._missing(place, last)
        return hash_there if place > last else None

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
        own = row.seq - self._shift
        self._anchored(row.seq, row.hash, row.id)
        if row.hash != self._archived_ends.get(row.seq, row.hash):
            self._tell("archive", row.seq, row.id, "La entrada no es la última que guarda su archivo.")
        if previous is None:
            detail = "Falta la entrada anterior: no se puede comprobar que esta siga igual."
            self._tell("unknown", row.seq, row.id, detail)
            self._good, self._doubtful = (row.hash, own), 0
            return
        self._checked += 1
        link = Link(seq=row.seq, id=row.id, number=row.number or 0, content=row.content, hash=row.hash)
        if self._compute(link, previous, own) != row.hash and not self._fits_otherwise(link, previous, own):
            self._suspects.add(Suspect(link=link, place=own, previous=previous))
            self._doubtful += 1
            return
        self._good, self._doubtful = (row.hash, row.seq - self._shift), 0
        if not _agrees(row):
            self._tell("changed", row.seq, row.id, "Las columnas de la entrada no dicen lo mismo que su contenido.")

    def _fits_otherwise(self, link: Link, previous: bytes, own: int) -> bool:
        """Whether the entry follows once what was put in before it is left out, or what was taken out is counted."""
        if not self._doubtful:
            return False
        if self._good is not None:
            hash_there, place = self._good
            follows = self._compute(link, hash_there, place + 1) == link.hash
            if follows and self._suspects.put_in(self._doubtful, link, place + 1):
                self._shift = link.seq - (place + 1)
                return True
        for taken in range(1, _FARTHEST + 1):
            if self._compute(link, previous, own + taken) == link.hash:
                first = own - self._doubtful
                detail = f"Se quitaron {taken} entradas antes de la {first} y las demás se numeraron de nuevo."
                self._note(Break(kind="missing", seq=first, last_seq=first, entry_id=None, detail=detail))
                self._suspects.orphan()
                self._shift -= taken
                return True
        return False

    def _anchored(self, seq: int, hash_there: bytes, entry_id: UUID | None) -> None:
        anchor = self._anchors.pop(seq, None)
        if anchor is None:
            return
        self._compared += 1
        if anchor.hash != hash_there.hex():
            detail = f"No es la cabeza que se anotó el {anchor.at:%Y-%m-%d %H:%M} UTC."
            self._tell("checkpoint", seq, entry_id, detail)

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
            self._note(Break(kind="missing", seq=first, last_seq=last, entry_id=None, detail=detail))

    def _tell(self, kind: BreakKind, seq: int, entry_id: UUID | None, detail: str) -> None:
        self._note(Break(kind=kind, seq=seq, last_seq=seq, entry_id=entry_id, detail=detail))

    def _note(self, found: Break) -> None:
        self._count += 1
        if self._hear is not None:
            self._hear(found)
        if len(self._breaks) < _MOST_TOLD:
            self._breaks.append(found)


def _agrees(row: Any) -> bool:
    try:
        content = _SUBJECT.decode(row.content)
    except msgspec.MsgspecError:
        return False
    return (content.action, content.at, content.subject) == (row.action, row.at, row.subject_id)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which chains a command verifies."""

    tenant_id: UUID | None = None
    """None: all."""
    from_seq: int = 1
    to_seq: int | None = None
    checkpoints: Path | None = None
    """Folder of anchored heads."""


async def verify_companies(
    database: Database,
    wanted: Wanted,
    told: Callable[[UUID, Verification, int, int], None],
    tell: Tell | None = None,
) -> bool:
    """Verify one company's chain, or every company's; `told` hears each result with its place among how many.

    Answers whether all of it is intact.
    """
    async with database.platform_transaction() as session:
        companies = [wanted.tenant_id] if wanted.tenant_id else list((await session.scalars(_COMPANIES)).all())
    intact = True
    for place, company in enumerate(companies, start=1):
        anchors = read_file(wanted.checkpoints, company) if wanted.checkpoints else ()
        async with database.job_transaction(company) as work:
            found = await verify_chain(work, wanted.from_seq, wanted.to_seq, anchors=anchors, tell=tell)
        intact = intact and found.intact
        told(company, found, place, len(companies))
    return intact
