"""Reading documents: lists, one whole, its history and its files."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, Select, SQLColumnExpression, and_, func, select

from app.db.session import Work
from app.domain.invoicing.explain import explain
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.models import FINAL, Document, DocumentEvent, DocumentFile, DocumentState, DocumentVersion
from app.domain.invoicing.schemas import (
    DocumentDetailOut,
    DocumentPage,
    DocumentSummaryOut,
    EnvironmentName,
    EventOut,
    EventPage,
    RuleOut,
)
from app.domain.tenants.scope import branch_refusal, check_branch, in_branches
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import NotFound
from app.lib.pages import after, cut
from app.lib.schemas import Input

BOGOTA: Final = "America/Bogota"
FileKind = Literal["xml", "response"]
_ENVIRONMENTS: Final[dict[str, EnvironmentName]] = {"1": "production", "2": "habilitation"}


class DocumentFilters(Input):
    """What a list of documents can be narrowed to."""

    status: str | None = None
    kind: str | None = None
    day_from: date | None = None
    day_to: date | None = None
    sale_id: UUID | None = None
    number: str | None = None


class DocumentReader:
    """Documents of the company of the request, in the caller's branches."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def find(self, document_id: UUID) -> Document:
        """The document's row. Raises `NotFound`, also for another company's; 403 for one of a branch not the caller's."""
        row = (
            await self._work.session.scalars(
                select(Document).where(Document.tenant_id == self._work.tenant_id, Document.id == document_id)
            )
        ).one_or_none()
        if row is None:
            raise NotFound("No existe ese documento.")
        check_document_branch(self._work.actor, row.branch_id)
        return row

    async def page(self, filters: DocumentFilters, limit: int, cursor: str | None) -> DocumentPage:
        """Documents, the newest first."""
        conditions: list[SQLColumnExpression[bool]] = [*in_branches(self._work.actor, Document.branch_id)]  # type: ignore[arg-type]
        if filters.status:
            conditions.append(DocumentState.status == filters.status)
        if filters.kind:
            conditions.append(DocumentState.kind == filters.kind)
        if filters.day_from:
            conditions.append(Document.issued_at >= clock.day_begun(filters.day_from, BOGOTA))
        if filters.day_to:
            conditions.append(Document.issued_at < clock.day_ended(filters.day_to, BOGOTA))
        if filters.sale_id:
            conditions.append(Document.sale_id == filters.sale_id)
        if filters.number:
            conditions.append(Document.number == filters.number)
        statement = after(
            self._rows().where(*conditions).limit(limit + 1),
            (Document.issued_at, Document.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows, next_cursor = cut(
            list((await self._work.session.execute(statement)).all()),
            limit,
            lambda row: (row[0].issued_at, row[0].id),
        )
        return DocumentPage(items=[_summary(row) for row in rows], next_cursor=next_cursor)

    async def read(self, document_id: UUID) -> DocumentDetailOut:
        """One document as it stands, with what DIAN said and how to mend it."""
        await self.find(document_id)
        row = (
            await self._work.session.execute(
                self._rows().where(Document.id == document_id).execution_options(populate_existing=True)
            )
        ).one()
        document, state, qr, _ = row
        files = set(
            await self._work.session.scalars(
                select(DocumentFile.kind).where(
                    DocumentFile.tenant_id == self._work.tenant_id,
                    DocumentFile.document_id == document_id,
                    DocumentFile.version == state.version,
                )
            )
        )
        return DocumentDetailOut(
            **_summary_values(row),
            environment=_ENVIRONMENTS[document.environment],
            version=state.version,
            qr=qr,
            message=state.message,
            rules=rules_out(state.rules),
            attempts=state.attempts,
            next_at=None if state.status in FINAL else state.next_at,
            decided_at=state.decided_at,
            has_xml="xml" in files,
            has_response="response" in files,
        )

    async def events(self, document_id: UUID, limit: int, cursor: str | None) -> EventPage:
        """Every step of a document's life, the oldest first."""
        await self.find(document_id)
        statement = after(
            select(DocumentEvent)
            .where(DocumentEvent.tenant_id == self._work.tenant_id, DocumentEvent.document_id == document_id)
            .limit(limit + 1),
            (DocumentEvent.id,),
            cursor,
            tuple[UUID],
            descending=False,
        )
        rows, next_cursor = cut(list(await self._work.session.scalars(statement)), limit, lambda row: (row.id,))
        return EventPage(items=[_event(row) for row in rows], next_cursor=next_cursor)

    async def file(self, document_id: UUID, kind: FileKind) -> DocumentFile:
        """Signed XML or answer of the current version, the newest. Raises `NotFound` while there is none."""
        await self.find(document_id)
        found = (
            await self._work.session.scalars(
                select(DocumentFile)
                .join(
                    DocumentState,
                    and_(
                        DocumentState.tenant_id == self._work.tenant_id,
                        DocumentState.document_id == DocumentFile.document_id,
                        DocumentState.version == DocumentFile.version,
                    ),
                )
                .where(
                    DocumentFile.tenant_id == self._work.tenant_id,
                    DocumentFile.document_id == document_id,
                    DocumentFile.kind == kind,
                )
                .order_by(DocumentFile.id.desc())
                .limit(1)
            )
        ).one_or_none()
        if found is None:
            raise NotFound("El documento todavía no tiene ese archivo.")
        return found

    def _rows(self) -> Select[*tuple[Any, ...]]:
        return (
            select(
                Document,
                DocumentState,
                func.coalesce(DocumentVersion.qr, Document.qr),
                func.coalesce(DocumentVersion.issued_at, Document.issued_at),
            )
            .join(
                DocumentState,
                and_(DocumentState.tenant_id == self._work.tenant_id, DocumentState.document_id == Document.id),
            )
            .outerjoin(
                DocumentVersion,
                and_(
                    DocumentVersion.tenant_id == self._work.tenant_id,
                    DocumentVersion.document_id == Document.id,
                    DocumentVersion.version == DocumentState.version,
                ),
            )
            .where(Document.tenant_id == self._work.tenant_id)
        )


def check_document_branch(actor: Actor, branch_id: UUID | None) -> None:
    """Raise 403 for a document of a branch not the caller's, or of the company as a whole for who is limited to some."""
    if branch_id is not None:
        check_branch(actor, branch_id)
    elif actor.branches is not None:
        raise branch_refusal()


def rules_out(rules: Sequence[dict[str, Any]]) -> list[RuleOut]:
    """Rules with their explanation."""
    found: list[RuleOut] = []
    for rule in rules:
        why = explain(rule["code"])
        found.append(
            RuleOut(
                code=rule["code"],
                text=rule["text"],
                rejects=rule["rejects"],
                cause=why.cause,
                mend=why.mend,
                place=why.place,
            )
        )
    return found


def _summary_values(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    document, state, _, issued_at = row
    return {
        "id": document.id,
        "kind": state.kind,
        "kind_name": KINDS[Kind(state.kind)].name,
        "number": document.number,
        "status": state.status,
        "uuid": state.uuid,
        "issued_at": issued_at,
        "payable": document.payable,
        "counterpart_name": document.counterpart_name,
        "counterpart_identification": document.counterpart_identification,
        "sale_id": document.sale_id,
        "return_id": document.return_id,
        "corrects_id": document.corrects_id,
        "is_test": document.is_test,
    }


def _summary(row: Row[*tuple[Any, ...]]) -> DocumentSummaryOut:
    return DocumentSummaryOut(**_summary_values(row))


def _event(row: DocumentEvent) -> EventOut:
    return EventOut(
        id=row.id,
        kind=row.kind,
        at=row.at,
        detail=row.detail,
        user_id=row.user_id,
        status_code=row.data.get("statusCode") or "",
        http_status=row.data.get("httpStatus"),
        rules=rules_out(row.data.get("rules") or []),
    )
