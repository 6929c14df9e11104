"""A company's alerts as its people see them: list, acknowledgement, quiet hours, preferences."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Work
from app.domain.alerts.company.kinds import KINDS, KindCode
from app.domain.alerts.company.mails import Preference, preference_of
from app.domain.alerts.company.models import (
    CompanyAlert,
    CompanyAlertMail,
    CompanyAlertPreference,
    CompanyAlertSetting,
)
from app.domain.alerts.company.schemas import (
    AcknowledgeAlert,
    AlertItemOut,
    AlertMailOut,
    AlertPreferencesOut,
    AlertSettingsOut,
    CompanyAlertDetailOut,
    CompanyAlertOut,
    CompanyAlertPage,
    CompanyAlertStatus,
    PutAlertPreferences,
    PutAlertSettings,
)
from app.domain.alerts.notices import Severity
from app.domain.tenants.scope import branch_refusal
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken
from app.lib.pages import after, cut


class AlertOver(Conflict):
    """Nothing to attend to any more."""

    code = "alert-resolved"


def everywhere(work: Work) -> Work:
    """The same work. Raises 403 `branch-not-allowed` for people limited to branches: an alert is of the whole company."""
    if work.actor.branches is not None:
        raise branch_refusal()
    return work


class CompanyAlerts:
    """Of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(
        self, *, status: CompanyAlertStatus | None, kind: KindCode | None, limit: int, cursor: str | None
    ) -> CompanyAlertPage:
        """Alerts, newest first."""
        alert = CompanyAlert
        statement = select(alert).where(alert.tenant_id == self._work.tenant_id).limit(limit + 1)
        if status == "resolved":
            statement = statement.where(alert.resolved_at.is_not(None))
        elif status is not None:
            seen = alert.acknowledged_at.is_not(None) if status == "acknowledged" else alert.acknowledged_at.is_(None)
            statement = statement.where(and_(alert.resolved_at.is_(None), seen))
        if kind is not None:
            statement = statement.where(alert.kind == kind)
        statement = after(statement, [alert.opened_at, alert.id], cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        items, following = cut(rows, limit, lambda row: (row.opened_at, row.id))
        return CompanyAlertPage(items=[_out(row) for row in items], next_cursor=following)

    async def read(self, alert_id: UUID) -> CompanyAlertDetailOut:
        """One alert with every mail about it. Raises `NotFound`."""
        row = await self._find(alert_id)
        mail = CompanyAlertMail
        found = await self._work.session.scalars(
            select(mail)
            .where(mail.tenant_id == self._work.tenant_id, mail.alert_id == alert_id)
            .order_by(mail.created_at, mail.id)
        )
        mails = [msgspec.convert(one, AlertMailOut, from_attributes=True) for one in found]
        return CompanyAlertDetailOut(**msgspec.structs.asdict(_out(row)), mails=mails)

    async def acknowledge(self, alert_id: UUID, data: AcknowledgeAlert) -> CompanyAlertOut:
        """Somebody attends to it; the first one stays. Raises `NotFound`, `AlertOver`."""
        row = await self._find(alert_id, lock=True)
        if row.resolved_at is not None:
            raise AlertOver("La alerta ya se resolvió.")
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = clock.now(), self._work.actor.user_id
            row.note = data.note
            self._work.record("alert.acknowledged", alert_id, after={"kind": row.kind, "note": data.note})
        return _out(row)

    async def settings(self) -> AlertSettingsOut:
        """Quiet hours of the company."""
        row = await self._work.session.get(CompanyAlertSetting, self._work.tenant_id, populate_existing=True)
        if row is None:
            return AlertSettingsOut(quiet_from=None, quiet_to=None)
        return AlertSettingsOut(quiet_from=row.quiet_from, quiet_to=row.quiet_to)

    async def put_settings(self, data: PutAlertSettings, check: Callable[[AlertSettingsOut], None]) -> AlertSettingsOut:
        """Write them. Raises 422 `quiet-hours`."""
        _check_quiet(data.quiet_from, data.quiet_to)
        before = await self.settings()
        check(before)
        values: dict[str, Any] = {
            "quiet_from": data.quiet_from,
            "quiet_to": data.quiet_to,
            "updated_at": clock.now(),
        }
        await self._work.session.execute(
            insert(CompanyAlertSetting)
            .values(tenant_id=self._work.tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )
        saved = await self.settings()
        if saved != before:
            self._work.record("alert-settings.changed", self._work.tenant_id, before=before, after=saved)
        return saved

    async def preferences(self) -> AlertPreferencesOut:
        """Of the caller."""
        return _preferences(await preference_of(self._work, self._work.actor.user_id))

    async def put_preferences(
        self, data: PutAlertPreferences, check: Callable[[AlertPreferencesOut], None]
    ) -> AlertPreferencesOut:
        """Write them. Raises 422 `quiet-hours`."""
        _check_quiet(data.quiet_from, data.quiet_to)
        before = await self.preferences()
        check(before)
        user_id = self._work.actor.user_id
        values: dict[str, Any] = msgspec.structs.asdict(data)
        values |= {"muted": sorted(set(data.muted)), "updated_at": clock.now()}
        await self._work.session.execute(
            insert(CompanyAlertPreference)
            .values(tenant_id=self._work.tenant_id, user_id=user_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=values)
        )
        saved = await self.preferences()
        if saved != before:
            self._work.record("alert-preferences.changed", user_id, before=before, after=saved)
        return saved

    async def _find(self, alert_id: UUID, *, lock: bool = False) -> CompanyAlert:
        found = select(CompanyAlert).where(CompanyAlert.tenant_id == self._work.tenant_id, CompanyAlert.id == alert_id)
        row = await self._work.session.scalar(found.with_for_update() if lock else found)
        if row is None:
            raise NotFound("No hay tal alerta.")
        return row


def _check_quiet(quiet_from: str | None, quiet_to: str | None) -> None:
    if (quiet_from is None) != (quiet_to is None):
        pointer = "/quietTo" if quiet_to is None else "/quietFrom"
        detail = "Diga desde y hasta qué hora, o ninguna de las dos."
    elif quiet_from is not None and quiet_from == quiet_to:
        pointer, detail = "/quietTo", "Debe ser otra hora que la del comienzo."
    else:
        return
    raise RuleBroken(detail, code="quiet-hours", errors=(FieldError(pointer, "quiet-hours", detail),))


def _preferences(preference: Preference) -> AlertPreferencesOut:
    known = set(get_args(KindCode))
    muted = [one for one in preference.muted if one in known]
    return msgspec.convert(msgspec.structs.replace(preference, muted=muted), AlertPreferencesOut, from_attributes=True)


def _out(row: CompanyAlert) -> CompanyAlertOut:
    status: CompanyAlertStatus = "open" if row.acknowledged_at is None else "acknowledged"
    kind = msgspec.convert(row.kind, KindCode)
    return CompanyAlertOut(
        id=row.id,
        kind=kind,
        severity=msgspec.convert(row.severity, Severity),
        title=row.title,
        detail=row.detail,
        next_step=KINDS[kind].next_step,
        status="resolved" if row.resolved_at is not None else status,
        items=[msgspec.convert(one, AlertItemOut) for one in row.items],
        item_count=row.item_count,
        opened_at=row.opened_at,
        last_seen_at=row.last_seen_at,
        resolved_at=row.resolved_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
    )
