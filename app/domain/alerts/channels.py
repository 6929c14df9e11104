"""The three channels to the operator: which of them take a message, and how it is handed over.

E-mail for what is critical, warnings by setting; Slack and the signed webhook for everything. Loads no web framework.
"""

import asyncio
import base64
import hmac
import time
from functools import partial
from typing import Any, Final, Literal

import msgspec

from app.domain.alerts.notices import Event, Notice, Severity
from app.integrations.mail.sender import MailRefused, MailSender, MailUnavailable
from app.integrations.slack import say
from app.integrations.webhook import NotDelivered, post_json
from app.integrations.webhook.signing import signed_headers
from app.lib.text import writable
from app.settings import Settings

Channel = Literal["mail", "slack", "webhook"]
CHANNELS: Final[tuple[Channel, ...]] = ("mail", "slack", "webhook")

_LIMIT: Final = 30.0
"""Seconds for one message on one channel, whatever its steps."""


class ChannelAway(Exception):
    """Not taken now; later it may be: a full mailbox is emptied, an address is corrected, and an alert is worth the tries."""


class Channels:
    """What this installation is configured to tell, and where."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sender = MailSender(settings)
        self.secret = webhook_secret(settings)
        """Key of the webhook's signatures."""

    def why_not(self, channel: Channel, severity: Severity, event: Event) -> str | None:
        """Why a message does not go there, in Spanish; None when it does."""
        settings = self._settings
        if not settings.alerts_enabled:
            return "Los avisos están apagados (ALERTS_ENABLED)."
        if not self.configured(channel):
            return f"El canal no está configurado ({_SETTING[channel]})."
        wanted = severity == "critical" or (severity == "warning" and settings.alert_email_warnings)
        if channel == "mail" and event != "test" and not wanted:
            return "Por correo van las críticas, y las advertencias solo con ALERT_EMAIL_WARNINGS."
        return None

    def configured(self, channel: Channel) -> bool:
        settings = self._settings
        if channel == "mail":
            return bool(settings.alert_email and settings.smtp_host)
        return bool(settings.slack_webhook_url if channel == "slack" else settings.alert_webhook_url)

    async def send(self, channel: Channel, message_id: str, notice: Notice) -> None:
        """Hand a message over. Raises `ChannelAway`."""
        try:
            async with asyncio.timeout(_LIMIT):
                await self._send(channel, message_id, notice)
        except TimeoutError as error:
            raise ChannelAway(f"no respondió en {_LIMIT:g} s") from error
        except (MailUnavailable, MailRefused, NotDelivered) as error:
            raise ChannelAway(writable(str(error))) from error

    async def _send(self, channel: Channel, message_id: str, notice: Notice) -> None:
        settings = self._settings
        if channel == "mail":
            await self._sender.send(notice.mail(self._recipients(notice.event)))
        elif channel == "slack":
            await say(settings.slack_webhook_url or "", notice.text())
        else:
            body: dict[str, Any] = msgspec.to_builtins(notice) | {"id": message_id, "text": notice.text()}
            # Signed with the wire's time, never a moved clock's.
            sign = partial(signed_headers, [self.secret], message_id, int(time.time()))
            await post_json(settings.alert_webhook_url or "", body, headers=sign)

    def _recipients(self, event: Event) -> str:
        settings = self._settings
        more = settings.alert_escalation_email if event == "escalated" else None
        return ", ".join(address for address in (settings.alert_email, more) if address)


_SETTING: Final[dict[Channel, str]] = {
    "mail": "ALERT_EMAIL y SMTP_HOST",
    "slack": "SLACK_WEBHOOK_URL",
    "webhook": "ALERT_WEBHOOK_URL",
}


def webhook_secret(settings: Settings) -> bytes:
    """Key of the operator's webhook: ALERT_WEBHOOK_SECRET, or one of its own derived from SECRET_KEY."""
    if settings.alert_webhook_secret is not None:
        return settings.alert_webhook_secret.encode()
    return hmac.digest(settings.secret_key, b"alert webhook", "sha256")


def shown_secret(settings: Settings) -> str:
    """The key as receivers of Standard Webhooks are given it."""
    return "whsec_" + base64.b64encode(webhook_secret(settings)).decode()
