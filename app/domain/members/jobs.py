"""Background jobs of members."""

import html
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select

from app.db.jobs import JobContext
from app.domain.accounts.models import Membership
from app.domain.members.invitations import VALID, InvitationService, invitation_token
from app.domain.members.roles import RoleService
from app.domain.tenants.service import TenantService
from app.integrations.mail import Mail, MailRefused, MailSender
from app.lib import clock
from app.lib.errors import NotFound, RuleBroken
from app.lib.jobs import Hopeless, job
from app.lib.permissions import ROLE_NAMES
from app.lib.schemas import Input

_SOMEBODY: Final = "Su empresa"


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
        to, name, token = row.email, row.name, invitation_token(work, row)
    link = f"{context.settings.public_url}/invitacion?{urlencode({'token': token})}"
    mail = invitation_mail(to, name, inviter or _SOMEBODY, tenant.name, role_name or role.code, link)
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error


def invitation_mail(to: str, name: str, inviter: str, company: str, role: str, link: str) -> Mail:
    """What the invited person reads."""
    lines = (
        f"Hola, {name}:",
        f"{inviter} le invita a trabajar en {company} con Mostrador, como {role.lower()}.",
        "Para aceptar, abra este enlace y elija una contraseña; si ya tiene cuenta, use la suya:",
        f"El enlace sirve durante {VALID.days} días y una sola vez. "
        "Si no esperaba este mensaje, ignórelo: sin el enlace nadie entra.",
    )
    greeting, invites, request, notice = (html.escape(line) for line in lines)
    address = html.escape(link)
    return Mail(
        to=to,
        subject=f"Invitación a {' '.join(company.split())} en Mostrador",
        text=f"{lines[0]}\n\n{lines[1]}\n\n{lines[2]}\n\n{link}\n\n{lines[3]}\n",
        html=(
            f'<!doctype html><html lang="es"><body><p>{greeting}</p><p>{invites}</p><p>{request}</p>'
            f'<p><a href="{address}">Aceptar la invitación</a></p><p>{address}</p><p>{notice}</p></body></html>'
        ),
    )
