"""Writing ranges with their counters: for whoever types one, for the import from DIAN, for a company that begins."""

from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.former import keep_former
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.model import NumberingRange
from app.domain.invoicing.models import Document, DocumentCounter, DocumentRange
from app.domain.invoicing.vault import Vault
from app.domain.tenants.models import Tenant
from app.lib import clock
from app.lib.errors import Conflict, FieldError, RuleBroken

FOR_EVER: Final = date(2999, 12, 31)
"""Not the last day there is: the driver writes that one as infinity, which JSON does not know."""
BEGINNING: Final = date(2019, 1, 1)
_LAST_NOTE: Final = 999_999_999
NOTE_PREFIXES: Final = {
    Kind.CREDIT_NOTE: "NC",
    Kind.DEBIT_NOTE: "ND",
    Kind.POS_CREDIT_NOTE: "NAC",
    Kind.POS_DEBIT_NOTE: "NAD",
    Kind.SUPPORT_NOTE: "NDS",
}
"""Of the own consecutives a company gets when it begins to issue."""


async def add_range(
    work: Work,
    vault: Vault,
    kind: Kind,
    environment: str,
    *,
    technical_key: str | None,
    next_no: int | None = None,
    **values: Any,
) -> UUID:
    """A range with its counter, unrecorded; answers its id. Raises 409 when its numbers overlap another's."""
    await refuse_overlap(work, kind, environment, values["prefix"], next_no or values["first_no"], values["last_no"])
    row = DocumentRange(
        tenant_id=work.tenant_id,
        kind=kind.value,
        environment=environment,
        technical_key=vault.seal(work.tenant_id, technical_key) if technical_key else None,
        **{"id": uuid7(), "created_at": clock.now(), **values},
    )
    await _write(work, row, next_no or row.first_no)
    return row.id


async def open_note_ranges(work: Work, environment: str) -> None:
    """Give a company the own consecutives of every kind of note that it does not have yet."""
    known = set(
        await work.session.scalars(
            select(DocumentRange.kind).where(
                DocumentRange.tenant_id == work.tenant_id,
                DocumentRange.environment == environment,
                DocumentRange.authorization_no == "",
                DocumentRange.retired_at.is_(None),
            )
        )
    )
    for kind, prefix in NOTE_PREFIXES.items():
        if kind.value in known:
            continue
        row = DocumentRange(
            tenant_id=work.tenant_id,
            id=uuid7(),
            kind=kind.value,
            environment=environment,
            authorization_no="",
            prefix=prefix,
            first_no=1,
            last_no=_LAST_NOTE,
            valid_from=BEGINNING,
            valid_to=FOR_EVER,
            created_at=clock.now(),
        )
        await _write(work, row, 1)


async def _write(work: Work, row: DocumentRange, next_no: int) -> None:
    work.session.add(row)
    await work.flush()
    counter = DocumentCounter(
        tenant_id=work.tenant_id, range_id=row.id, next_no=next_no, last_no=row.last_no, is_open=True
    )
    work.session.add(counter)
    await work.flush()


async def refuse_overlap(
    work: Work, kind: Kind, environment: str, prefix: str, first: int, last: int, *, but: UUID | None = None
) -> None:
    """Raise 409 when one of these numbers is another range's (`but`: of which one it may be). One company at a time.

    An open range has all of its numbers, a closed one those that it used: a resolution that was typed wrong or renewed
    can be written again.
    """
    await lock_numbering(work)
    used = DocumentCounter.next_no - 1
    statement = (
        select(DocumentRange.id)
        .join(
            DocumentCounter,
            and_(DocumentCounter.tenant_id == DocumentRange.tenant_id, DocumentCounter.range_id == DocumentRange.id),
        )
        .where(
            DocumentRange.tenant_id == work.tenant_id,
            DocumentRange.environment == environment,
            DocumentRange.kind == kind.value,
            DocumentRange.prefix == prefix,
            DocumentRange.first_no <= last,
            case((DocumentCounter.is_open, DocumentRange.last_no), else_=used) >= first,
            DocumentRange.id.is_distinct_from(but),
            or_(DocumentCounter.is_open, used >= DocumentRange.first_no),
        )
        .limit(1)
    )
    taken = await work.session.scalar(statement)
    if taken is not None:
        raise Conflict("Ese rango se cruza con otro del mismo prefijo.", code="range-taken", rangeId=taken)


async def lock_numbering(work: Work) -> None:
    """Nobody else of the company changes its ranges until this transaction ends. Sales go on."""
    await work.session.execute(
        select(Tenant.tenant_id).where(Tenant.tenant_id == work.tenant_id).with_for_update(key_share=True)
    )


async def frozen_range(work: Work, range_id: UUID) -> NumberingRange | None:
    """A range as a document carries it, as it is written down today; None for the consecutive of a note."""
    row = (
        await work.session.scalars(
            select(DocumentRange)
            .where(DocumentRange.tenant_id == work.tenant_id, DocumentRange.id == range_id)
            .execution_options(populate_existing=True)
        )
    ).one()
    if not row.authorization_no:
        return None
    return NumberingRange(
        authorization=row.authorization_no,
        prefix=row.prefix,
        first=row.first_no,
        last=row.last_no,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
    )


async def change_range(work: Work, row: DocumentRange, vault: Vault, key: str | None, **values: Any) -> None:
    """Put a range right: `values` are columns, `key` a technical key, which replaces the earlier one. Unrecorded.

    What was issued keeps what it says; what DIAN rejected takes this when it is sent again. Raises 409 `range-taken`.
    """
    mine = (DocumentRange.tenant_id == work.tenant_id, DocumentRange.id == row.id)
    if "last_no" in values and values["last_no"] > row.last_no:
        await refuse_overlap(
            work, Kind(row.kind), row.environment, row.prefix, row.last_no + 1, values["last_no"], but=row.id
        )
    if key:
        await keep_former(work, vault, row.technical_key, key, range_id=row.id)
        values["technical_key"] = vault.seal(work.tenant_id, key)
    if values:
        await work.session.execute(
            update(DocumentRange).where(*mine).values(**values).execution_options(synchronize_session=False)
        )
    if "last_no" in values:
        changed = await work.session.scalar(
            update(DocumentCounter)
            .where(
                DocumentCounter.tenant_id == work.tenant_id,
                DocumentCounter.range_id == row.id,
                DocumentCounter.next_no <= values["last_no"] + 1,
            )
            .values(last_no=values["last_no"])
            .returning(DocumentCounter.range_id)
            .execution_options(synchronize_session=False)
        )
        if changed is None:
            raise RuleBroken(
                "El rango ya usó números mayores.",
                code="invalid-range",
                errors=(FieldError("/last", "invalid-range", "No puede ser menor que el último número usado."),),
            )
    if "first_no" in values:
        await _move_first(work, row, values["first_no"])


async def _move_first(work: Work, row: DocumentRange, first: int) -> None:
    """Let a range begin elsewhere: before the numbers it used, and not among another's."""
    if first < row.first_no:
        await refuse_overlap(work, Kind(row.kind), row.environment, row.prefix, first, row.first_no - 1, but=row.id)
        return
    used = await work.session.scalar(
        select(func.min(Document.consecutive)).where(Document.tenant_id == work.tenant_id, Document.range_id == row.id)
    )
    if used is not None and used < first:
        raise RuleBroken(
            "El rango ya usó números menores.",
            code="invalid-range",
            errors=(FieldError("/first", "invalid-range", "No puede ser mayor que el primer número usado."),),
        )
    await work.session.execute(
        update(DocumentCounter)
        .where(DocumentCounter.tenant_id == work.tenant_id, DocumentCounter.range_id == row.id)
        .values(next_no=func.greatest(DocumentCounter.next_no, first))
        .execution_options(synchronize_session=False)
    )
