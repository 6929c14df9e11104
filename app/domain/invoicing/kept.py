"""A document as it stands, with its frozen copy, and what the archive holds of it."""

from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.events import event
from app.domain.invoicing.files import Kept
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.known import STATE, VERSION
from app.domain.invoicing.model import Document as Frozen
from app.domain.invoicing.model import thaw
from app.domain.invoicing.models import FINAL, Document, DocumentFile, DocumentState, DocumentVersion

_NS: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A document in its current version."""

    row: Document
    version: int
    kind: Kind
    status: str
    uuid: str
    qr: str
    decided_at: datetime | None
    content: Frozen

    @property
    def is_accepted(self) -> bool:
        return self.status == "accepted"

    @property
    def is_provisional(self) -> bool:
        """Issued while DIAN is away, and not decided: the buyer gets it without DIAN's answer (annex §12)."""
        return self.kind is Kind.DIAN_CONTINGENCY and self.status not in FINAL

    @property
    def is_deliverable(self) -> bool:
        return (self.is_accepted or self.is_provisional) and not self.row.is_test


async def standing(work: Work, document_id: UUID) -> Standing | None:
    """The document; None when the company has no such one."""
    found = (
        await work.session.execute(
            select(
                Document,
                DocumentState.version,
                DocumentState.kind,
                DocumentState.status,
                DocumentState.uuid,
                func.coalesce(DocumentVersion.qr, Document.qr),
                DocumentState.decided_at,
                func.coalesce(DocumentVersion.content, Document.content),
            )
            .join_from(*STATE)
            .outerjoin(*VERSION)
            .where(Document.tenant_id == work.tenant_id, Document.id == document_id)
        )
    ).one_or_none()
    if found is None:
        return None
    row, version, kind, status, uuid, qr, decided_at, content = found
    return Standing(
        row=row,
        version=version,
        kind=Kind(kind),
        status=status,
        uuid=uuid,
        qr=qr,
        decided_at=decided_at,
        content=msgspec.structs.replace(thaw(content.encode()), number=row.number),
    )


async def kept_file(work: Work, document_id: UUID, version: int, kind: Kept) -> DocumentFile | None:
    """The newest file of a kind of a version."""
    found: DocumentFile | None = await work.session.scalar(
        select(DocumentFile)
        .where(
            DocumentFile.tenant_id == work.tenant_id,
            DocumentFile.document_id == document_id,
            DocumentFile.version == version,
            DocumentFile.kind == kind,
        )
        .order_by(DocumentFile.id.desc())
        .limit(1)
    )
    return found


async def keep_once(work: Work, document_id: UUID, version: int, kind: Kept, name: str, content: bytes) -> bool:
    """Archive what is made once of each version; False when somebody else already did."""
    made = await work.session.scalar(
        insert(DocumentFile)
        .values(
            tenant_id=work.tenant_id,
            id=uuid7(),
            document_id=document_id,
            version=version,
            kind=kind,
            name=name,
            sha256=sha256(content).digest(),
            size=len(content),
            content=content,
        )
        .on_conflict_do_nothing()
        .returning(DocumentFile.id)
    )
    return made is not None


def note(work: Work, document_id: UUID, kind: str, detail: str = "", user_id: UUID | None = None) -> None:
    """Write a step of a document's life."""
    event(work, document_id, kind, {}, detail, user_id)


def validated_at(response: bytes | None, decided_at: datetime | None) -> datetime | None:
    """When DIAN's answer says that it validated; when it came, if it does not say. For a thread of its own."""
    if response is None or b"<!DOCTYPE" in response or b"<!ENTITY" in response:
        return decided_at
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(response, parser)
        day, time = root.findtext(f"{{{_NS}}}IssueDate", ""), root.findtext(f"{{{_NS}}}IssueTime", "")
        found = datetime.fromisoformat(f"{day.strip()}T{time.strip()}")
    except (etree.XMLSyntaxError, ValueError):
        return decided_at
    return found if found.tzinfo is not None else decided_at
