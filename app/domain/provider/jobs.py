"""Background jobs of the operator's panel: a company's owners are told of support."""

from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.db.jobs import JobContext
from app.domain.accounts.company_sessions import addresses_of
from app.domain.accounts.models import Membership
from app.domain.support.models import SupportAccess
from app.domain.tenants.sample import is_sample
from app.domain.tenants.service import TenantService
from app.integrations.mail import MailRefused, MailSender
from app.integrations.mail.templating import write_mail
from app.lib.jobs import Hopeless, job
from app.lib.permissions import OWNER
from app.lib.schemas import Input

_BOGOTA: Final = ZoneInfo("America/Bogota")


class TellOwners(Input):
    access_id: UUID


class TellOwner(Input):
    access_id: UUID
    user_id: UUID


@job("provider.tell-owners")
async def tell_owners(context: JobContext, payload: TellOwners) -> None:
    """Ask for a mail to each owner of a company that support looks into: one that is refused keeps nobody from the rest."""
    async with context.transaction() as work:
        if await is_sample(work):
            return
        owners = await work.session.scalars(
            select(Membership.user_id).where(
                Membership.tenant_id == work.tenant_id, Membership.role == OWNER, Membership.is_active
            )
        )
        for user_id in owners:
            work.ask("provider.tell-owner", {"accessId": str(payload.access_id), "userId": str(user_id)})


@job("provider.tell-owner", timeout=60)
async def tell_owner(context: JobContext, payload: TellOwner) -> None:
    """Tell an owner who of the operator's support looks into the company, why and until when. Run twice, it tells twice."""
    async with context.transaction() as work:
        access = (
            await work.session.scalars(
                select(SupportAccess).where(
                    SupportAccess.tenant_id == work.tenant_id, SupportAccess.id == payload.access_id
                )
            )
        ).one()
        tenant = await TenantService(work).find()
        name, email = await addresses_of(work, payload.user_id)
    mail = write_mail(
        "support-notice",
        email,
        name=name,
        company=tenant.name,
        staff=access.staff_name,
        reason=access.reason,
        opened=f"{access.opened_at.astimezone(_BOGOTA):%d/%m/%Y %H:%M}",
        until=f"{access.expires_at.astimezone(_BOGOTA):%H:%M}",
        link=f"{context.settings.public_url}/accesos-de-soporte",
    )
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error
