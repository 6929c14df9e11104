"""A document that is there, as it stands now."""

from typing import Final

import msgspec
from sqlalchemy import and_, func, select

from app.db.session import Work
from app.domain.invoicing.model import Document as Frozen
from app.domain.invoicing.model import Reference, thaw
from app.domain.invoicing.models import Document, DocumentState, DocumentVersion


class Known(msgspec.Struct, frozen=True):
    """A document with its current version."""

    row: Document
    status: str
    uuid: str
    content: Frozen

    def as_reference(self) -> Reference:
        return Reference(
            kind=self.content.kind,
            number=self.row.number,
            uuid=self.uuid,
            issued_on=self.content.local_time.date(),
        )


STATE: Final = (
    Document,
    DocumentState,
    and_(DocumentState.tenant_id == Document.tenant_id, DocumentState.document_id == Document.id),
)
"""For `join_from`: a document with its state."""
VERSION: Final = (
    DocumentVersion,
    and_(
        DocumentVersion.tenant_id == DocumentState.tenant_id,
        DocumentVersion.document_id == DocumentState.document_id,
        DocumentVersion.version == DocumentState.version,
    ),
)
"""For `outerjoin`: the version that counts now, where it is not the first."""


async def find_document(work: Work, condition: object) -> Known | None:
    """The one document of a condition, as it stands now."""
    found = (
        await work.session.execute(
            select(
                Document,
                DocumentState.status,
                DocumentState.uuid,
                func.coalesce(DocumentVersion.content, Document.content),
            )
            .join_from(*STATE)
            .outerjoin(*VERSION)
            .where(Document.tenant_id == work.tenant_id, condition)  # type: ignore[arg-type]
        )
    ).one_or_none()
    if found is None:
        return None
    row, status, uuid, content = found
    return Known(row, status, uuid, msgspec.structs.replace(thaw(content.encode()), number=row.number))
