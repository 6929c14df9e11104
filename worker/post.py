"""Bringing messages to their channels: each on its own, each until it was taken, each with its row.

A row is written before and after every attempt; while PostgreSQL is away the spool has it. What another monitor left
behind is taken over once nobody has tried it for a while.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from app.domain.alerts.channels import CHANNELS, Channel, ChannelAway, Channels
from app.domain.alerts.notices import Notice
from app.lib import clock
from app.lib.text import writable
from worker.pace import pause
from worker.records import Delivery
from worker.spool import Spool
from worker.store import Store

_LOG = structlog.stdlib.get_logger("mostrador.notices")

FIRST_WAIT: Final = 5.0
LONGEST_WAIT: Final = 240.0
"""Seconds: a channel that returns has its messages within five minutes."""
TRIES: Final = 400
"""About a day."""
IDLE: Final = timedelta(seconds=60)
"""Without an attempt that was due: whoever had the message is gone. Longer than the longest attempt."""
SETTLED: Final = 10.0
"""Seconds PostgreSQL must have answered before anything is taken over from another monitor."""
_KEPT_TRIES: Final = 20
_TURN: Final = 0.2
_TAKE_OVER_EVERY: Final = 5.0
_LAST_WORDS: Final = 2.0


class Post:
    """Messages of one monitor."""

    def __init__(self, store: Store, spool: Spool, channels: Channels) -> None:
        self._store = store
        self._spool = spool
        self._channels = channels
        self._open: dict[UUID, Delivery] = {}
        self._unsaved: dict[UUID, Delivery] = {}
        self._sending: dict[UUID, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    def write(
        self, notice: Notice, alert_id: UUID | None, *, only: Iterable[str] | None = None, skip: str | None = None
    ) -> list[Delivery]:
        """One message for each channel, also for those it does not go to. `skip` is why it goes nowhere at all."""
        messages = []
        for channel in CHANNELS:
            reason = skip or self._why_not(channel, notice, only)
            now = clock.now()
            delivery = Delivery(
                id=uuid7(),
                alert_id=alert_id,
                fingerprint=notice.fingerprint,
                event=notice.event,
                channel=channel,
                notice=notice,
                created_at=now,
            )
            if reason is None:
                delivery.next_at = now
            else:
                delivery.status, delivery.reason, delivery.finished_at = "skipped", reason, now
            messages.append(delivery)
        return messages

    def tell(self, messages: Sequence[Delivery]) -> frozenset[str]:
        """Begin to bring them; answers on which channels."""
        told = set()
        for delivery in messages:
            if delivery.status == "pending":
                told.add(delivery.channel)
                self._open[delivery.id] = delivery
            self._unsaved[delivery.id] = delivery
            if not self._store.answering:
                self._spool.keep(delivery)
        notice = messages[0].notice
        quiet = {} if told else {"quiet": messages[0].reason}
        _LOG.warning("alert", alert=notice.event, name=notice.fingerprint, detail=notice.detail, **quiet)
        self._woken.set()
        return frozenset(told)

    def _why_not(self, channel: Channel, notice: Notice, only: Iterable[str] | None) -> str | None:
        if only is not None and channel in only and self._channels.configured(channel):
            # Who heard the beginning hears the end, whatever the severity became.
            return None
        return self._channels.why_not(channel, notice.severity, notice.event)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until `stop`."""
        for delivery in self._spool.read(Delivery):
            self._unsaved[delivery.id] = delivery
            if delivery.status == "pending":
                self._open[delivery.id] = delivery
        last_look = -_TAKE_OVER_EVERY
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            self._woken.clear()
            self._begin_due()
            await self._save()
            if loop.time() - last_look >= _TAKE_OVER_EVERY:
                last_look = loop.time()
                # Not at once when PostgreSQL returns: others still write down what they sent meanwhile.
                if self._store.answering >= SETTLED:
                    for delivery in await self._store.take_over(IDLE, list(self._open)):
                        self._open.setdefault(delivery.id, delivery)
            if not self._woken.is_set():
                await pause(stop, _TURN)

    async def close(self) -> None:
        """Give what is being sent a moment, keep the rest where the next monitor finds it."""
        if self._sending:
            await asyncio.wait(list(self._sending.values()), timeout=_LAST_WORDS)
        for task in self._sending.values():
            task.cancel()
        await self._save()

    def _begin_due(self) -> None:
        now = clock.now()
        busy: set[tuple[str, str]] = set()
        for delivery in sorted(self._open.values(), key=lambda one: one.created_at):
            # In order: nobody is told of an end before its beginning.
            line = (delivery.fingerprint, delivery.channel)
            if line in busy:
                continue
            busy.add(line)
            if delivery.id not in self._sending and _is_due(delivery, now):
                task = asyncio.create_task(self._attempt(delivery), name=f"{delivery.channel} {delivery.event}")
                self._sending[delivery.id] = task

    async def _attempt(self, delivery: Delivery) -> None:
        reason: str | None = None
        try:
            await self._channels.send(delivery.channel, str(delivery.id), delivery.notice)
        except ChannelAway as error:
            reason = str(error)
            self._put_off(delivery, reason)
        except Exception as error:  # noqa: BLE001 - a channel that breaks in a new way is one that is away
            _LOG.error("channel broke", channel=delivery.channel, exc_info=error)
            reason = writable(f"{type(error).__name__}: {error}")
            self._put_off(delivery, reason)
        else:
            self._finish(delivery, "sent", None)
        finally:
            self._sending.pop(delivery.id, None)
        delivery.attempts += 1
        tried = {"at": clock.now(), "error": reason}
        delivery.tries = [*delivery.tries, tried][-_KEPT_TRIES:]
        self._unsaved[delivery.id] = delivery
        self._woken.set()

    def _put_off(self, delivery: Delivery, reason: str) -> None:
        if delivery.attempts + 1 >= TRIES:
            self._finish(delivery, "failed", f"El canal no respondió en {TRIES} intentos: {reason}")
            return
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(delivery.attempts, 10))
        delivery.next_at = clock.now() + timedelta(seconds=wait * random.uniform(0.8, 1))  # noqa: S311 - spreads load
        delivery.reason = reason
        _LOG.warning("channel away", channel=delivery.channel, reason=reason, again_in=round(wait, 1))

    def _finish(self, delivery: Delivery, status: str, reason: str | None) -> None:
        delivery.status = "sent" if status == "sent" else "failed"
        delivery.reason, delivery.next_at, delivery.finished_at = reason, None, clock.now()
        self._open.pop(delivery.id, None)
        if status == "failed":
            _LOG.error("message given up", channel=delivery.channel, fingerprint=delivery.fingerprint, reason=reason)

    async def _save(self) -> None:
        for delivery in list(self._unsaved.values()):
            before = (delivery.status, delivery.attempts)
            if await self._store.save_delivery(delivery):
                self._spool.drop(delivery)
                if (delivery.status, delivery.attempts) == before:
                    del self._unsaved[delivery.id]
            else:
                for one in self._unsaved.values():
                    self._spool.keep(one)
                return


def _is_due(delivery: Delivery, now: datetime) -> bool:
    """Whether to try it now; one that is to wait longer than anything waits was put off before the clock was put back."""
    return delivery.next_at is not None and not now < delivery.next_at <= now + timedelta(seconds=LONGEST_WAIT)
