"""A message with a file, handed over in two steps, so that its sender knows whether it can have arrived."""

import ssl
from collections.abc import Awaitable, Callable
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from typing import Final

import aiosmtplib
import msgspec

from app.integrations.mail.sender import Mail, MailRefused, MailUnavailable
from app.lib import clock
from app.lib.text import writable
from app.settings import Settings

_CALL_LIMIT: Final = 10.0
"""Seconds for each step but the last."""
_LAST_LIMIT: Final = 20.0
"""Seconds for the message itself and the server's word on it."""
_FIRST_REFUSAL: Final = 400
_FIRST_PERMANENT: Final = 500


class MailUncertain(Exception):
    """The message went over and no answer came: it may have arrived, and once more it may arrive twice."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a message."""

    name: str
    type: str
    """Media type, as `application/zip`."""
    content: bytes


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a company to one of its buyers."""

    mail: Mail
    key: str
    """What its Message-ID begins with: the same parcel has the same one, however often it is sent."""
    sender: str
    """Whose message it is, shown before the installation's address."""
    reply_to: str
    attachments: tuple[Attachment, ...]


async def hand_over(settings: Settings, parcel: Parcel, going: Callable[[], Awaitable[bool]]) -> bool:
    """Send a parcel. `going` is asked when the server has taken the address, just before the message; it may say no.

    Answers whether it went. Raises `MailUnavailable`: certainly not, later perhaps; `MailRefused`: never; `MailUncertain`.
    """
    if settings.smtp_host is None:
        raise MailUnavailable("SMTP_HOST is not set: this installation sends no mail")
    if not parcel.mail.to.isascii():
        raise MailRefused("the address has letters that not every mail server takes")
    own = parseaddr(settings.mail_from)[1]
    domain = own.rpartition("@")[2] or "localhost"
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        # The library would ask the name service who we are, and wait for it.
        local_hostname=domain,
        username=settings.smtp_user,
        password=settings.smtp_pass,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        tls_context=ssl.create_default_context() if settings.smtp_tls != "none" else None,
        timeout=_CALL_LIMIT,
    )
    try:
        try:
            await client.connect()
            await client.mail(own)
            await client.rcpt(parcel.mail.to)
        except aiosmtplib.SMTPResponseException as error:
            raise _judged(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUnavailable(_said(error)) from error
        if not await going():
            return False
        try:
            await client.data(write_parcel(own, domain, parcel), timeout=_LAST_LIMIT)
        except aiosmtplib.SMTPResponseException as error:
            # What is no answer to a message says nothing of what became of it.
            raise (_judged(error) if error.code >= _FIRST_REFUSAL else MailUncertain(_said(error))) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUncertain(_said(error)) from error
        return True
    finally:
        # Its good-bye would be waited for.
        client.close()


def write_parcel(own: str, domain: str, parcel: Parcel) -> bytes:
    """The message as it goes over the wire."""
    message = EmailMessage()
    message["From"] = formataddr((_plain(parcel.sender), own))
    message["To"] = parcel.mail.to
    if parcel.reply_to:
        message["Reply-To"] = parcel.reply_to
    message["Subject"] = parcel.mail.subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{parcel.key}@{domain}>"
    # Answering machines stay silent (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(parcel.mail.text)
    if parcel.mail.html is not None:
        message.add_alternative(parcel.mail.html, subtype="html")
    for file in parcel.attachments:
        main, _, sub = file.type.partition("/")
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
    return message.as_bytes(policy=policy.SMTP)


def _plain(name: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())


def _judged(error: aiosmtplib.SMTPResponseException) -> Exception:
    reason = writable(f"{error.code} {error.message}")
    # A permanent no to our greeting, login or sender is about us: once that is mended, the same message goes.
    is_about_it = isinstance(error, (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError))
    return MailRefused(reason) if is_about_it and error.code >= _FIRST_PERMANENT else MailUnavailable(reason)


def _said(error: Exception) -> str:
    return writable(f"{type(error).__name__}: {error}")
