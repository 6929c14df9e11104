"""The steps of a company's life, as its owner reads them."""

from sqlalchemy import select

from app.db.session import Work
from app.domain.tenants.models import TenantTransition
from app.domain.tenants.schemas import TransitionOut, TransitionPage
from app.lib.pages import after, cut


async def history(work: Work, limit: int, cursor: str | None) -> TransitionPage:
    """Every step of the company's life, the newest first."""
    statement = after(
        select(TenantTransition).where(TenantTransition.tenant_id == work.tenant_id).limit(limit + 1),
        [TenantTransition.seq],
        cursor,
        tuple[int],
        descending=True,
    )
    rows = (await work.session.scalars(statement)).all()
    page, next_cursor = cut(rows, limit, lambda row: (row.seq,))
    return TransitionPage(
        items=[
            TransitionOut(
                seq=row.seq,
                from_status=row.from_status,
                to_status=row.to_status,
                reason=row.reason,
                actor_name=row.actor_name,
                at=row.at,
            )
            for row in page
        ],
        next_cursor=next_cursor,
    )
