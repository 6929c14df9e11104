"""The steps of a document's life, as they are shown."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.models import DocumentEvent
from app.lib import clock


def event(
    work: Work, document_id: UUID, kind: str, data: dict[str, Any], detail: str, user_id: UUID | None = None
) -> None:
    """Write a step of a document's life."""
    work.session.add(
        DocumentEvent(
            tenant_id=work.tenant_id,
            id=uuid7(),
            document_id=document_id,
            kind=kind,
            at=clock.now(),
            detail=detail,
            data=data,
            user_id=user_id,
        )
    )
