"""How much notes may take from, or add to, what they correct."""

from decimal import Decimal

from sqlalchemy import func, select

from app.db.session import Work
from app.domain.invoicing.kinds import ANNULMENT, Kind
from app.domain.invoicing.known import STATE, VERSION, Known
from app.domain.invoicing.model import Document as Frozen
from app.domain.invoicing.model import thaw
from app.domain.invoicing.models import Document, DocumentState, DocumentVersion
from app.lib.errors import Conflict, FieldError, RuleBroken
from app.lib.money import ZERO

_LESS = frozenset({Kind.CREDIT_NOTE, Kind.POS_CREDIT_NOTE, Kind.SUPPORT_NOTE})
"""Notes that take from the document; the others add to it."""


async def check_ceiling(work: Work, corrected: Known, note: Frozen) -> None:
    """Raise 422 `note-above-document` when notes would take more than there is, 409 `document-annulled` after an annulment.

    One note of a document at a time. Rejected notes count until they are withdrawn: they can be sent again.
    """
    await work.session.execute(
        select(DocumentState.status)
        .where(DocumentState.tenant_id == work.tenant_id, DocumentState.document_id == corrected.row.id)
        .with_for_update()
    )
    rows = await work.session.execute(
        select(func.coalesce(DocumentVersion.content, Document.content))
        .join_from(*STATE)
        .outerjoin(*VERSION)
        .where(
            Document.tenant_id == work.tenant_id,
            Document.corrects_id == corrected.row.id,
            DocumentState.status != "withdrawn",
        )
    )
    left = corrected.content.totals.payable
    for (content,) in rows:
        earlier = thaw(content.encode())
        if _annuls(earlier):
            raise Conflict("Ese documento ya se anuló.", code="document-annulled")
        left += _effect(earlier)
    if left + _effect(note) < ZERO:
        detail = f"Las notas quitarían más de lo que queda del documento: {left} pesos."
        raise RuleBroken(
            detail,
            code="note-above-document",
            errors=(FieldError("/lines", "note-above-document", f"Quedan {left} pesos."),),
            left=left,
        )


def _effect(note: Frozen) -> Decimal:
    """Pesos that a note adds to what it corrects."""
    return -note.totals.payable if note.kind in _LESS else note.totals.payable


def _annuls(note: Frozen) -> bool:
    return note.kind in _LESS and note.correction is not None and note.correction.concept == ANNULMENT
