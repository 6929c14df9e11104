"""A document made anew under its number: re-dated when the day changed, as contingency, or corrected after a rejection."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from app.db.session import Work
from app.domain.invoicing.identify import Keys, identify
from app.domain.invoicing.kinds import CONTINGENCY, Kind
from app.domain.invoicing.known import Known
from app.domain.invoicing.model import BOGOTA, FREEZER, Document, Paper
from app.domain.invoicing.models import DianContingency, DocumentVersion

Reason = Literal["redated", "contingency", "corrected"]
CONTINGENT: Final = frozenset(CONTINGENCY.values())
"""Kinds that keep the date of their contingency, whenever they are sent."""

USUAL: Final = {contingency: kind for kind, contingency in CONTINGENCY.items()}
"""What a contingency stands for."""


class Version(msgspec.Struct, frozen=True):
    """One version of a document."""

    number: int
    kind: Kind
    uuid: str
    content: Document


def redated(paper: Document, now: datetime) -> Document:
    """The same document as of this instant: DIAN wants the day of sending, and no payment due before it."""
    today = now.astimezone(BOGOTA).date()
    payments = tuple(
        msgspec.structs.replace(each, due_on=max(each.due_on, today)) if each.due_on is not None else each
        for each in paper.payments
    )
    return msgspec.structs.replace(paper, issued_at=now.replace(microsecond=0), payments=payments)


def as_it_stands(paper: Document, corrected: Known | None) -> Document:
    """A note that names what it corrects as that stands now: with its last date, UUID and type. Its own identity stays."""
    if corrected is None or paper.correction is None:
        return paper
    correction = msgspec.structs.replace(paper.correction, reference=corrected.as_reference())
    return msgspec.structs.replace(paper, correction=correction)


def as_contingency(paper: Document) -> Document:
    """The same document as issued while DIAN was away: its date stays, and with it its UUID."""
    kind = CONTINGENCY[paper.kind]
    reference = None
    if kind is Kind.POS_CONTINGENCY:
        reference = Paper(number=paper.number, issued_on=paper.local_time.date())
    return msgspec.structs.replace(paper, kind=kind, paper=reference)


def as_usual(paper: Document, now: datetime) -> Document:
    """A contingency that DIAN knows nothing of, as the ordinary document it was printed as; of today, if that was another day."""
    usual = msgspec.structs.replace(paper, kind=USUAL[paper.kind], paper=None)
    return redated(usual, now) if is_of_another_day(paper, now) else usual


def is_of_another_day(paper: Document, now: datetime) -> bool:
    """Whether it would be signed on another Colombian day than it says."""
    return paper.local_time.date() != now.astimezone(BOGOTA).date()


async def contingency_at(work: Work, instant: datetime) -> bool:
    """Whether DIAN was declared away at an instant."""
    found = await work.session.scalar(
        select(DianContingency.id)
        .where(
            DianContingency.tenant_id == work.tenant_id,
            DianContingency.started_at <= instant,
            (DianContingency.ended_at.is_(None)) | (DianContingency.ended_at >= instant),
        )
        .limit(1)
    )
    return found is not None


async def was_contingency(work: Work, document_id: UUID) -> bool:
    """Whether a document was made a contingency before."""
    found = await work.session.scalar(
        select(DocumentVersion.version)
        .where(
            DocumentVersion.tenant_id == work.tenant_id,
            DocumentVersion.document_id == document_id,
            DocumentVersion.reason == "contingency",
        )
        .limit(1)
    )
    return found is not None


async def write_version(
    work: Work, earlier: Version, paper: Document, keys: Keys, reason: Reason, document_id: UUID
) -> Version:
    """Keep a new version; its state must follow in the same transaction."""
    identity = identify(paper, keys)
    made = Version(earlier.number + 1, paper.kind, identity.uuid, paper)
    await work.session.execute(
        insert(DocumentVersion).values(
            tenant_id=work.tenant_id,
            document_id=document_id,
            version=made.number,
            kind=paper.kind.value,
            issued_at=paper.issued_at,
            uuid=identity.uuid,
            qr=identity.qr,
            content=FREEZER.encode(msgspec.structs.replace(paper, number="")).decode(),
            reason=reason,
        )
    )
    work.record(
        "document.made-anew",
        document_id,
        before={"version": earlier.number, "uuid": earlier.uuid},
        after={"version": made.number, "uuid": made.uuid, "kind": made.kind.value, "reason": reason},
    )
    return made
