"""Figures of the law by date: the UVT of a year, and up to how many of them a ticket may be a POS document."""

from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.invoicing.models import LegalFigure

UVT: Final = "uvt"
_DECEMBER: Final = 12
"""In which DIAN has published that of the next year."""


async def write_figure(
    session: AsyncSession, name: str, valid_from: date, value: Decimal, source: str
) -> Decimal | None:
    """Write a figure down, or correct it; answers what it said before. Sales use it from its day on."""
    before: Decimal | None = await session.scalar(
        select(LegalFigure.value).where(LegalFigure.name == name, LegalFigure.valid_from == valid_from)
    )
    await session.execute(
        insert(LegalFigure)
        .values(name=name, valid_from=valid_from, value=value, source=source)
        .on_conflict_do_update(index_elements=["name", "valid_from"], set_={"value": value, "source": source})
    )
    return before


async def missing_uvt(session: AsyncSession, today: date) -> int | None:
    """The year whose UVT nobody wrote down: this one, or in December the next. None when all is there."""
    years = [today.year, today.year + 1] if today.month == _DECEMBER else [today.year]
    known = await session.scalars(
        select(LegalFigure.valid_from).where(LegalFigure.name == UVT, LegalFigure.valid_from >= date(today.year, 1, 1))
    )
    return next(iter(sorted(set(years) - {day.year for day in known})), None)
