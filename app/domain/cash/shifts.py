"""Shifts that are open now, and on how many days there were any: for whoever watches over the drawers."""

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import and_, select

from app.db.session import Work
from app.domain.cash.models import CashDrawer, CashSession
from app.domain.tenants.models import CashRegister


class OpenShift(msgspec.Struct, frozen=True, kw_only=True):
    """One open shift."""

    session_id: UUID
    register: str
    opened_at: datetime


async def open_shifts(work: Work) -> list[OpenShift]:
    """Of the whole company, the oldest first."""
    rows = await work.session.execute(
        select(CashSession.id.label("session_id"), CashRegister.name.label("register"), CashSession.opened_at)
        .join(CashDrawer, and_(CashDrawer.tenant_id == work.tenant_id, CashDrawer.session_id == CashSession.id))
        .join(CashRegister, and_(CashRegister.tenant_id == work.tenant_id, CashRegister.id == CashSession.register_id))
        .where(CashSession.tenant_id == work.tenant_id, CashDrawer.is_open)
        .order_by(CashSession.opened_at, CashSession.id)
    )
    return [OpenShift(**row._mapping) for row in rows]


async def days_with_shifts(work: Work, since: datetime, zone: ZoneInfo) -> set[date]:
    """Days on which a shift was opened since an instant, in the shop's zone."""
    opened = await work.session.scalars(
        select(CashSession.opened_at).where(CashSession.tenant_id == work.tenant_id, CashSession.opened_at >= since)
    )
    return {one.astimezone(zone).date() for one in opened}
