"""Consecutives: one row per place and kind, taken under lock in the transaction that uses it: no gap, no repeat."""

from typing import Final
from uuid import UUID

from sqlalchemy import insert, update

from app.db.session import Work
from app.domain.tenants.models import Numbering

START_KINDS: Final = {"sale": "V", "return": "D", "void": "A"}
"""Kinds that a branch numbers, with the letter that begins what is printed: venta, devolución, anulación."""


async def open_numbering(work: Work, place_id: UUID, kind: str, prefix: str) -> None:
    """Begin a consecutive at 1."""
    await work.session.execute(
        insert(Numbering).values(tenant_id=work.tenant_id, place_id=place_id, kind=kind, prefix=prefix)
    )


async def next_number(work: Work, place_id: UUID, kind: str) -> tuple[int, str]:
    """Take the next consecutive: its integer and what is printed. Call after stock and drawer rows are locked."""
    row = (
        await work.session.execute(
            update(Numbering)
            .where(Numbering.tenant_id == work.tenant_id, Numbering.place_id == place_id, Numbering.kind == kind)
            .values(next_no=Numbering.next_no + 1)
            .returning(Numbering.next_no - 1, Numbering.prefix)
        )
    ).one()
    return int(row[0]), f"{row[1]}{row[0]}"
