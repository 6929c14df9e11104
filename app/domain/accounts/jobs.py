"""Background jobs of accounts."""

import html
import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.domain.accounts.models import AppUser, OneTimeToken
from app.domain.accounts.service import one_time_hash
from app.domain.accounts.sessions import write_token
from app.integrations.mail import Mail, MailRefused, MailSender
from app.lib import clock
from app.lib.jobs import Hopeless, job
from app.lib.schemas import Input

VALID: Final = timedelta(hours=24)
"""Of the link in a verification mail."""
_SECRET_BYTES: Final = 32


class SendVerification(Input):
    """Names the person only: the outbox is no place for a token."""

    user_id: UUID


@job("accounts.send-verification", timeout=60)
async def send_verification(context: JobContext, payload: SendVerification) -> None:
    """Mail a person the link that shows the address is theirs; nothing for one who has shown it.

    Run twice, it sends two links, and both work.
    """
    async with context.database.person_transaction(user_id=payload.user_id) as work:
        user = (await work.session.scalars(select(AppUser).where(AppUser.id == payload.user_id))).one_or_none()
        if user is None or user.email_verified_at is not None:
            return
        token = write_token(user.id, secrets.token_bytes(_SECRET_BYTES))
        work.session.add(
            OneTimeToken(
                id=uuid7(),
                user_id=user.id,
                purpose="verify-email",
                token_hash=one_time_hash(token),
                expires_at=clock.now() + VALID,
            )
        )
    link = f"{context.settings.public_url}/verificar?{urlencode({'token': token})}"
    try:
        await MailSender(context.settings).send(verification_mail(user.email, user.name, link))
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error


def verification_mail(to: str, name: str, link: str) -> Mail:
    """What the person reads."""
    hours = int(VALID.total_seconds() // 3600)
    lines = (
        f"Hola, {name}:",
        "Para terminar su registro en Mostrador, confirme que este correo es suyo:",
        f"El enlace sirve durante {hours} horas y una sola vez. Si usted no se registró, ignore este mensaje.",
    )
    greeting, request, notice = (html.escape(line) for line in lines)
    address = html.escape(link)
    return Mail(
        to=to,
        subject="Confirme su correo en Mostrador",
        text=f"{lines[0]}\n\n{lines[1]}\n\n{link}\n\n{lines[2]}\n",
        html=(
            f'<!doctype html><html lang="es"><body><p>{greeting}</p><p>{request}</p>'
            f'<p><a href="{address}">Confirmar mi correo</a></p><p>{address}</p><p>{notice}</p></body></html>'
        ),
    )
