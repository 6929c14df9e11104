"""Writing ranges with their counters: for whoever types one, for the import from DIAN, for a company that begins."""

from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.models import DocumentCounter, DocumentRange
from app.domain.invoicing.vault import Vault
from app.lib import clock
from app.lib.errors import Conflict

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
    await _refuse_overlap(work, kind, environment, values["prefix"], values["first_no"], values["last_no"])
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


async def _refuse_overlap(work: Work, kind: Kind, environment: str, prefix: str, first: int, last: int) -> None:
    taken = await work.session.scalar(
        select(DocumentRange.id).where(
            DocumentRange.tenant_id == work.tenant_id,
            DocumentRange.environment == environment,
            DocumentRange.kind == kind.value,
            DocumentRange.prefix == prefix,
            DocumentRange.first_no <= last,
            DocumentRange.last_no >= first,
        )
    )
    if taken is not None:
        raise Conflict("Ese rango se cruza con otro del mismo prefijo.", code="range-taken", rangeId=taken)
