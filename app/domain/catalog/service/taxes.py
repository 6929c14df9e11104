"""Tax classes with the figures of a day."""

from datetime import date
from typing import Final

from sqlalchemy import text

from app.db.session import Work
from app.domain.catalog.tree_schemas import TaxClassOut, TaxClassPage
from app.lib.clock import business_day, now
from app.lib.money import as_price

_ALWAYS: Final = date(9999, 12, 31)
_OF_DAY: Final = text(
    "SELECT DISTINCT ON (c.code) c.code, c.name, c.tribute, c.nominal_tribute, r.rate, r.nominal, r.valid_from, "
    "r.valid_to, r.source FROM tax_class c JOIN tax_rate r ON r.tax_class = c.code "
    "WHERE r.valid_from <= :day AND r.valid_to >= :day ORDER BY c.code, r.valid_from DESC"
)


async def tax_classes(work: Work) -> TaxClassPage:
    """Every class with a figure for the company's business day of this instant."""
    day = business_day(now(), work.actor.time_zone)
    rows = await work.session.execute(_OF_DAY, {"day": day})
    items = [
        TaxClassOut(
            code=row.code,
            name=row.name,
            rate=as_price(row.rate),
            tribute=row.tribute,
            nominal=as_price(row.nominal),
            nominal_tribute=row.nominal_tribute,
            valid_from=row.valid_from,
            valid_to=None if row.valid_to == _ALWAYS else row.valid_to,
            source=row.source,
        )
        for row in rows
    ]
    return TaxClassPage(items=items, next_cursor=None)
