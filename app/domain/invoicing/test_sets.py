"""The list of test sets with their progress."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.db.session import Work
from app.domain.invoicing.habilitation import Habilitation
from app.domain.invoicing.models import DianTestSet
from app.domain.invoicing.schemas import HabilitationPage
from app.lib.pages import after, cut


async def test_set_page(work: Work, limit: int, cursor: str | None) -> HabilitationPage:
    """The newest first."""
    statement = after(
        select(DianTestSet).where(DianTestSet.tenant_id == work.tenant_id).limit(limit + 1),
        (DianTestSet.created_at, DianTestSet.id),
        cursor,
        tuple[datetime, UUID],
        descending=True,
    )
    rows, next_cursor = cut(list(await work.session.scalars(statement)), limit, lambda row: (row.created_at, row.id))
    sets = Habilitation(work)
    return HabilitationPage(items=[await sets.out(row) for row in rows], next_cursor=next_cursor)
