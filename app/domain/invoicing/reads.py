"""Documents of tickets and returns, for the domains that show them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select

from app.db.session import Work
from app.domain.invoicing.models import Document, DocumentState, DocumentVersion


class Shown(msgspec.Struct, frozen=True):
    """A document as the counter shows it: its current version, where it stands."""

    id: UUID
    kind: str
    number: str
    status: str
    uuid: str
    qr: str
    issued_at: datetime


async def documents_of_sales(work: Work, sale_ids: Sequence[UUID]) -> dict[UUID, Shown]:
    """Ticket to its document; those without one are absent."""
    return await _documents(work, "sale_id", sale_ids)


async def documents_of_returns(work: Work, return_ids: Sequence[UUID]) -> dict[UUID, Shown]:
    """Return or void to its note; those without one are absent."""
    return await _documents(work, "return_id", return_ids)


async def _documents(work: Work, source: str, ids: Sequence[UUID]) -> dict[UUID, Shown]:
    column = Document.__table__.c[source]
    rows = await work.session.execute(
        select(
            column,
            Document.id,
            DocumentState.kind,
            Document.number,
            DocumentState.status,
            DocumentState.uuid,
            func.coalesce(DocumentVersion.qr, Document.qr),
            func.coalesce(DocumentVersion.issued_at, Document.issued_at),
        )
        .join(DocumentState, and_(DocumentState.tenant_id == work.tenant_id, DocumentState.document_id == Document.id))
        .outerjoin(
            DocumentVersion,
            and_(
                DocumentVersion.tenant_id == work.tenant_id,
                DocumentVersion.document_id == Document.id,
                DocumentVersion.version == DocumentState.version,
            ),
        )
        .where(Document.tenant_id == work.tenant_id, column.in_(ids))
    )
    return {row[0]: Shown(*row[1:]) for row in rows}
