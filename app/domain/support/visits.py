"""Support's look into a company as the company sees it, and ends it.

The row is what the guard asks with each request (`app.db.support`): ended by either side, or by time, or when the
person leaves the staff, it holds from the next one on.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from app.db.session import Work
from app.domain.support.models import SupportAccess, SupportRoute
from app.domain.support.schemas import SupportAccessOut, SupportAccessPage, SupportRouteOut
from app.lib import clock
from app.lib.errors import NotFound
from app.lib.pages import after, cut

NO_SUCH: Final = "No hay tal acceso de soporte."
Ended = Literal["company", "provider"] | None


class SupportVisits:
    """The company's side."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> SupportAccessPage:
        """Who of the operator's looked in, why, until when and at what, the newest first."""
        statement = after(
            select(SupportAccess).where(SupportAccess.tenant_id == self._work.tenant_id).limit(limit + 1),
            (SupportAccess.opened_at, SupportAccess.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.opened_at, row.id))
        return SupportAccessPage(items=await self._whole(page), next_cursor=next_cursor)

    async def end(self, access_id: UUID) -> SupportAccessOut:
        """Put support out at once; again: nothing happens. Raises 404."""
        await end_access(self._work, access_id, "company")
        row = await find_access(self._work, access_id)
        assert row is not None
        return (await self._whole([row]))[0]

    async def _whole(self, rows: Sequence[SupportAccess]) -> list[SupportAccessOut]:
        routes: dict[UUID, list[SupportRouteOut]] = defaultdict(list)
        for route in await self._work.session.scalars(
            select(SupportRoute)
            .where(SupportRoute.tenant_id == self._work.tenant_id, SupportRoute.access_id.in_([row.id for row in rows]))
            .order_by(SupportRoute.first_at, SupportRoute.route)
        ):
            routes[route.access_id].append(
                SupportRouteOut(route=route.route, times=route.times, first_at=route.first_at, last_at=route.last_at)
            )
        return [
            SupportAccessOut(
                id=row.id,
                staff_name=row.staff_name,
                reason=row.reason,
                opened_at=row.opened_at,
                expires_at=row.expires_at,
                ended_at=row.ended_at,
                ended_by=msgspec.convert(row.ended_by, Ended),
                is_open=is_open(row),
                routes=routes[row.id],
            )
            for row in rows
        ]


async def open_visits(work: Work) -> list[SupportAccess]:
    """Accesses to the company of the transaction that go on now."""
    rows = await work.session.scalars(
        select(SupportAccess)
        .where(
            SupportAccess.tenant_id == work.tenant_id,
            SupportAccess.ended_at.is_(None),
            SupportAccess.expires_at > clock.now(),
        )
        .order_by(SupportAccess.opened_at)
    )
    return list(rows)


async def end_access(work: Work, access_id: UUID, by: str) -> bool:
    """End an access in a transaction of its company; False when it was over. Raises `NotFound`."""
    now = clock.now()
    ended = await work.session.scalar(
        update(SupportAccess)
        .where(
            SupportAccess.tenant_id == work.tenant_id,
            SupportAccess.id == access_id,
            SupportAccess.ended_at.is_(None),
            SupportAccess.expires_at > now,
        )
        .values(ended_at=now, ended_by=by)
        .returning(SupportAccess.id)
        .execution_options(synchronize_session=False)
    )
    if ended is None:
        if await find_access(work, access_id) is None:
            raise NotFound(NO_SUCH)
        return False
    work.record("support.ended", access_id, after={"endedBy": by})
    return True


async def find_access(work: Work, access_id: UUID) -> SupportAccess | None:
    found: SupportAccess | None = await work.session.scalar(
        select(SupportAccess)
        .where(SupportAccess.tenant_id == work.tenant_id, SupportAccess.id == access_id)
        .execution_options(populate_existing=True)
    )
    return found


def is_open(row: SupportAccess) -> bool:
    return row.ended_at is None and row.expires_at > clock.now()
