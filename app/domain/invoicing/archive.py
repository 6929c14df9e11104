"""The archive of a document as people take it away: one file, the list of them, or everything in a zip with its hashes."""

import asyncio
from hashlib import sha256
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select

from app.db.session import Work
from app.domain.invoicing.delivery_schemas import ArchivedFileOut, ArchivedFilePage
from app.domain.invoicing.documents import DocumentReader
from app.domain.invoicing.drawing import DRAWER, PdfWidth
from app.domain.invoicing.kept import Standing, kept_file, standing, validated_at
from app.domain.invoicing.models import DocumentEvent, DocumentFile
from app.domain.invoicing.wrapping import printed_of
from app.domain.tenants.logo import logo_bytes
from app.integrations.dian.files import pack
from app.lib.errors import Conflict, NotFound
from app.lib.pages import after, cut
from app.lib.schemas import JSON

_LOG = structlog.stdlib.get_logger("mostrador.invoicing")
_LARGEST: Final = 40_000_000
"""Bytes of all files of one archive, unpacked: a document with many corrections stays far below."""
_EVENTS: Final = 5_000


class ArchiveReader:
    """Files of documents of the company of the request, in the caller's branches."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, document_id: UUID, limit: int, cursor: str | None) -> ArchivedFilePage:
        """What the archive holds of a document, the oldest first."""
        await self._find(document_id)
        columns = (
            *(DocumentFile.id, DocumentFile.kind, DocumentFile.version, DocumentFile.name),
            *(DocumentFile.size, DocumentFile.sha256, DocumentFile.created_at),
        )
        statement = after(
            select(*columns)
            .where(DocumentFile.tenant_id == self._work.tenant_id, DocumentFile.document_id == document_id)
            .limit(limit + 1),
            (DocumentFile.id,),
            cursor,
            tuple[UUID],
            descending=False,
        )
        rows, next_cursor = cut(list((await self._work.session.execute(statement)).all()), limit, lambda row: (row.id,))
        items = [
            ArchivedFileOut(
                id=row.id,
                kind=row.kind,
                version=row.version,
                name=row.name,
                size=row.size,
                sha256=row.sha256.hex(),
                kept_at=row.created_at,
            )
            for row in rows
        ]
        return ArchivedFilePage(items=items, next_cursor=next_cursor)

    async def container(self, document_id: UUID) -> DocumentFile:
        """The AttachedDocument. Raises `NotFound` until DIAN has accepted the document and it is made.

        Of one issued while DIAN is away it is what its buyer got: without DIAN's answer.
        """
        document = await self._find(document_id)
        found = await kept_file(self._work, document_id, document.version, "attached")
        if found is None and document.is_provisional:
            found = await kept_file(self._work, document_id, document.version, "provisional")
        if found is None:
            raise NotFound("El documento todavía no tiene ese archivo.")
        return found

    async def pdf(self, document_id: UUID, width: PdfWidth) -> tuple[str, bytes]:
        """The printed form, with the name of its file: the one that the buyer got, or one drawn now."""
        document = await self._find(document_id)
        name = f"{document.row.number}.pdf"
        if width == "letter":
            kept = await kept_file(self._work, document_id, document.version, "pdf")
            if kept is not None:
                return kept.name, kept.content
        response = None
        if document.is_accepted:
            response = await kept_file(self._work, document_id, document.version, "response")
        when = document.decided_at
        if response is not None:
            when = await asyncio.to_thread(validated_at, response.content, when)
        return name, await DRAWER.draw(printed_of(document, when, await self._logo()), width)

    async def everything(self, document_id: UUID) -> tuple[str, bytes]:
        """A zip of all files with their hashes and the document's history. Raises 409 when one is not what was kept."""
        document = await self._find(document_id)
        tenant_id = self._work.tenant_id
        mine = (DocumentFile.tenant_id == tenant_id, DocumentFile.document_id == document_id)
        count, size = (
            await self._work.session.execute(
                select(func.count(), func.coalesce(func.sum(DocumentFile.size), 0)).where(*mine)
            )
        ).one()
        if not count:
            raise NotFound("El documento todavía no tiene archivos.")
        if size > _LARGEST:
            raise Conflict(
                "Los archivos del documento son demasiados: descárguelos uno por uno.", code="archive-too-large"
            )
        rows = list(await self._work.session.scalars(select(DocumentFile).where(*mine).order_by(DocumentFile.id)))
        events = await self._work.session.scalars(
            select(DocumentEvent)
            .where(DocumentEvent.tenant_id == tenant_id, DocumentEvent.document_id == document_id)
            .order_by(DocumentEvent.id)
            .limit(_EVENTS)
        )
        history = [{"at": event.at, "kind": event.kind, "detail": event.detail, "data": event.data} for event in events]
        return f"{document.row.number}.zip", await asyncio.to_thread(_pack, rows, JSON.encode(history))

    async def _find(self, document_id: UUID) -> Standing:
        await DocumentReader(self._work).find(document_id)
        document = await standing(self._work, document_id)
        assert document is not None
        return document

    async def _logo(self) -> bytes | None:
        try:
            return await logo_bytes(self._work)
        except NotFound:
            return None


def _pack(rows: list[DocumentFile], history: bytes) -> bytes:
    files: dict[str, bytes] = {}
    hashes = []
    for place, row in enumerate(rows, start=1):
        if sha256(row.content).digest() != row.sha256:
            _LOG.error("archived file damaged", file_id=str(row.id), document_id=str(row.document_id))
            raise Conflict("Un archivo del documento no es el que se guardó: avise a soporte.", code="archive-damaged")
        name = f"{place:03d}-v{row.version}-{row.kind}-{row.name}"
        files[name] = row.content
        hashes.append(f"{row.sha256.hex()}  {name}\n")
    files["historia.json"] = history
    files["sha256.txt"] = "".join(hashes).encode()
    return pack(files)
