"""Documents of tickets and returns, for the domains that show them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select

from app.db.session import Work
from app.domain.invoicing.kinds import HABILITATION, KINDS, Kind
from app.domain.invoicing.model import thaw
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
    is_trial: bool
    """Of the habilitación: worth nothing to the tax office."""


class Printed(msgspec.Struct, frozen=True):
    """What the law prints besides number, code and QR."""

    title: str
    uuid_name: str
    """CUFE, CUDE or CUDS."""
    notes: tuple[str, ...]
    """Resolution, maker of the software, and that this is only a representation."""


async def issues_documents(work: Work) -> bool:
    """Whether the company has issued any electronic document."""
    found = await work.session.scalar(select(Document.id).where(Document.tenant_id == work.tenant_id).limit(1))
    return found is not None


async def printed_parts(work: Work, document_id: UUID) -> Printed:
    """The fixed texts of a document's printed form (SPEC §13)."""
    row = (
        await work.session.execute(
            select(Document.content, DocumentState.kind)
            .join(
                DocumentState, and_(DocumentState.tenant_id == work.tenant_id, DocumentState.document_id == Document.id)
            )
            .where(Document.tenant_id == work.tenant_id, Document.id == document_id)
        )
    ).one()
    paper, fixed = thaw(row.content.encode()), KINDS[Kind(row.kind)]
    notes = [f"Responsabilidades: {', '.join(paper.issuer.responsibilities)}"]
    if paper.range is not None:
        numbers = paper.range
        notes.append(
            f"Autorización de numeración DIAN {numbers.authorization}, de {numbers.prefix}{numbers.first} a "
            f"{numbers.prefix}{numbers.last}, vigente del {numbers.valid_from} al {numbers.valid_to}"
        )
    notes.append(
        f"Software: {paper.software.name}, de {paper.software.maker}, "
        f"NIT {paper.software.provider_nit}-{paper.software.provider_dv}"
    )
    notes.append("Representación gráfica del documento electrónico")
    return Printed(fixed.name, fixed.scheme.partition("-")[0], tuple(notes))


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
            Document.environment == HABILITATION,
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
