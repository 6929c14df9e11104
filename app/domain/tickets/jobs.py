"""Background jobs of support tickets: each message is told to its other side by mail."""

from typing import Final
from uuid import UUID

from sqlalchemy import select

from app.db.jobs import JobContext
from app.domain.accounts.company_sessions import addresses_of
from app.domain.accounts.models import Membership
from app.domain.provider.people import active_people, find_person
from app.domain.tenants.service import TenantService
from app.domain.tickets.models import SupportMessage
from app.domain.tickets.threads import TELL, find
from app.integrations.mail import MailRefused, MailSender
from app.integrations.mail.templating import write_mail
from app.lib.jobs import Hopeless, job
from app.lib.permissions import OWNER
from app.lib.schemas import Input
from app.lib.staff import STAFF_ADMIN

_TELL_ONE: Final = "tickets.tell-one"


class Tell(Input):
    message_id: UUID


class TellOne(Input):
    message_id: UUID
    user_id: UUID
    """Of the company's people, or of the staff: as the message's side says."""


@job(TELL)
async def tell(context: JobContext, payload: Tell) -> None:
    """Ask for a mail to each who should know of a message: one that is refused keeps nobody from the rest."""
    async with context.transaction() as work:
        message = (
            await work.session.scalars(
                select(SupportMessage).where(
                    SupportMessage.tenant_id == work.tenant_id, SupportMessage.id == payload.message_id
                )
            )
        ).one()
        ticket, state = await find(work, message.ticket_id)
        if message.side == "provider":
            people = await work.session.scalars(
                select(Membership.user_id).where(Membership.tenant_id == work.tenant_id, Membership.is_active)
            )
            here = set(people)
            if ticket.user_id in here:
                wanted = [ticket.user_id]
            else:
                owners = await work.session.scalars(
                    select(Membership.user_id).where(
                        Membership.tenant_id == work.tenant_id, Membership.role == OWNER, Membership.is_active
                    )
                )
                wanted = list(owners)
        else:
            wanted = await _staff(context, state.assignee_id)
        for user_id in wanted:
            work.ask(_TELL_ONE, {"messageId": str(message.id), "userId": str(user_id)})


@job(_TELL_ONE, timeout=60)
async def tell_one(context: JobContext, payload: TellOne) -> None:
    """Mail a message of a thread. Run twice, it tells twice."""
    async with context.transaction() as work:
        message = (
            await work.session.scalars(
                select(SupportMessage).where(
                    SupportMessage.tenant_id == work.tenant_id, SupportMessage.id == payload.message_id
                )
            )
        ).one()
        ticket, _ = await find(work, message.ticket_id)
        company = (await TenantService(work).find()).name
        if message.side == "provider":
            name, email = await addresses_of(work, payload.user_id)
            link = f"{context.settings.public_url}/soporte/{ticket.id}"
        else:
            person = await find_person(context.database, payload.user_id)
            if person is None:
                raise Hopeless("there is no such person of the staff")
            name, email = person.name, person.email
            link = f"{context.settings.public_url}/operador/soporte/{work.tenant_id}/{ticket.id}"
    mail = write_mail(
        "support-ticket" if message.side == "provider" else "support-ticket-staff",
        email,
        name=name,
        company=company,
        number=ticket.number,
        subject_line=ticket.subject,
        author=message.author_name,
        body=message.body,
        is_closed=message.status == "closed",
        link=link,
    )
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error


async def _staff(context: JobContext, assignee_id: UUID | None) -> list[UUID]:
    """Who of the operator's is told: whoever has the ticket, else all of support, else the administrators."""
    people = await active_people(context.database)
    assigned = [one.id for one in people if one.id == assignee_id]
    support = [one.id for one in people if one.role == "support"]
    return assigned or support or [one.id for one in people if one.role == STAFF_ADMIN]
