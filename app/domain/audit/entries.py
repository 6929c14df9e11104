"""Reading the trail: newest first, and as a file."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Select, select

from app.db.platform import AuditEntry
from app.db.session import Database, Work
from app.domain.audit.schemas import AuditActorOut, AuditEntryOut, AuditPage
from app.lib.actor import Actor
from app.lib.pages import after, cut
from app.lib.schemas import JSON

_BATCH: Final = 500
_COLUMNS: Final = (
    "seq",
    "at",
    "action",
    "subjectId",
    "number",
    "userId",
    "name",
    "role",
    "address",
    "requestId",
    "before",
    "after",
    "hash",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What of the trail is wanted; None leaves a question out."""

    action: str | None = None
    """`sale.posted`, or `sale.` for all of a subject's."""
    subject_id: UUID | None = None
    user_id: UUID | None = None
    from_day: date | None = None
    to_day: date | None = None
    """Included."""


class _Content(msgspec.Struct, rename="camel"):
    actor: AuditActorOut
    address: str
    request_id: str
    before: Any
    after: Any


_CONTENT = msgspec.json.Decoder(_Content)


async def list_entries(work: Work, wanted: AuditFilter, limit: int, cursor: str | None) -> AuditPage:
    """A page, newest first."""
    statement = after(_wanted(work.actor, wanted), [AuditEntry.seq], cursor, tuple[int], descending=True)
    rows = (await work.session.scalars(statement.limit(limit + 1))).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.seq,))
    return AuditPage(items=[entry_out(row) for row in page], next_cursor=next_cursor)


async def export_entries(database: Database, actor: Actor, wanted: AuditFilter, kind: str) -> AsyncIterator[bytes]:
    """Everything that matches, newest first, as CSV or as a JSON list; each batch is read in a transaction of its own."""
    first = True
    yield _csv([_COLUMNS]) if kind == "csv" else b"["
    async for row in _all(database, actor, wanted):
        entry = entry_out(row)
        if kind == "csv":
            yield _csv([_cells(entry)])
        else:
            yield (b"" if first else b",") + JSON.encode(entry)
        first = False
    if kind != "csv":
        yield b"]"


async def _all(database: Database, actor: Actor, wanted: AuditFilter) -> AsyncIterator[AuditEntry]:
    statement = _wanted(actor, wanted).order_by(AuditEntry.seq.desc()).limit(_BATCH)
    behind: int | None = None
    while True:
        page = statement if behind is None else statement.where(AuditEntry.seq < behind)
        async with database.tenant_transaction(actor) as work:
            rows = (await work.session.scalars(page)).all()
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        behind = rows[-1].seq


def _wanted(actor: Actor, wanted: AuditFilter) -> Select[AuditEntry]:
    statement = select(AuditEntry).where(AuditEntry.tenant_id == actor.tenant_id)
    if wanted.action is not None:
        same = AuditEntry.action == wanted.action
        statement = statement.where(
            AuditEntry.action.startswith(wanted.action, autoescape=True) if wanted.action.endswith(".") else same
        )
    if wanted.subject_id is not None:
        statement = statement.where(AuditEntry.subject_id == wanted.subject_id)
    if wanted.user_id is not None:
        # The content is canonical, so its beginning has one shape; a pattern cannot fail on a row that was tampered with.
        beginning = r'^\{"action":"[^"]*","actor":\{"name":"([^"\\]|\\.)*","role":"[^"]*","userId":"' + str(
            wanted.user_id
        )
        statement = statement.where(AuditEntry.content.regexp_match(beginning + '"'))
    if wanted.from_day is not None:
        statement = statement.where(AuditEntry.at >= _midnight(wanted.from_day, actor.time_zone))
    if wanted.to_day is not None:
        statement = statement.where(AuditEntry.at < _midnight(wanted.to_day + timedelta(days=1), actor.time_zone))
    return statement


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(zone))


def entry_out(row: AuditEntry) -> AuditEntryOut:
    """A row as people read it; one that was tampered with shows what is still there."""
    try:
        content = _CONTENT.decode(row.content)
    except msgspec.MsgspecError:
        content = None
    return AuditEntryOut(
        seq=row.seq,
        id=row.id,
        at=row.at,
        action=row.action,
        subject_id=row.subject_id,
        number=row.number or 0,
        actor=content.actor if content else None,
        address=content.address if content else None,
        request_id=content.request_id if content else None,
        before=content.before if content else None,
        after=content.after if content else None,
        hash=row.hash.hex(),
    )


def _cells(entry: AuditEntryOut) -> tuple[str, ...]:
    actor = entry.actor
    return (
        str(entry.seq),
        msgspec.to_builtins(entry.at),
        entry.action,
        str(entry.subject_id),
        str(entry.number),
        str(actor.user_id) if actor else "",
        actor.name if actor else "",
        actor.role if actor else "",
        entry.address or "",
        entry.request_id or "",
        JSON.encode(entry.before).decode(),
        JSON.encode(entry.after).decode(),
        entry.hash,
    )


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
