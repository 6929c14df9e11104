"""One message, one SMTP connection, with limits."""

import ssl
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Final

import msgspec

from app.lib import clock
from app.lib.text import writable
from app.settings import Settings

_CALL_LIMIT: Final = 10.0
"""Seconds for each step of the conversation; a message of ours is small."""
_FIRST_PERMANENT: Final = 500


class MailUnavailable(Exception):
    """The message was not accepted now and may be later."""


class MailRefused(Exception):
    """The server will not take this message from us, however often it is sent."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A message in both of the shapes that programs show."""

    to: str
    subject: str
    text: str
    html: str | None = None


class MailSender:
    """Speaks to the configured server; several may send at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, mail: Mail) -> None:
        """Hand a message over. Raises `MailUnavailable`, `MailRefused`."""
        # Loaded by whoever sends: the API knows the shape of a message and sends none.
        import aiosmtplib

        settings = self._settings
        if settings.smtp_host is None:
            raise MailUnavailable("SMTP_HOST is not set: this installation sends no mail")
        try:
            await aiosmtplib.send(
                _message(settings.mail_from, mail),
                hostname=settings.smtp_host,
                # The library would ask the name service who we are, and wait for it.
                local_hostname=_domain(settings.mail_from),
                port=settings.smtp_port,
                username=settings.smtp_user,
                password=settings.smtp_pass,
                use_tls=settings.smtp_tls == "tls",
                start_tls=settings.smtp_tls == "starttls",
                tls_context=ssl.create_default_context() if settings.smtp_tls != "none" else None,
                timeout=_CALL_LIMIT,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refusal.code for refusal in error.recipients]
            raise _judge(min(codes, default=_FIRST_PERMANENT), str(error)) from error
        except aiosmtplib.SMTPDataError as error:
            raise _judge(error.code, f"{error.code} {error.message}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            # Also a permanent no to our greeting, login or sender: that is about us, and mended without the message.
            raise MailUnavailable(writable(f"{type(error).__name__}: {error}")) from error


def _judge(code: int, reason: str) -> Exception:
    said = writable(reason)
    return MailRefused(said) if code >= _FIRST_PERMANENT else MailUnavailable(said)


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def _message(sender: str, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=_domain(sender))
    # Answering machines stay silent (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    return message
