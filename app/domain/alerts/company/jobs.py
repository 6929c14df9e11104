"""Background jobs of a company's alerts: the look, and mailing one person what is due."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.accounts.memberships import member_of
from app.domain.accounts.models import AppUser
from app.domain.alerts.company.engine import look
from app.domain.alerts.company.kinds import KINDS
from app.domain.alerts.company.mails import MAIL_JOB, may_hear, preference_of
from app.domain.alerts.company.models import CompanyAlert, CompanyAlertMail
from app.domain.alerts.notices import length_of
from app.domain.tenants.service import TenantService
from app.integrations.mail import MailRefused, MailSender, MailUnavailable
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.jobs import NoPayload, job
from app.lib.schemas import Input

_CLAIMED: Final = timedelta(minutes=5)
"""How long mails belong to one run, and what a run that died holds them up."""
_AGAIN: Final = timedelta(minutes=4)
"""Before the next look, which asks again: a mail server that returns has everything within five minutes."""
_TRIES: Final = 290
"""About a day of looks. Counted, since the mail of a day waits that long before its first."""
_MOST: Final = 50
"""Told in one mail."""
_HEADS: Final = {"opened": "", "repeated": "Sigue: ", "resolved": "Resuelto: "}


class ToPerson(Input):
    user_id: UUID


@job("alerts.look", timeout=60)
async def look_at_company(context: JobContext, _payload: NoPayload) -> None:
    """Look at the company once. Run twice, it looked twice, one after the other."""
    async with context.transaction() as work:
        await look(work, clock.now())


@job(MAIL_JOB, timeout=60, lane="remote")
async def mail_person(context: JobContext, payload: ToPerson) -> None:
    """Mail a person everything that is due to them, in one message. Run twice, each thing is told by one run."""
    now = clock.now()
    async with context.transaction() as work:
        claimed = await _claim(work, payload.user_id, now)
        if not claimed:
            return
        company = await TenantService(work).find()
        told = [_told(mail, alert, ZoneInfo(company.time_zone)) for mail, alert in claimed]
        ids, tries, name = [mail.id for mail, _ in claimed], max(mail.attempts for mail, _ in claimed), company.name
    async with context.database.person_transaction(user_id=payload.user_id) as work:
        user = await work.session.scalar(select(AppUser).where(AppUser.id == payload.user_id))
    values: dict[str, Any]
    if user is None or not user.is_active:
        values = {"status": "skipped", "reason": "La persona ya no tiene cuenta.", "finished_at": now}
    else:
        values = await _send(context, user, name, told, tries)
    async with context.transaction() as work:
        await _write(work, ids, values)


async def _claim(work: Work, user_id: UUID, now: datetime) -> list[tuple[CompanyAlertMail, CompanyAlert]]:
    """What is due to a person and still wanted, held for a while; the rest is written off."""
    mail = CompanyAlertMail
    rows = (
        await work.session.execute(
            select(mail, CompanyAlert)
            .join(CompanyAlert, (CompanyAlert.tenant_id == mail.tenant_id) & (CompanyAlert.id == mail.alert_id))
            .where(
                mail.tenant_id == work.tenant_id,
                mail.user_id == user_id,
                mail.status == "pending",
                mail.due_at <= now,
            )
            .order_by(mail.created_at, mail.id)
            .limit(_MOST)
            .with_for_update(of=mail, skip_locked=True)
        )
    ).all()
    member = await member_of(work, user_id, work.tenant_id)
    preference = await preference_of(work, user_id)
    claimed = []
    for one, alert in rows:
        reason = preference.why_not(alert.kind, alert.severity) if one.event == "opened" else None
        if member is None or not may_hear(member):
            reason = "La persona ya no es de la empresa, o ya no ve sus alertas."
        if reason is not None:
            one.status, one.reason, one.finished_at = "skipped", reason, now
            continue
        one.attempts, one.due_at = one.attempts + 1, now + _CLAIMED
        claimed.append((one, alert))
    return claimed


async def _send(
    context: JobContext, user: AppUser, company: str, told: list[dict[str, Any]], tries: int
) -> dict[str, Any]:
    """Hand one message over; answers what that makes of the rows."""
    title = told[0]["title"] if len(told) == 1 else f"{len(told)} avisos de su tienda"
    mail = write_mail(
        "company-alerts",
        user.email,
        name=user.name,
        company=company,
        title=title,
        told=told,
        link=f"{context.settings.public_url}/alertas",
    )
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        return {
            "status": "failed",
            "reason": f"El servidor de correo no lo acepta: {error}",
            "finished_at": clock.now(),
        }
    except MailUnavailable as error:
        now = clock.now()
        if tries >= _TRIES:
            return {"status": "failed", "reason": f"No se pudo enviar en {tries} intentos: {error}", "finished_at": now}
        return {"reason": str(error), "due_at": now + _AGAIN}
    return {"status": "sent", "reason": "", "finished_at": clock.now()}


async def _write(work: Work, ids: list[UUID], values: dict[str, Any]) -> None:
    mail = CompanyAlertMail
    await work.session.execute(
        update(mail)
        .where(mail.tenant_id == work.tenant_id, mail.id.in_(ids), mail.status == "pending")
        .values(values)
        .execution_options(synchronize_session=False)
    )


def _told(mail: CompanyAlertMail, alert: CompanyAlert, zone: ZoneInfo) -> dict[str, Any]:
    is_over = mail.event == "resolved" and alert.resolved_at is not None
    return {
        "title": f"{_HEADS[mail.event]}{alert.title}",
        "detail": alert.detail,
        "since": f"{alert.opened_at.astimezone(zone):%d/%m/%Y %H:%M}",
        "lasted": length_of(alert.resolved_at - alert.opened_at) if is_over and alert.resolved_at else "",
        "items": [] if is_over else alert.items,
        "more": 0 if is_over else max(0, alert.item_count - len(alert.items)),
        "next_step": "" if is_over else KINDS[alert.kind].next_step,  # type: ignore[index]
    }
