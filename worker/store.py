"""Alerts and deliveries in PostgreSQL, through a connection made for each use: uses are rare."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog
from uuid_utils.compat import uuid7

from app import __version__
from app.db.session import SERVER_SETTINGS
from app.lib import clock
from app.lib.driver import POSTGRES_AWAY
from app.settings import Settings
from worker.records import DELIVERY_COLUMNS, Alert, Delivery

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

_LIMIT: Final = 3
"""Seconds for one use: an alert is told without its row rather than late."""
_AWAY: Final = 3.0
"""Seconds in which PostgreSQL is not asked again after it did not answer."""

_COLUMNS: Final = (
    "id, fingerprint, severity, title, detail, affected, opened_at, resolved_at, told_at, end_told_at, "
    "escalated_at, acknowledged_at, acknowledged_by, quiet"
)
_SAVE_OPEN: Final = (
    "INSERT INTO monitor_alert AS a (id, fingerprint, severity, title, detail, affected, opened_at, last_seen_at, "
    "told_at, escalated_at, quiet) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
    "ON CONFLICT (fingerprint) WHERE resolved_at IS NULL DO UPDATE SET severity = excluded.severity, "
    "title = excluded.title, detail = excluded.detail, affected = excluded.affected, last_seen_at = excluded.last_seen_at, "
    "told_at = coalesce(a.told_at, excluded.told_at), escalated_at = coalesce(a.escalated_at, excluded.escalated_at), "
    "quiet = excluded.quiet RETURNING id, opened_at, told_at, acknowledged_at, acknowledged_by"
)
_SAVE_CLOSED: Final = (
    "INSERT INTO monitor_alert AS a (id, fingerprint, severity, title, detail, affected, opened_at, last_seen_at, "
    "told_at, escalated_at, quiet, resolved_at, end_told_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
    "ON CONFLICT (id) DO UPDATE SET resolved_at = coalesce(a.resolved_at, excluded.resolved_at), "
    "told_at = coalesce(a.told_at, excluded.told_at), end_told_at = coalesce(a.end_told_at, excluded.end_told_at)"
)
_NEW_DELIVERIES: Final = (
    "INSERT INTO alert_delivery (id, alert_id, fingerprint, event, channel, status, reason, attempts, tries, notice, "
    "created_at, next_at, finished_at) SELECT d.id, d.alert_id, d.fingerprint, d.event, d.channel, d.status, d.reason, "
    "d.attempts, d.tries, d.notice, d.created_at, d.next_at, d.finished_at FROM won, jsonb_to_recordset($3::jsonb) AS d("
    "id uuid, alert_id uuid, fingerprint text, event text, channel text, status text, reason text, attempts integer, "
    "tries jsonb, notice jsonb, created_at timestamptz, next_at timestamptz, finished_at timestamptz)"
)
# Who claims a message leaves it to others in the same breath: whoever dies next had either both or nothing.
_CLAIM_BEGINNING: Final = (
    "WITH won AS (UPDATE monitor_alert SET told_at = $2, quiet = NULL WHERE id = $1 AND told_at IS NULL RETURNING id), "
    f"written AS ({_NEW_DELIVERIES}) SELECT id FROM won"
)
_CLAIM_END: Final = (
    "WITH won AS (UPDATE monitor_alert SET end_told_at = $2 WHERE id = $1 AND end_told_at IS NULL RETURNING id), "
    f"written AS ({_NEW_DELIVERIES}) SELECT id FROM won"
)
_OF_INTEREST: Final = (
    f"SELECT {_COLUMNS} FROM monitor_alert WHERE resolved_at IS NULL "
    "OR (told_at IS NOT NULL AND end_told_at IS NULL AND resolved_at > $1::timestamptz - interval '1 day') "
    "OR resolved_at > $1::timestamptz - interval '1 hour' ORDER BY opened_at"
)
_HEARD_ON: Final = (
    "SELECT fingerprint, array_agg(DISTINCT channel) AS channels, max(created_at) AS last_at FROM alert_delivery "
    "WHERE status <> 'skipped' AND event <> 'test' AND created_at > $1::timestamptz - interval '7 days' "
    "GROUP BY fingerprint"
)
_SILENCES: Final = (
    "SELECT fingerprint, ends_at, reason, created_by FROM alert_silence WHERE ended_at IS NULL AND ends_at > $1"
)
_SAVE_DELIVERY: Final = (
    "INSERT INTO alert_delivery AS d (id, alert_id, fingerprint, event, channel, status, reason, attempts, tries, notice, "
    "created_at, next_at, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
    "ON CONFLICT (id) DO UPDATE SET status = excluded.status, reason = excluded.reason, attempts = excluded.attempts, "
    "tries = excluded.tries, next_at = excluded.next_at, finished_at = excluded.finished_at WHERE d.status = 'pending'"
)
_TAKE_OVER: Final = (
    "UPDATE alert_delivery SET next_at = $1::timestamptz WHERE status = 'pending' "
    "AND next_at < $1::timestamptz - $2::interval AND id <> ALL ($3::uuid[]) "
    "RETURNING id, alert_id, fingerprint, event, channel, attempts, tries, notice, created_at, next_at"
)
_MARK: Final = (
    "INSERT INTO release_mark (id, release, at) SELECT $1, $2, $3 WHERE $2 IS DISTINCT FROM "
    "(SELECT release FROM release_mark ORDER BY at DESC, id DESC LIMIT 1)"
)
_RELEASE: Final = "SELECT release, at FROM release_mark ORDER BY at DESC, id DESC LIMIT 1"


Told = dict[str, tuple[frozenset[str], Any]]
"""By fingerprint: the channels on which it was told, and when it was last."""


class Silence(msgspec.Struct, frozen=True):
    """Wanted by somebody, until an instant."""

    fingerprint: str
    ends_at: Any
    reason: str
    created_by: str


class Store:
    """Every method answers None, or False, while PostgreSQL is away."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.database_platform_url
        self._release = settings.release or __version__
        self._away_until = 0.0
        self._since: float | None = None

    @property
    def answering(self) -> float:
        """Seconds for which PostgreSQL has answered every time; 0 while it is away."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def rest(self) -> None:
        """PostgreSQL was just seen to be away: nobody waits for it now."""
        self._away_until, self._since = time.monotonic() + _AWAY, None

    async def fetch(self, statement: str, *values: Any) -> list[Any] | None:
        """Rows, or None while PostgreSQL is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_LIMIT):
                connection = await asyncpg.connect(self._url, timeout=_LIMIT, server_settings=SERVER_SETTINGS)
                try:
                    await connection.set_type_codec(
                        "jsonb", encoder=_to_json, decoder=msgspec.json.decode, schema="pg_catalog"
                    )
                    rows = list(await connection.fetch(statement, *values))
                finally:
                    connection.terminate()
        except POSTGRES_AWAY as error:
            _LOG.warning("alerts not stored", reason=f"{type(error).__name__}: {error}")
            self.rest()
            return None
        if self._since is None:
            self._since = time.monotonic()
        return rows

    async def save_open(self, alert: Alert) -> bool:
        """Write an open alert; another monitor's row of the same wins, and the alert becomes that one."""
        rows = await self.fetch(_SAVE_OPEN, *_shared(alert))
        if rows is None:
            return False
        (row,) = rows
        if row["id"] != alert.id:
            alert.id, alert.opened_at = row["id"], row["opened_at"]
        alert.told_at = row["told_at"]
        alert.acknowledged_at, alert.acknowledged_by = row["acknowledged_at"], row["acknowledged_by"]
        alert.saved = True
        return True

    async def save_closed(self, alert: Alert) -> bool:
        rows = await self.fetch(_SAVE_CLOSED, *_shared(alert), alert.resolved_at, alert.end_told_at)
        alert.saved = rows is not None
        return alert.saved

    async def claim_beginning(self, alert: Alert, messages: Sequence[Delivery]) -> bool:
        """Whether telling its beginning is ours, with these messages; without PostgreSQL it is."""
        rows = await self.fetch(_CLAIM_BEGINNING, alert.id, clock.now(), _as_rows(messages))
        return rows is None or bool(rows) or not alert.saved

    async def claim_end(self, alert_id: UUID, messages: Sequence[Delivery] = ()) -> bool:
        rows = await self.fetch(_CLAIM_END, alert_id, clock.now(), _as_rows(messages))
        return rows is None or bool(rows)

    async def known(self) -> tuple[list[Alert], Told, list[Silence]] | None:
        """Alerts that matter now, by age; on which channels each fingerprint was told and when last; silences."""
        now = clock.now()
        rows = await self.fetch(_OF_INTEREST, now)
        heard = await self.fetch(_HEARD_ON, now)
        silences = await self.fetch(_SILENCES, now)
        if rows is None or heard is None or silences is None:
            return None
        told = {row["fingerprint"]: (frozenset(row["channels"]), row["last_at"]) for row in heard}
        return [Alert(**dict(row), saved=True) for row in rows], told, [Silence(**dict(row)) for row in silences]

    async def save_delivery(self, delivery: Delivery) -> bool:
        rows = await self.fetch(_SAVE_DELIVERY, *delivery.values())
        return rows is not None

    async def take_over(self, idle: timedelta, known: Sequence[UUID]) -> list[Delivery]:
        """Deliveries that nobody has tried for too long: their monitor is gone."""
        rows = await self.fetch(_TAKE_OVER, clock.now(), idle, list(known))
        return sorted((Delivery.of(row) for row in rows or ()), key=lambda one: one.created_at)

    async def release(self) -> str | None:
        """What was deployed last, and when; notes ours if it is new."""
        if await self.fetch(_MARK, uuid7(), self._release, clock.now()) is None:
            return None
        rows = await self.fetch(_RELEASE)
        return f"{rows[0]['release']}, {rows[0]['at']:%Y-%m-%d %H:%M} UTC" if rows else None


def _as_rows(messages: Sequence[Delivery]) -> list[dict[str, Any]]:
    return [dict(zip(DELIVERY_COLUMNS, one.values(), strict=True)) for one in messages]


def _shared(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.id,
        alert.fingerprint,
        alert.severity,
        alert.title,
        alert.detail,
        alert.affected,
        alert.opened_at,
        clock.now(),
        alert.told_at,
        alert.escalated_at,
        alert.quiet,
    )


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
