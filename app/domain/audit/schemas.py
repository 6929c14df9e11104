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


class Break(Output):
    """A place where the chain is not what was written."""

    kind: Literal["changed", "missing", "head", "unknown"]
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
    head_seq: int
    intact: bool
    breaks: list[Break]
