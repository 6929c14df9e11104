"""Reports by mail: who gets the close of each day, week or month, and when the next one is due."""

from datetime import date, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import delete, select
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.schemas import Email
from app.domain.reports.models import ReportMailing, ReportSchedule
from app.domain.tenants.models import Branch
from app.domain.tenants.scope import branch_refusal, check_branch
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import Input, Output, Page

MOST: Final = 20
"""Schedules of a company."""

Kind = Literal["daily", "weekly", "monthly"]
Recipients = Annotated[list[Email], Meta(min_length=1, max_length=10, description="Correos a los que llega.")]


class MakeSchedule(Input):
    """The report of each day, week (Monday to Sunday) or month, on the morning after it."""

    kind: Kind
    recipients: Recipients
    branch_id: UUID | None = None


class ChangeSchedule(Input):
    """What of it is different from now on."""

    recipients: Recipients | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class ScheduleOut(Output):
    """A report that goes by mail. It holds no costs and no customers, whoever gets it."""

    id: UUID
    kind: str
    recipients: list[str]
    branch_id: UUID | None
    is_active: bool
    next_on: date
    """The morning of the next one; its period ended the day before."""


class SchedulePage(Page):
    items: list[ScheduleOut]


def first_due(kind: str, today: date) -> date:
    """The morning after the first whole period that is not over yet."""
    if kind == "daily":
        return today + timedelta(days=1)
    if kind == "weekly":
        return today + timedelta(days=7 - today.weekday())
    return (today.replace(day=28) + timedelta(days=4)).replace(day=1)


def period_before(kind: str, morning: date) -> tuple[date, date]:
    """First and last day of the period that ended the day before."""
    last = morning - timedelta(days=1)
    if kind == "daily":
        return last, last
    return (last - timedelta(days=6), last) if kind == "weekly" else (last.replace(day=1), last)


class Schedules:
    """Of the company of the request; whoever is limited to branches sees theirs."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def make(self, data: MakeSchedule) -> ScheduleOut:
        """Begin one. Raises 422 for an unknown branch, 403 for another's, 409 beyond twenty."""
        work = self._work
        if data.branch_id is not None:
            if await work.session.get(Branch, (work.tenant_id, data.branch_id)) is None:
                raise unknown_reference("/branchId")
            check_branch(work.actor, data.branch_id)
        elif work.actor.branches is not None:
            raise branch_refusal()
        made = await work.session.scalars(select(ReportSchedule.id).where(ReportSchedule.tenant_id == work.tenant_id))
        if len(made.all()) >= MOST:
            raise Conflict(f"Ya hay {MOST} informes programados; borre alguno.", code="too-many-schedules")
        row = ReportSchedule(
            tenant_id=work.tenant_id,
            id=uuid7(),
            kind=data.kind,
            recipients=_distinct(data.recipients),
            branch_id=data.branch_id,
            user_id=work.actor.user_id,
            is_active=True,
            next_on=first_due(data.kind, self._today()),
        )
        work.session.add(row)
        await work.flush()
        work.record("report.scheduled", row.id, after=_told(row))
        return _out(row)

    async def page(self, limit: int, cursor: str | None) -> SchedulePage:
        """In the order in which they were made."""
        statement = select(ReportSchedule).where(ReportSchedule.tenant_id == self._work.tenant_id).limit(limit + 1)
        if self._work.actor.branches is not None:
            statement = statement.where(ReportSchedule.branch_id.in_(self._work.actor.branches))
        statement = after(statement, (ReportSchedule.id,), cursor, tuple[UUID], descending=False)
        rows, following = cut(list(await self._work.session.scalars(statement)), limit, lambda row: (row.id,))
        return SchedulePage(items=[_out(row) for row in rows], next_cursor=following)

    async def change(self, schedule_id: UUID, data: ChangeSchedule) -> ScheduleOut:
        """Other recipients, or a pause; one that begins again skips what it missed."""
        row = await self._row(schedule_id)
        before = _told(row)
        if data.recipients is not UNSET:
            row.recipients = _distinct(data.recipients)
        if data.is_active is not UNSET:
            if data.is_active and not row.is_active:
                row.next_on = first_due(row.kind, self._today())
            row.is_active = data.is_active
        await self._work.flush()
        self._work.record("report.schedule-changed", row.id, before=before, after=_told(row))
        return _out(row)

    async def remove(self, schedule_id: UUID) -> None:
        """Send it no more."""
        row = await self._row(schedule_id)
        session, tenant_id = self._work.session, self._work.tenant_id
        where = {"tenant_id": tenant_id, "schedule_id": row.id}
        await session.execute(delete(ReportMailing).filter_by(**where))
        await session.execute(delete(ReportSchedule).filter_by(tenant_id=tenant_id, id=row.id))
        self._work.record("report.schedule-removed", row.id, before=_told(row))

    async def _row(self, schedule_id: UUID) -> ReportSchedule:
        work = self._work
        found = await work.session.scalar(
            select(ReportSchedule)
            .where(ReportSchedule.tenant_id == work.tenant_id, ReportSchedule.id == schedule_id)
            .with_for_update()
        )
        limits = work.actor.branches
        if found is None or (limits is not None and found.branch_id not in limits):
            raise NotFound("No existe ese informe programado.")
        return found

    def _today(self) -> date:
        return clock.business_day(clock.now(), self._work.actor.time_zone)


def _distinct(recipients: list[str]) -> list[str]:
    found = list(dict.fromkeys(one.strip().lower() for one in recipients))
    strange = next((n for n, one in enumerate(found) if not one.isascii()), None)
    if strange is not None:
        raise RuleBroken(
            "Un correo tiene letras que no todo servidor acepta.",
            code="invalid-email",
            errors=(FieldError(f"/recipients/{strange}", "invalid-email", "Use solo letras sin tildes."),),
        )
    return found


def _told(row: ReportSchedule) -> dict[str, object]:
    return {
        "kind": row.kind,
        "recipients": len(row.recipients),
        "branchId": row.branch_id,
        "isActive": row.is_active,
        "nextOn": row.next_on,
    }


def _out(row: ReportSchedule) -> ScheduleOut:
    return ScheduleOut(
        id=row.id,
        kind=row.kind,
        recipients=row.recipients,
        branch_id=row.branch_id,
        is_active=row.is_active,
        next_on=row.next_on,
    )
