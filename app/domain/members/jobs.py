"""Background jobs of members."""

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select

from app.db.jobs import JobContext
from app.db.session import SYSTEM_USER
from app.domain.accounts.models import Membership
from app.domain.members.invitations import VALID, InvitationService, invitation_token
from app.domain.members.roles import RoleService
from app.domain.tenants.service import TenantService
from app.integrations.mail import MailRefused, MailSender
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.errors import NotFound, RuleBroken
from app.lib.jobs import Hopeless, job
from app.lib.permissions import ROLE_NAMES
from app.lib.schemas import Input

_SOMEBODY: Final = "Su empresa"
_OPERATOR: Final = "Mostrador"


class SendInvitation(Input):
    """Names the invitation and which of its mails; the link is made from them."""

    invitation_id: UUID
    mailing: int


@job("members.send-invitation", timeout=60)
async def send_invitation(context: JobContext, payload: SendInvitation) -> None:
    """Mail somebody the link to a company; nothing for an invitation that ended or was mailed again since.

    Run twice, it sends the same link twice.
    """
    async with context.transaction() as work:
        try:
            row = await InvitationService(work).find(payload.invitation_id)
        except NotFound:
            return
        if row.accepted_at or row.revoked_at or row.expires_at <= clock.now() or row.mailing != payload.mailing:
            return
        try:
            role = await RoleService(work).resolve(row.role, "")
        except RuleBroken:
            return
        role_name = ROLE_NAMES.get(role.code)
        if role.company_role_id is not None:
            role_name = (await RoleService(work).find(role.company_role_id)).name
        tenant = await TenantService(work).find()
        inviter = await work.session.scalar(
            select(Membership.display_name).where(
                Membership.tenant_id == work.tenant_id, Membership.user_id == row.invited_by
            )
        )
        to, name, token, author = row.email, row.name, invitation_token(work, row), row.invited_by
    link = f"{context.settings.public_url}/invitacion?{urlencode({'token': token})}"
    mail = write_mail(
        "invitation",
        to,
        name=name,
        inviter=inviter or (_OPERATOR if author == SYSTEM_USER else _SOMEBODY),
        company=tenant.name,
        role=(role_name or role.code).lower(),
        link=link,
        days=VALID.days,
    )
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error
