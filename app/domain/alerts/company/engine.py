"""One look at a company: what its rules find becomes alerts, and alerts become mails that are due.

A look is the company's alone, whoever runs it. What people know is kept apart from what is, as the monitor keeps it: a mail
goes out when the two differ, unless it changes too often (`app.domain.alerts.life`).
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.alerts.company.kinds import KINDS, KindCode
from app.domain.alerts.company.looks import LOOKS, SHOWN, Finding, Shop
from app.domain.alerts.company.mails import MailPlan
from app.domain.alerts.company.models import CompanyAlert, CompanyAlertLife, CompanyAlertSetting
from app.domain.alerts.company.rules import Rule, rules_of
from app.domain.alerts.life import REPEAT_AFTER, Life
from app.domain.alerts.notices import SEVERITIES, Severity, worse
from app.domain.tenants.service import TenantService

_AGAIN_AFTER: Final = timedelta(days=1)
"""An open alert that nobody attends to is told again."""
_OFF: Final = "La empresa apagó esta alerta."


async def take_turn(work: Work) -> CompanyAlertSetting:
    """The company's settings, held until commit: two looks never run at once."""
    await work.session.execute(insert(CompanyAlertSetting).values(tenant_id=work.tenant_id).on_conflict_do_nothing())
    held = select(CompanyAlertSetting).where(CompanyAlertSetting.tenant_id == work.tenant_id).with_for_update()
    return (await work.session.scalars(held.execution_options(populate_existing=True))).one()


async def look(work: Work, now: datetime) -> None:
    """Ask everything that is on, and write what came of it."""
    setting = await take_turn(work)
    company = await TenantService(work).find()
    shop = Shop(work, now, ZoneInfo(company.time_zone))
    plan = MailPlan(shop, setting)
    lives, rules, alerts = await _by_kind(work), await rules_of(work), await _open_alerts(work)
    for kind in KINDS:
        watch = _Watch(shop, plan, kind, rules[kind], lives.get(kind), alerts.get(kind))
        await watch.turn()
    await plan.settle()


class _Watch:
    """One kind's turn."""

    def __init__(
        self,
        shop: Shop,
        plan: MailPlan,
        kind: KindCode,
        rule: Rule,
        row: CompanyAlertLife | None,
        alert: CompanyAlert | None,
    ) -> None:
        self._shop = shop
        self._work = shop.work
        self._plan = plan
        self._kind: KindCode = kind
        self._rule = rule
        self._row = row
        self._open = alert
        self._rose = False
        self._life = Life() if row is None else Life(failures=row.failures, goods=row.goods, changes=deque(row.changes))

    async def turn(self) -> None:
        rule, row = self._rule, self._row
        if not rule.is_on:
            if row is not None or self._open is not None:
                await self._forget()
            return
        finding = await LOOKS[self._kind](self._shop, rule.thresholds)
        if finding is None and row is None:
            # Nothing was ever wrong: nothing to write down.
            return
        self._life.saw(wrong=finding is not None)
        if self._row is None:
            self._row = CompanyAlertLife(tenant_id=self._work.tenant_id, kind=self._kind, heard_id=None)
            self._work.session.add(self._row)
        if finding is not None and self._open is None and self._life.opens:
            self._begin(finding)
        elif finding is not None and self._open is not None:
            self._seen(self._open, finding)
        elif finding is None and self._open is not None and self._life.ends:
            self._end(self._open)
        await self._work.flush()
        await self._settle()
        if self._open is None and self._row.heard_id is None and self._life.ends and not self._life.changes:
            # Calm again, and nobody waits to hear so: what is remembered of it is nothing.
            await self._work.session.delete(self._row)
            return
        self._row.failures, self._row.goods = self._life.failures, self._life.goods
        self._row.changes = list(self._life.changes)

    def _begin(self, finding: Finding) -> None:
        now = self._shop.now
        self._open = CompanyAlert(
            tenant_id=self._work.tenant_id,
            id=uuid7(),
            kind=self._kind,
            severity=self._severity(finding),
            title=KINDS[self._kind].title,
            opened_at=now,
            last_seen_at=now,
            resolved_at=None,
            acknowledged_at=None,
            acknowledged_by=None,
            told_at=None,
            end_told_at=None,
            **_evidence(finding),
        )
        self._work.session.add(self._open)
        self._life.changes.append(now)
        self._record("alert.opened", self._open)

    def _seen(self, alert: CompanyAlert, finding: Finding) -> None:
        severity = self._severity(finding)
        self._rose = SEVERITIES.index(severity) > SEVERITIES.index(alert.severity)
        alert.last_seen_at, alert.severity = self._shop.now, severity
        for name, value in _evidence(finding).items():
            setattr(alert, name, value)

    def _end(self, alert: CompanyAlert) -> None:
        alert.resolved_at = self._shop.now
        self._open = None
        self._life.changes.append(self._shop.now)
        self._record("alert.resolved", alert)

    def _severity(self, finding: Finding) -> Severity:
        return worse(self._rule.severity, finding.severity or "info")

    def _record(self, action: str, alert: CompanyAlert) -> None:
        told = {
            "kind": alert.kind,
            "severity": alert.severity,
            "title": alert.title,
            "detail": alert.detail,
            "count": alert.item_count,
            "openedAt": alert.opened_at,
            "resolvedAt": alert.resolved_at,
        }
        self._work.record(action, alert.id, after=told)

    async def _settle(self) -> None:
        """Bring what people heard together with what is."""
        assert self._row is not None
        now, alert = self._shop.now, self._open
        steady = self._life.is_steady(now)
        heard = await self._heard()
        if alert is not None and heard is None:
            if steady:
                await self._tell_beginning(alert)
        elif alert is None and heard is not None and steady:
            heard.end_told_at, self._row.heard_id = now, None
            await self._plan.tell_end(heard)
        elif alert is not None and heard is not None:
            if heard.id != alert.id:
                # It came back before its end was told: people still know of it.
                heard.end_told_at, self._row.heard_id = now, alert.id
                alert.told_at, alert.told_count = heard.told_at, heard.told_count
            await self._remind(alert)

    async def _tell_beginning(self, alert: CompanyAlert) -> None:
        assert self._row is not None
        alert.told_at, alert.told_count = self._shop.now, alert.item_count
        self._row.heard_id = alert.id
        await self._plan.tell(alert, "opened")

    async def _remind(self, alert: CompanyAlert) -> None:
        """Again after a day in which nobody attended to it; sooner, and even so, when it grew; at once when it is worse."""
        assert alert.told_at is not None
        since = self._shop.now - alert.told_at
        grew = alert.item_count > alert.told_count and since >= REPEAT_AFTER
        if self._rose or grew or (alert.acknowledged_at is None and since >= _AGAIN_AFTER):
            alert.told_at, alert.told_count = self._shop.now, alert.item_count
            await self._plan.tell(alert, "repeated")

    async def _heard(self) -> CompanyAlert | None:
        assert self._row is not None
        if self._row.heard_id is None:
            return None
        return await self._work.session.get(CompanyAlert, (self._work.tenant_id, self._row.heard_id))

    async def _forget(self) -> None:
        """The rule was switched off: what is open ends, and nobody is told."""
        if self._open is not None:
            self._open.note = self._open.note or _OFF
            self._end(self._open)
        if self._row is not None:
            heard = await self._heard()
            if heard is not None:
                heard.end_told_at = self._shop.now
                await self._plan.withdraw(heard, _OFF)
            await self._work.session.delete(self._row)


def _evidence(finding: Finding) -> dict[str, object]:
    shown = [msgspec.to_builtins(one) for one in finding.items[:SHOWN]]
    return {"detail": finding.detail, "items": shown, "item_count": len(finding.items)}


async def _by_kind(work: Work) -> dict[str, CompanyAlertLife]:
    found = select(CompanyAlertLife).where(CompanyAlertLife.tenant_id == work.tenant_id)
    return {row.kind: row for row in await work.session.scalars(found.execution_options(populate_existing=True))}


async def _open_alerts(work: Work) -> dict[str, CompanyAlert]:
    """Held: an acknowledgement waits for the look, and the look for it."""
    found = select(CompanyAlert).where(CompanyAlert.tenant_id == work.tenant_id, CompanyAlert.resolved_at.is_(None))
    found = found.order_by(CompanyAlert.kind).with_for_update().execution_options(populate_existing=True)
    return {alert.kind: alert for alert in await work.session.scalars(found)}
