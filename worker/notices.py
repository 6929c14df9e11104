"""Telling people: mail, a JSON webhook and Slack, each on its own, each until it was taken."""

import asyncio
import html
import random
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import structlog

from app.integrations.mail import Mail, MailRefused, MailSender, MailUnavailable
from app.integrations.slack import say
from app.integrations.webhook import NotDelivered, post_json
from app.settings import Settings

_LOG = structlog.stdlib.get_logger("mostrador.notices")

_FIRST_WAIT: Final = 5.0
_LONGEST_WAIT: Final = 240.0
"""Seconds: a channel that returns has its messages within five minutes."""
_TRIES: Final = 400
"""About a day."""
_LAST_WORDS: Final = 2.0


class Notice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that people should know."""

    event: Literal["opened", "resolved"]
    fingerprint: str
    severity: str
    title: str
    detail: str
    opened_at: datetime
    resolved_at: datetime | None

    def headline(self) -> str:
        return f"ALERTA: {self.title}" if self.event == "opened" else f"Resuelto: {self.title}"


class Messenger:
    """Sends to every configured channel; one that is away holds no other up."""

    def __init__(self, settings: Settings) -> None:
        self._host = socket.gethostname()
        self._environment = settings.environment
        self._channels: dict[str, Callable[[Notice], Awaitable[None]]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        if not settings.alerts_enabled:
            return
        if (to := settings.alert_email) and settings.smtp_host:
            sender = MailSender(settings)
            self._channels["mail"] = lambda notice: sender.send(self._mail(to, notice))
        if webhook := settings.alert_webhook_url:
            self._channels["webhook"] = lambda notice: post_json(webhook, self._body(notice))
        if slack := settings.slack_webhook_url:
            self._channels["slack"] = lambda notice: say(slack, f"{notice.headline()}\n{notice.detail}")

    def send(self, notice: Notice) -> None:
        """Begin telling it everywhere."""
        _LOG.warning("alert", **{"alert": notice.event, "name": notice.fingerprint, "detail": notice.detail})
        for name, channel in self._channels.items():
            task = asyncio.create_task(self._until_taken(name, channel, notice))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Give what is being sent a moment, then let go."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=_LAST_WORDS)
        for task in self._sending:
            task.cancel()

    async def _until_taken(self, name: str, channel: Callable[[Notice], Awaitable[None]], notice: Notice) -> None:
        wait = _FIRST_WAIT
        for _ in range(_TRIES):
            try:
                await channel(notice)
            except (MailUnavailable, NotDelivered) as error:
                _LOG.warning("channel away", channel=name, reason=str(error), again_in=wait)
                await asyncio.sleep(wait * random.uniform(0.8, 1))  # noqa: S311 - spreads load
                wait = min(_LONGEST_WAIT, 2 * wait)
            except MailRefused as error:
                _LOG.error("channel refused", channel=name, reason=str(error))
                return
            else:
                return
        _LOG.error("channel given up", channel=name, fingerprint=notice.fingerprint)

    def _body(self, notice: Notice) -> dict[str, Any]:
        body: dict[str, Any] = msgspec.to_builtins(notice)
        return body | {"host": self._host, "environment": self._environment}

    def _mail(self, to: str, notice: Notice) -> Mail:
        since = f"Desde: {notice.opened_at:%Y-%m-%d %H:%M:%S} UTC"
        until = f"Hasta: {notice.resolved_at:%Y-%m-%d %H:%M:%S} UTC" if notice.resolved_at else ""
        where = f"Equipo: {self._host} ({self._environment})"
        lines = [line for line in (notice.detail, since, until, where) if line]
        paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
        return Mail(
            to=to,
            subject=f"[Mostrador] {notice.headline()}",
            text="\n".join(lines) + "\n",
            html=f'<!doctype html><html lang="es"><body>{paragraphs}</body></html>',
        )
