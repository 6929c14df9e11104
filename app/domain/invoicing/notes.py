"""The note that the law wants when a documented sale comes back, whole or in part."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy import insert

from app.db.session import Work
from app.domain.invoicing.ceilings import check_ceiling
from app.domain.invoicing.drafts import draft, payments_of
from app.domain.invoicing.issue import NotIssuing, keys_of, read_issuer, write_document
from app.domain.invoicing.issuing import Issuing
from app.domain.invoicing.kinds import ANNULMENT, KINDS, Kind
from app.domain.invoicing.known import Known, find_document
from app.domain.invoicing.model import Correction, Line
from app.domain.invoicing.models import Document
from app.domain.invoicing.totals import SoldLine, line_of
from app.domain.invoicing.upkeep_models import OwedNote
from app.domain.invoicing.vault import SecretsUnreadable
from app.lib.money import ZERO

PARTIAL: str = "1"
"""Concept of a return."""


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """What came back of one line, taxes included."""

    tax_class: str
    code: str
    description: str
    unit_code: str
    quantity: Decimal
    base_units: Decimal
    total: Decimal
    base: Decimal
    nominal_tax: Decimal
    rate: Decimal


class ReturnedGoods(msgspec.Struct, frozen=True, kw_only=True):
    """A return or a void, as far as a note is concerned."""

    sale_id: UUID
    return_id: UUID
    branch_id: UUID
    register_id: UUID
    is_whole: bool
    """Everything of the sale at once: an annulment."""
    reason: str
    lines: Sequence[GivenBack]
    methods: Sequence[str]
    at: datetime


async def issue_note(work: Work, goods: ReturnedGoods) -> None:
    """Write the note of a return, pending until what it corrects is valid. Nothing for a sale without document.

    While none can be issued it is owed: the goods and the money go back all the same. Raises `NoNumbers` and
    `DocumentInvalid`: then nothing comes back.
    """
    corrected = await find_document(work, Document.sale_id == goods.sale_id)
    if corrected is None or corrected.status == "withdrawn":
        return
    if corrected.status == "rejected":
        await _owe(work, corrected, goods, "document-rejected")
        return
    try:
        await write_note(work, corrected, goods)
    except NotIssuing:
        await _owe(work, corrected, goods, "not-enabled")
    except SecretsUnreadable:
        await _owe(work, corrected, goods, "secrets-unreadable")


async def _owe(work: Work, corrected: Known, goods: ReturnedGoods, reason: str) -> None:
    await work.session.execute(
        insert(OwedNote).values(
            tenant_id=work.tenant_id,
            return_id=goods.return_id,
            document_id=corrected.row.id,
            reason=reason,
            is_whole=goods.is_whole,
            goods=msgspec.json.encode(goods).decode(),
            created_at=goods.at,
        )
    )
    after = {"correctsId": corrected.row.id, "number": corrected.row.number, "reason": reason}
    work.record("document.note-owed", goods.return_id, after=after)


async def write_note(work: Work, corrected: Known, goods: ReturnedGoods, *, owed: bool = False) -> bool:
    """The note of a return, with its number; answers whether the document wants one.

    Raises `NotIssuing`, `SecretsUnreadable`, `NoNumbers` and `DocumentInvalid`; 422 `note-above-document` for goods whose
    price was lowered by hand since, unless it is `owed`: those goods are back already.
    """
    kind = note_for(corrected.content.kind)
    issuing = await read_issuer(work, [kind], branch_id=goods.branch_id, register_id=goods.register_id)
    if issuing.environment != corrected.row.environment:
        # What was issued while testing needs no note of production, and the other way round there is none to give.
        return False
    keys = keys_of(work, issuing, kind)
    made = draft(
        issuing,
        keys,
        kind,
        [line for each in goods.lines if (line := _line(each, issuing))],
        at=goods.at,
        payments=payments_of(goods.methods),
        counterpart=corrected.content.counterpart,
        correction=Correction(
            concept=ANNULMENT if goods.is_whole else PARTIAL,
            reference=corrected.as_reference(),
            description=goods.reason,
        ),
    )
    if not owed:
        await check_ceiling(work, corrected, made.document)
    await write_document(
        work,
        made,
        keys,
        return_id=goods.return_id,
        corrects_id=corrected.row.id,
        branch_id=goods.branch_id,
    )
    return True


def note_for(kind: Kind) -> Kind:
    """The credit note of a kind of document. Raises `ValueError` for one that none corrects."""
    for note in (Kind.CREDIT_NOTE, Kind.POS_CREDIT_NOTE, Kind.SUPPORT_NOTE):
        if kind in KINDS[note].corrects:
            return note
    raise ValueError(f"no note corrects a document of type {kind}")


def _line(given: GivenBack, issuing: Issuing) -> Line:
    tribute, nominal_tribute = issuing.tributes[given.tax_class]
    return line_of(
        SoldLine(
            code=given.code,
            description=given.description,
            unit_code=given.unit_code,
            quantity=given.quantity,
            discount=ZERO,
            total=given.total,
            base=given.base,
            nominal_tax=given.nominal_tax,
            rate=given.rate,
            tribute=tribute,
            nominal_tribute=nominal_tribute,
            nominal_units=given.base_units if given.nominal_tax else Decimal(0),
        )
    )
