"""The paper that a contingency document (03) is transcribed from: once each, and in time (48 hours after the failure ended)."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Work
from app.domain.invoicing.events import event
from app.domain.invoicing.model import Document as Frozen
from app.domain.invoicing.models import DocumentState
from app.domain.invoicing.upkeep_models import TranscribedPaper
from app.lib.errors import Conflict, FieldError, RuleBroken

_IN_TIME: Final = timedelta(days=2)
"""Of the paper's day: when the failure ended, nobody told us."""
_OLDEST: Final = timedelta(days=60)
"""A failure that lasted longer is a typing error."""


def check_paper_age(issued_on: date, today: date) -> None:
    """Raise 422 `paper-too-old`."""
    if today - issued_on > _OLDEST:
        detail = f"El papel es de hace más de {_OLDEST.days} días: revise la fecha."
        raise RuleBroken(detail, code="paper-too-old", errors=(FieldError("/paper/issuedOn", "paper-too-old", detail),))


async def keep_paper(work: Work, paper: Frozen, document_id: UUID, today: date) -> None:
    """Remember that a paper was transcribed, after its document is written. Raises 409 `paper-taken`.

    The number of a document that was withdrawn may be used again.
    """
    assert paper.paper is not None
    number = paper.paper.number.strip().upper()
    withdrawn = (
        select(DocumentState.document_id)
        .where(
            DocumentState.tenant_id == work.tenant_id,
            DocumentState.document_id == TranscribedPaper.document_id,
            DocumentState.status == "withdrawn",
        )
        .exists()
    )
    kept = await work.session.scalar(
        insert(TranscribedPaper)
        .values(tenant_id=work.tenant_id, environment=paper.environment, number=number, document_id=document_id)
        .on_conflict_do_update(
            index_elements=["tenant_id", "environment", "number"], set_={"document_id": document_id}, where=withdrawn
        )
        .returning(TranscribedPaper.document_id)
    )
    if kept is None:
        raise Conflict(
            "Ese papel ya se transcribió.",
            code="paper-taken",
            errors=(FieldError("/paper/number", "paper-taken", "Ya hay un documento de ese papel."),),
        )
    if today - paper.paper.issued_on > _IN_TIME:
        detail = "Transcrito después de las 48 horas que da la DIAN desde el fin de la falla."
        event(work, document_id, "late-paper", {"paper": number}, detail, work.actor.user_id)
