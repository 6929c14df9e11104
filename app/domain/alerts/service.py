"""The operator's alerts: reading them, acknowledging, silencing, and trying the channels."""

import asyncio
import socket
import time
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import and_, select, update
from uuid_utils.compat import uuid7

from app import __version__
from app.db.desk import Desk
from app.db.platform import MonitorAlert
from app.domain.alerts.channels import CHANNELS, Channel, ChannelAway, Channels, shown_secret
from app.domain.alerts.checks import CHECKS
from app.domain.alerts.models import AlertDelivery, AlertSilence
from app.domain.alerts.notices import SEVERITIES, Notice, Severity
from app.domain.alerts.schemas import (
    Acknowledge,
    AlertDetailOut,
    AlertOut,
    AlertPage,
    AlertStatus,
    ChannelOut,
    ChannelsOut,
    CreateSilence,
    DeliveryOut,
    SilenceOut,
    SilencePage,
    TestOut,
    TestResult,
)
from app.domain.audit.findings import PREFIXES
from app.lib import clock
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken
from app.lib.pages import after, cut
from app.settings import Settings

GROUP: Final = "proofs"
"""Alert that stands for the findings of all companies."""
_GROUPED: Final = f"Va dentro de la alerta «{GROUP}», que cuenta a todas las empresas."
_TEST: Final = "prueba"


class AlertClosed(Conflict):
    """Nothing to attend to any more."""

    code = "alert-resolved"


class ProviderAlerts:
    """What the staff sees and does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings: Settings = desk.database.settings

    async def page(
        self, *, status: AlertStatus | None, severity: Severity | None, limit: int, cursor: str | None
    ) -> AlertPage:
        """Alerts, newest first."""
        alert = MonitorAlert
        statement = select(alert).limit(limit + 1)
        if status == "resolved":
            statement = statement.where(alert.resolved_at.is_not(None))
        elif status is not None:
            known = alert.acknowledged_at.is_not(None) if status == "acknowledged" else alert.acknowledged_at.is_(None)
            statement = statement.where(and_(alert.resolved_at.is_(None), known))
        if severity is not None:
            statement = statement.where(alert.severity == severity)
        statement = after(statement, [alert.opened_at, alert.id], cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._desk.work.session.scalars(statement)).all()
        items, following = cut(rows, limit, lambda row: (row.opened_at, row.id))
        return AlertPage(items=[self._out(row) for row in items], next_cursor=following)

    async def read(self, alert_id: UUID) -> AlertDetailOut:
        """One alert with every message about it. Raises `NotFound`."""
        row = await self._find(alert_id)
        statement = select(AlertDelivery).where(AlertDelivery.alert_id == alert_id)
        found = await self._desk.work.session.scalars(statement.order_by(AlertDelivery.created_at, AlertDelivery.id))
        deliveries = [msgspec.convert(one, DeliveryOut, from_attributes=True) for one in found]
        return AlertDetailOut(**msgspec.structs.asdict(self._out(row)), deliveries=deliveries)

    async def acknowledge(self, alert_id: UUID, data: Acknowledge) -> AlertOut:
        """Somebody attends to it: no repeats, no escalation. Raises `NotFound`, `AlertClosed`."""
        row = await self._find(alert_id)
        if row.resolved_at is not None:
            raise AlertClosed("La alerta ya se resolvió.")
        if row.acknowledged_at is None:
            staff, now = self._desk.staff, clock.now()
            # Only while nobody did: two at once are both answered with the first.
            changed = await self._desk.work.session.execute(
                update(MonitorAlert)
                .where(MonitorAlert.id == alert_id, MonitorAlert.acknowledged_at.is_(None))
                .values(acknowledged_at=now, acknowledged_by=staff.name, note=data.note or None)
                .returning(MonitorAlert.id)
            )
            won = changed.scalar_one_or_none() is not None
            await self._desk.work.session.refresh(row)
            if won:
                await self._desk.note(
                    "alert.acknowledged", alert_id, after={"fingerprint": row.fingerprint, "note": data.note}
                )
        return self._out(row)

    async def silence(self, data: CreateSilence) -> SilenceOut:
        """Hear nothing of a check for a while. Raises `RuleBroken` for a name that no check has: it would silence nothing."""
        if data.fingerprint != "*" and data.fingerprint not in CHECKS:
            raise RuleBroken(
                "No hay tal comprobación.",
                errors=(
                    FieldError(
                        "/fingerprint", "unknown-check", f"Es una de: {', '.join(sorted(CHECKS))}; o «*», todas."
                    ),
                ),
            )
        now = clock.now()
        row = AlertSilence(
            id=uuid7(),
            fingerprint=data.fingerprint,
            reason=data.reason,
            created_by=self._desk.staff.name,
            created_at=now,
            ends_at=now + timedelta(minutes=data.minutes),
        )
        self._desk.work.session.add(row)
        await self._desk.work.flush()
        await self._desk.note(
            "alert.silenced",
            row.id,
            after={"fingerprint": data.fingerprint, "minutes": data.minutes, "reason": data.reason},
        )
        return msgspec.convert(row, SilenceOut, from_attributes=True)

    async def silences(self, limit: int, cursor: str | None) -> SilencePage:
        """Silences, newest first, also those that are over."""
        silence = AlertSilence
        statement = after(
            select(silence).limit(limit + 1),
            [silence.created_at, silence.id],
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows = (await self._desk.work.session.scalars(statement)).all()
        items, following = cut(rows, limit, lambda row: (row.created_at, row.id))
        return SilencePage(
            items=[msgspec.convert(row, SilenceOut, from_attributes=True) for row in items], next_cursor=following
        )

    async def end_silence(self, silence_id: UUID) -> SilenceOut:
        """End a silence before its time; ended already, it stays as it was. Raises `NotFound`."""
        row = await self._desk.work.session.get(AlertSilence, silence_id, with_for_update=True)
        if row is None:
            raise NotFound("No hay tal silencio.")
        now = clock.now()
        if row.ended_at is None and row.ends_at > now:
            row.ended_at, row.ended_by = now, self._desk.staff.name
            await self._desk.work.flush()
            await self._desk.note("alert.silence-ended", silence_id, after={"fingerprint": row.fingerprint})
        return msgspec.convert(row, SilenceOut, from_attributes=True)

    def channels(self) -> ChannelsOut:
        """What is configured, and what goes where."""
        channels = Channels(self._settings)
        items = [
            ChannelOut(
                channel=channel,
                configured=channels.configured(channel),
                takes=[one for one in SEVERITIES if channels.why_not(channel, one, "opened") is None],
            )
            for channel in CHANNELS
        ]
        return ChannelsOut(items=items, webhook_secret=shown_secret(self._settings))

    async def test(self, severity: Severity) -> TestOut:
        """Send a real message on every channel that is configured, and say how each went."""
        staff, database = self._desk.staff, self._desk.database
        # The request's transaction is given back: nothing outside is waited for with a connection in hand.
        await self._desk.work.session.rollback()
        channels, notice = Channels(self._settings), self._notice(severity)
        tried = await asyncio.gather(*(_try(channels, channel, notice) for channel in CHANNELS))
        async with database.platform_transaction() as session:
            session.add_all([row for row, _ in tried])
        await self._desk.work.pin(user_id=staff.id)
        items = [result for _, result in tried]
        await self._desk.note(
            "alert.tested",
            tried[0][0].id,
            after={"severity": severity, "results": [msgspec.to_builtins(one) for one in items]},
        )
        return TestOut(severity=severity, items=items)

    def _notice(self, severity: Severity) -> Notice:
        settings, now = self._settings, clock.now()
        return Notice(
            event="test",
            fingerprint=_TEST,
            severity=severity,
            title="así llega una alerta",
            detail=f"{self._desk.staff.name} probó los canales; nada está fallando.",
            affected="A nadie.",
            opened_at=now,
            resolved_at=None,
            next_step="Nada: si lee esto, el canal sirve.",
            runbook=f"{settings.runbook_url}#prueba",
            release=settings.release or __version__,
            host=socket.gethostname(),
            environment=settings.environment,
        )

    async def _find(self, alert_id: UUID) -> MonitorAlert:
        row = await self._desk.work.session.get(MonitorAlert, alert_id)
        if row is None:
            raise NotFound("No hay tal alerta.")
        return row

    def _out(self, row: MonitorAlert) -> AlertOut:
        prefix, _, rest = row.fingerprint.partition(":")
        grouped = bool(rest) and prefix in PREFIXES
        status: AlertStatus = "open" if row.acknowledged_at is None else "acknowledged"
        values: dict[str, Any] = {name: getattr(row, name) for name in _COPIED}
        return AlertOut(
            **values,
            title=row.title or row.fingerprint,
            status="resolved" if row.resolved_at is not None else status,
            quiet=_GROUPED if grouped and row.quiet is None else row.quiet,
            runbook=f"{self._settings.runbook_url}#{GROUP if grouped else row.fingerprint}",
        )


_COPIED: Final = tuple(
    field for field in AlertOut.__struct_fields__ if field not in {"title", "status", "quiet", "runbook"}
)


async def _try(channels: Channels, channel: Channel, notice: Notice) -> tuple[AlertDelivery, TestResult]:
    began, row_id, created_at = time.perf_counter(), uuid7(), clock.now()
    reason = channels.why_not(channel, notice.severity, "test")
    skipped = reason is not None
    if not skipped:
        try:
            await channels.send(channel, str(row_id), notice)
        except ChannelAway as error:
            reason = str(error)
    status = "skipped" if skipped else "sent" if reason is None else "failed"
    now = clock.now()
    row = AlertDelivery(
        id=row_id,
        alert_id=None,
        fingerprint=notice.fingerprint,
        event="test",
        channel=channel,
        status=status,
        reason=reason,
        attempts=0 if skipped else 1,
        tries=[] if skipped else [{"at": now.isoformat(), "error": reason}],
        notice=msgspec.to_builtins(notice),
        created_at=created_at,
        next_at=None,
        finished_at=now,
    )
    result = msgspec.convert(
        {
            "channel": channel,
            "status": status,
            "reason": reason,
            "milliseconds": round((time.perf_counter() - began) * 1000),
        },
        TestResult,
    )
    return row, result
