"""Bodies of the audit endpoints."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app.lib.schemas import Output, Page


class AuditActorOut(Output):
    user_id: UUID
    name: str
    role: str


class AuditEntryOut(Output):
    """One link as people read it."""

    seq: int
    id: UUID
    at: datetime
    action: str
    subject_id: UUID
    number: int
    """A ticket's or document's consecutive; 0 where there is none."""
    actor: AuditActorOut | None
    """Null, as what follows, when the row no longer holds what was written."""
    address: str | None
    request_id: str | None
    before: Any
    after: Any
    hash: str
    """SHA-256, hexadecimal."""


class AuditPage(Page):
    items: list[AuditEntryOut]


BreakKind = Literal["changed", "missing", "inserted", "moved", "truncated", "head", "checkpoint", "archive", "unknown"]
"""Altered content or hash; gone; put in; at another's place; the end cut off; the kept end is another; not what was
anchored; an archive that does not fit; what cannot be proven because what stood before it is gone.
"""


class Break(Output):
    """A place where the chain is not what was written."""

    kind: BreakKind
    seq: int
    last_seq: int
    """The same as `seq`, or the end of a gap."""
    entry_id: UUID | None
    detail: str


class Verification(Output):
    """What a look at a stretch of the chain found."""

    from_seq: int
    to_seq: int
    checked: int
    """Entries that were there and were computed again."""
    archived: int
    """Entries that lie in signed archives instead; `mostrador audit verify-archive` computes those."""
    checkpoints: int
    """Anchored heads that were compared."""
    head_seq: int
    intact: bool
    break_count: int
    breaks: list[Break]
    """The first thousand; the command tells all of them."""
