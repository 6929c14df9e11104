"""Who is mailed about a company's alerts, when, and why not: rows first, sending is `jobs.py`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import distinct_on

from app.db.session import Work
from app.domain.accounts.models import Membership
from app.domain.alerts.company.hours import next_at, quiet_until
from app.domain.alerts.company.looks import Shop
from app.domain.alerts.company.models import (
    CompanyAlert,
    CompanyAlertMail,
    CompanyAlertPreference,
    CompanyAlertSetting,
)
from app.domain.alerts.notices import SEVERITIES
from app.lib.permissions import permissions_of

PERMISSION: Final = "alerts:read"
MAIL_JOB: Final = "alerts.mail"
_OVER: Final = "Se resolvió antes de que fuera hora de avisar."

Told = Literal["opened", "resolved", "repeated"]


def may_hear(member: Membership) -> bool:
    """Whether alerts are for a member: active, of all branches, with a role that may see them."""
    permissions = permissions_of(member.role, member.permissions)
    return member.is_active and member.all_branches and PERMISSION in permissions


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """How one person wants to hear."""

    mails: str = "now"
    severity: str = "warning"
    digest_at: str = "07:00"
    quiet_from: str | None = None
    quiet_to: str | None = None
    muted: Sequence[str] = ()

    def why_not(self, kind: str, severity: str) -> str | None:
        """Why this person is not mailed, in Spanish."""
        if self.mails == "none":
            return "Esta persona no quiere correos."
        if kind in self.muted:
            return "Esta persona no quiere correos de esta clase."
        if SEVERITIES.index(severity) < SEVERITIES.index(self.severity):
            return "Esta persona solo quiere correos de mayor severidad."
        return None


async def preference_of(work: Work, user_id: UUID) -> Preference:
    """As it begins when the person set nothing."""
    row = await work.session.get(CompanyAlertPreference, (work.tenant_id, user_id), populate_existing=True)
    return Preference() if row is None else msgspec.convert(row, Preference, from_attributes=True)


class MailPlan:
    """What one look tells."""

    def __init__(self, shop: Shop, setting: CompanyAlertSetting) -> None:
        self._shop = shop
        self._work = shop.work
        self._setting = setting
        self._people: dict[UUID, Preference] | None = None

    async def tell(self, alert: CompanyAlert, event: Told) -> None:
        """A beginning, or that it goes on, to everybody who may see alerts; also why somebody is not mailed."""
        waiting = await self._waiting(alert.kind)
        for user_id, preference in (await self._recipients()).items():
            reason = preference.why_not(alert.kind, alert.severity)
            # Whoever still waits for the beginning reads of it as it is then.
            if reason is None and user_id in waiting:
                continue
            if reason is None:
                self._add(alert, user_id, event, due_at=self._due(preference, alert.severity))
            elif event == "opened":
                self._add(alert, user_id, event, reason=reason)

    async def tell_end(self, alert: CompanyAlert) -> None:
        """To whoever was mailed the beginning, whatever the severity became. Who waits for it yet needs no mail at all."""
        await self.withdraw(alert, _OVER)
        people = await self._recipients()
        for user_id in await self._who_know(alert.kind):
            preference = people.get(user_id)
            if preference is not None and preference.mails != "none":
                self._add(alert, user_id, "resolved", due_at=self._due(preference, alert.severity))

    async def withdraw(self, alert: CompanyAlert, reason: str) -> None:
        """Nobody is mailed any more what was not mailed yet of this kind."""
        mail = CompanyAlertMail
        kin = select(CompanyAlert.id).where(CompanyAlert.tenant_id == mail.tenant_id, CompanyAlert.kind == alert.kind)
        await self._work.flush()
        await self._work.session.execute(
            update(mail)
            .where(mail.tenant_id == self._work.tenant_id, mail.status == "pending", mail.alert_id.in_(kin))
            .values(status="skipped", reason=reason, finished_at=self._shop.now)
            .execution_options(synchronize_session=False)
        )

    async def settle(self) -> None:
        """Ask for the mails whose time has come."""
        await self._work.flush()
        mail = CompanyAlertMail
        due = select(mail.user_id).where(
            mail.tenant_id == self._work.tenant_id, mail.status == "pending", mail.due_at <= self._shop.now
        )
        for user_id in await self._work.session.scalars(due.distinct()):
            self._work.ask(MAIL_JOB, {"userId": str(user_id)})

    async def _recipients(self) -> dict[UUID, Preference]:
        """Active people of all branches whose role may see alerts: an alert is of the whole company."""
        if self._people is None:
            members = await self._work.session.scalars(
                select(Membership).where(Membership.tenant_id == self._work.tenant_id, Membership.is_active)
            )
            found = [one.user_id for one in members if may_hear(one)]
            self._people = {one: await preference_of(self._work, one) for one in sorted(found)}
        return self._people

    async def _who_know(self, kind: str) -> list[UUID]:
        """People whose last mail about a kind said that it is wrong."""
        mail = CompanyAlertMail
        last = (
            select(mail.user_id, mail.event)
            .join(CompanyAlert, (CompanyAlert.tenant_id == mail.tenant_id) & (CompanyAlert.id == mail.alert_id))
            .where(mail.tenant_id == self._work.tenant_id, CompanyAlert.kind == kind, mail.status == "sent")
            .ext(distinct_on(mail.user_id))
            .order_by(mail.user_id, mail.created_at.desc(), mail.id.desc())
        )
        return [row.user_id for row in await self._work.session.execute(last) if row.event != "resolved"]

    async def _waiting(self, kind: str) -> set[UUID]:
        """People who will be mailed about a kind anyway."""
        mail = CompanyAlertMail
        found = (
            select(mail.user_id)
            .join(CompanyAlert, (CompanyAlert.tenant_id == mail.tenant_id) & (CompanyAlert.id == mail.alert_id))
            .where(mail.tenant_id == self._work.tenant_id, CompanyAlert.kind == kind, mail.status == "pending")
        )
        return set(await self._work.session.scalars(found))

    def _due(self, preference: Preference, severity: str) -> datetime:
        """Now, at the day's mail, or when quiet ends: the person's own hours, else the company's."""
        now, zone = self._shop.now, self._shop.zone
        if preference.mails == "daily" and severity != "critical":
            return next_at(now, zone, preference.digest_at)
        own = preference if preference.quiet_from is not None else self._setting
        return quiet_until(now, zone, own.quiet_from, own.quiet_to) or now

    def _add(
        self, alert: CompanyAlert, user_id: UUID, event: Told, *, due_at: datetime | None = None, reason: str = ""
    ) -> None:
        now = self._shop.now
        self._work.session.add(
            CompanyAlertMail(
                tenant_id=self._work.tenant_id,
                alert_id=alert.id,
                user_id=user_id,
                event=event,
                status="pending" if due_at is not None else "skipped",
                reason=reason,
                due_at=due_at or now,
                created_at=now,
                finished_at=None if due_at is not None else now,
            )
        )
