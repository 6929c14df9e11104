"""Mails to people: links that prove an address, and notices of what happened to an account."""

import secrets
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.accounts.links import Purpose
from app.domain.accounts.models import AppUser, OneTimeToken
from app.domain.accounts.service import normalise_email, one_time_hash
from app.domain.accounts.sessions import write_token
from app.integrations.mail import Mail, MailRefused, MailSender
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.jobs import Hopeless, job
from app.lib.schemas import Input

VALID: Final = timedelta(hours=24)
"""Of the link in a verification mail."""
RESET_VALID: Final = timedelta(hours=1)
_SECRET_BYTES: Final = 32
_BOGOTA: Final = ZoneInfo("America/Bogota")

Event = Literal[
    "password-changed", "password-reset", "email-changed", "totp-enabled", "totp-disabled", "recovery-codes-renewed"
]

_SAID: Final[dict[Event, tuple[str, str]]] = {
    "password-changed": ("Su contraseña cambió", "La contraseña de su cuenta de Mostrador cambió."),
    "password-reset": (
        "Su contraseña cambió",
        "La contraseña de su cuenta de Mostrador se cambió con el enlace que llegó a este correo.",
    ),
    "email-changed": ("El correo de su cuenta cambió", "Su cuenta de Mostrador ya no usa este correo, sino otro."),
    "totp-enabled": ("Segundo factor activado", "Se activó el segundo factor de su cuenta de Mostrador."),
    "totp-disabled": ("Segundo factor desactivado", "Se quitó el segundo factor de su cuenta de Mostrador."),
    "recovery-codes-renewed": (
        "Códigos de recuperación nuevos",
        "Se generaron códigos de recuperación nuevos para su cuenta de Mostrador; los anteriores ya no sirven.",
    ),
}
"""Subject and sentence of each notice."""


class ToPerson(Input):
    """Names the person only: the outbox is no place for a token."""

    user_id: UUID


class ToNewAddress(Input):
    user_id: UUID
    email: str


class Notice(Input):
    """What happened, as it is told to the address the person had then."""

    user_id: UUID
    event: Event
    to: str
    address: str
    at: datetime


@job("accounts.send-verification", timeout=60)
async def send_verification(context: JobContext, payload: ToPerson) -> None:
    """Mail a person the link that shows the address is theirs; nothing for one who has shown it.

    Run twice, it sends two links, and both work, as with every link here.
    """
    async with context.database.person_transaction(user_id=payload.user_id) as work:
        user = await _person(work, payload.user_id)
        if user is None or user.email_verified_at is not None:
            return
        token = _new_token(work, user, "verify-email", user.email, VALID)
    link = _link(context, "verificar", token)
    await _send(context, write_mail("verify-email", user.email, name=user.name, link=link, hours=_hours(VALID)))


@job("accounts.send-reset", timeout=60)
async def send_reset(context: JobContext, payload: ToPerson) -> None:
    """Mail a person the link that lets them choose another password."""
    async with context.database.person_transaction(user_id=payload.user_id) as work:
        user = await _person(work, payload.user_id)
        if user is None or not user.is_active:
            return
        token = _new_token(work, user, "reset-password", user.email, RESET_VALID)
    link, minutes = _link(context, "restablecer", token), int(RESET_VALID.total_seconds() // 60)
    await _send(context, write_mail("reset-password", user.email, name=user.name, link=link, minutes=minutes))


@job("accounts.send-email-change", timeout=60)
async def send_email_change(context: JobContext, payload: ToNewAddress) -> None:
    """Mail the link to the new address; its owner, if it is somebody else's account, is told that it is one."""
    wanted = normalise_email(payload.email)
    async with context.database.person_transaction(user_id=payload.user_id, login_email=wanted) as work:
        user = await _person(work, payload.user_id)
        if user is None or not user.is_active:
            return
        owner = await work.session.scalar(select(AppUser.id).where(AppUser.email_norm == wanted))
        token = "" if owner else _new_token(work, user, "change-email", payload.email, VALID)
    if owner is not None:
        await _send(context, write_mail("email-taken", payload.email))
        return
    link = _link(context, "cambiar-correo", token)
    await _send(context, write_mail("change-email", payload.email, name=user.name, link=link, hours=_hours(VALID)))


@job("accounts.send-notice", timeout=60)
async def send_notice(context: JobContext, payload: Notice) -> None:
    """Tell a person what was done to their account, from where and when."""
    async with context.database.person_transaction(user_id=payload.user_id) as work:
        user = await _person(work, payload.user_id)
    if user is None:
        return
    title, sentence = _SAID[payload.event]
    await _send(
        context,
        write_mail(
            "account-notice",
            payload.to,
            title=title,
            sentence=sentence,
            name=user.name,
            at=f"{payload.at.astimezone(_BOGOTA):%d/%m/%Y %H:%M}",
            address=payload.address or "dirección desconocida",
            reset_link=f"{context.settings.public_url}/olvide-mi-clave",
        ),
    )


async def _person(work: Work, user_id: UUID) -> AppUser | None:
    found: AppUser | None = await work.session.scalar(select(AppUser).where(AppUser.id == user_id))
    return found


def _new_token(work: Work, user: AppUser, purpose: Purpose, email: str, valid: timedelta) -> str:
    token = write_token(user.id, secrets.token_bytes(_SECRET_BYTES))
    work.session.add(
        OneTimeToken(
            id=uuid7(),
            user_id=user.id,
            purpose=purpose,
            token_hash=one_time_hash(token),
            email=email,
            expires_at=clock.now() + valid,
        )
    )
    return token


def _link(context: JobContext, page: str, token: str) -> str:
    return f"{context.settings.public_url}/{page}?{urlencode({'token': token})}"


def _hours(valid: timedelta) -> int:
    return int(valid.total_seconds() // 3600)


async def _send(context: JobContext, mail: Mail) -> None:
    try:
        await MailSender(context.settings).send(mail)
    except MailRefused as error:
        raise Hopeless(f"the mail server refused the message: {error}") from error
