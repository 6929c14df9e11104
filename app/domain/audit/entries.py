"""Reading the trail: newest first, and as a file."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, select

from app.db.platform import AuditEntry
from app.db.session import Database, Work
from app.domain.accounts.names import member_names
from app.domain.audit.schemas import AuditActorOut, AuditEntryOut, AuditPage
from app.lib import clock
from app.lib.actor import Actor
from app.lib.pages import after, cut
from app.lib.person_keys import Keyring, opened, people_in
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


class _Who(msgspec.Struct, rename="camel"):
    user_id: UUID
    role: str
    name: str = ""
    """Only of what is nobody: the system."""


class _Content(msgspec.Struct, rename="camel"):
    actor: _Who
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
    return AuditPage(items=await read_entries(work, page), next_cursor=next_cursor)


async def export_entries(database: Database, actor: Actor, wanted: AuditFilter, kind: str) -> AsyncIterator[bytes]:
    """Everything that matches, newest first, as CSV or as a JSON list; each batch is read in a transaction of its own."""
    first = True
    yield _csv([_COLUMNS]) if kind == "csv" else b"["
    async for entry in all_entries(database, actor, wanted):
        if kind == "csv":
            yield _csv([_cells(entry)])
        else:
            yield (b"" if first else b",") + JSON.encode(entry)
        first = False
    if kind != "csv":
        yield b"]"


async def all_entries(database: Database, actor: Actor, wanted: AuditFilter) -> AsyncIterator[AuditEntryOut]:
    """Every entry that matches, newest first, in batches."""
    statement = _wanted(actor, wanted).order_by(AuditEntry.seq.desc()).limit(_BATCH)
    behind: int | None = None
    while True:
        page = statement if behind is None else statement.where(AuditEntry.seq < behind)
        async with database.tenant_transaction(actor) as work:
            rows = (await work.session.scalars(page)).all()
            entries = await read_entries(work, rows)
        for entry in entries:
            yield entry
        if len(rows) < _BATCH:
            return
        behind = rows[-1].seq


async def read_entries(work: Work, rows: Sequence[AuditEntry]) -> list[AuditEntryOut]:
    """Rows as people read them: with the names of who acted, and what is sealed opened where its key still exists."""
    contents = [_decoded(row) for row in rows]
    people = {content.actor.user_id for content in contents if content}
    persons = {person for content in contents if content for person in people_in([content.before, content.after])}
    names = await member_names(work, people)
    keys = await work.database.person_keys.keyring(work.session, work.tenant_id, persons)
    return [_entry_out(work.tenant_id, row, content, names, keys) for row, content in zip(rows, contents, strict=True)]


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
        statement = statement.where(AuditEntry.actor == str(wanted.user_id))
    if wanted.from_day is not None:
        statement = statement.where(AuditEntry.at >= clock.day_begun(wanted.from_day, actor.time_zone))
    if wanted.to_day is not None:
        statement = statement.where(AuditEntry.at < clock.day_ended(wanted.to_day, actor.time_zone))
    return statement


def _decoded(row: AuditEntry) -> _Content | None:
    """None for a row that was tampered with."""
    try:
        return _CONTENT.decode(row.content)
    except msgspec.MsgspecError:
        return None


def _entry_out(
    tenant_id: UUID, row: AuditEntry, content: _Content | None, names: Mapping[UUID, str], keys: Keyring
) -> AuditEntryOut:
    who = content.actor if content else None
    return AuditEntryOut(
        seq=row.seq,
        id=row.id,
        at=row.at,
        action=row.action,
        subject_id=row.subject_id,
        number=row.number or 0,
        actor=AuditActorOut(user_id=who.user_id, name=who.name or names.get(who.user_id, ""), role=who.role)
        if who
        else None,
        address=content.address if content else None,
        request_id=content.request_id if content else None,
        before=opened(content.before, tenant_id, keys) if content else None,
        after=opened(content.after, tenant_id, keys) if content else None,
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
