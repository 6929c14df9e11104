"""Reading what the staff did, the newest first."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from app.db.session import Database
from app.domain.provider.models import ProviderEntry
from app.domain.provider.staff_schemas import TrailEntryOut, TrailPage, TrailStaffOut
from app.lib.pages import after, cut


class _Content(msgspec.Struct, rename="camel"):
    staff: TrailStaffOut
    address: str
    request_id: str
    subject: UUID
    after: Any


_CONTENT = msgspec.json.Decoder(_Content)


async def list_trail(
    database: Database, *, staff_id: UUID | None, company_id: UUID | None, limit: int, cursor: str | None
) -> TrailPage:
    """A page of the operator's own trail."""
    statement = select(ProviderEntry).limit(limit + 1)
    if staff_id is not None:
        statement = statement.where(ProviderEntry.staff_id == staff_id)
    if company_id is not None:
        statement = statement.where(ProviderEntry.company_id == company_id)
    statement = after(statement, [ProviderEntry.seq], cursor, tuple[int], descending=True)
    async with database.platform_transaction() as session:
        rows = (await session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.seq,))
    return TrailPage(items=[_entry_out(row) for row in page], next_cursor=next_cursor)


def _entry_out(row: ProviderEntry) -> TrailEntryOut:
    content = _CONTENT.decode(row.content)
    return TrailEntryOut(
        seq=row.seq,
        at=row.at,
        action=row.action,
        staff=content.staff,
        company_id=row.company_id,
        subject_id=content.subject,
        address=content.address,
        request_id=content.request_id,
        after=content.after,
        hash=row.hash.hex(),
    )
