"""Names of sent files, and the archive: signed XML and answers byte for byte, with their hash."""

from datetime import datetime
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.model import BOGOTA, Document
from app.domain.invoicing.models import DocumentFile
from app.integrations.dian.files import CONTAINER, ZIP, file_stem

Kept = Literal["xml", "response", "attached", "pdf", "provisional"]
_OWN: Final = "000"
_TAKE: Final = text(
    "INSERT INTO dian_file_counter (tenant_id, family, year, next_no) VALUES (:t, :family, :year, 2) "
    "ON CONFLICT (tenant_id, family, year) DO UPDATE SET next_no = dian_file_counter.next_no + 1 RETURNING next_no - 1"
)


async def next_file_name(
    work: Work, paper: Document, now: datetime, *, archive: bool = False, container: bool = False
) -> str:
    """The next name of a document's family, of an archive or of a container, without extension; never given twice."""
    family = CONTAINER if container else ZIP if archive else paper.fixed.file
    year = now.astimezone(BOGOTA).year
    number = await work.session.scalar(_TAKE, {"t": work.tenant_id, "family": family, "year": year})
    assert number is not None
    return file_stem(family, paper.issuer.identification, year, int(number), _OWN)


async def keep_file(work: Work, document_id: UUID, version: int, kind: Kept, name: str, content: bytes) -> None:
    """Archive what was sent, answered or handed to the buyer."""
    work.session.add(
        DocumentFile(
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
    )
    await work.flush()
