"""The operator's view of background work: jobs of all companies, dead ones retried or given up; runs of schedules."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from app.db.desk import Desk
from app.db.platform import OutboxJob, Schedule
from app.domain.alerts.models import ScheduleRun
from app.domain.alerts.schemas import (
    JobStatus,
    ProviderJobOut,
    ProviderJobPage,
    ScheduleOut,
    ScheduleRunOut,
    ScheduleRunPage,
    SchedulesOut,
)
from app.lib import clock
from app.lib.errors import Conflict, NotFound
from app.lib.pages import after, cut

_RETRY: Final = text(
    "UPDATE outbox SET status = 'pending', attempts = 0, due_at = :now, due_since = NULL, finished_at = NULL "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'dead' RETURNING id"
)
_DISCARD: Final = text(
    "UPDATE outbox SET status = 'discarded', finished_at = :now "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'dead' RETURNING id"
)
_FIND: Final = text("SELECT kind, status FROM outbox WHERE tenant_id = :tenant_id AND id = :id")


class JobNotDead(Conflict):
    """Only a job that failed for good is retried or given up by hand."""

    code = "job-not-dead"


class JobAdmin:
    """What the staff sees and does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(
        self,
        *,
        status: JobStatus | None,
        kind: str | None,
        tenant_id: UUID | None,
        limit: int,
        cursor: str | None,
    ) -> ProviderJobPage:
        """Jobs of all companies, newest first; never what they carry."""
        job = OutboxJob
        statement = select(job).limit(limit + 1)
        if status is not None:
            statement = statement.where(job.status == status)
        if kind is not None:
            statement = statement.where(job.kind == kind)
        if tenant_id is not None:
            statement = statement.where(job.tenant_id == tenant_id)
        statement = after(statement, [job.created_at, job.id], cursor, tuple[datetime, UUID], descending=True)
        async with self._desk.database.platform_transaction() as session:
            rows = (await session.scalars(statement)).all()
        items, following = cut(rows, limit, lambda row: (row.created_at, row.id))
        return ProviderJobPage(
            items=[msgspec.convert(row, ProviderJobOut, from_attributes=True) for row in items], next_cursor=following
        )

    async def retry(self, tenant_id: UUID, job_id: UUID) -> None:
        """Give a dead job all its attempts again. Raises `NotFound`, `JobNotDead`."""
        await self._change(tenant_id, job_id, "job.retried", _RETRY.text, None)

    async def discard(self, tenant_id: UUID, job_id: UUID, reason: str) -> None:
        """Give a dead job up: it stays on record and is no longer counted. Raises `NotFound`, `JobNotDead`."""
        await self._change(tenant_id, job_id, "job.discarded", _DISCARD.text, reason)

    async def _change(self, tenant_id: UUID, job_id: UUID, action: str, statement: str, reason: str | None) -> None:
        work = await self._desk.enter(tenant_id)
        key = {"tenant_id": tenant_id, "id": job_id}
        row = (await work.session.execute(_FIND, key)).one_or_none()
        if row is None:
            raise NotFound("No hay tal trabajo.")
        changed = (await work.session.execute(text(statement), key | {"now": clock.now()})).one_or_none()
        if changed is None:
            raise JobNotDead("El trabajo no está entre los que fallaron definitivamente.", jobStatus=row.status)
        told = {"kind": row.kind, "reason": reason}
        work.record(action, job_id, after=told)
        await self._desk.note(action, job_id, company_id=tenant_id, after=told)

    async def schedules(self) -> SchedulesOut:
        """Every schedule with its next and last run."""
        async with self._desk.database.platform_transaction() as session:
            rows = (await session.scalars(select(Schedule).order_by(Schedule.name))).all()
        return SchedulesOut(items=[msgspec.convert(row, ScheduleOut, from_attributes=True) for row in rows])

    async def runs(self, *, name: str | None, limit: int, cursor: str | None) -> ScheduleRunPage:
        """Runs of thirty days, newest first."""
        run = ScheduleRun
        statement = select(run).limit(limit + 1)
        if name is not None:
            statement = statement.where(run.name == name)
        statement = after(statement, [run.started_at, run.id], cursor, tuple[datetime, UUID], descending=True)
        async with self._desk.database.platform_transaction() as session:
            rows = (await session.scalars(statement)).all()
        items, following = cut(rows, limit, lambda row: (row.started_at, row.id))
        return ScheduleRunPage(
            items=[msgspec.convert(row, ScheduleRunOut, from_attributes=True) for row in items], next_cursor=following
        )
