"""When a finding becomes an alert and when it ends: two failures in a row open it, two good looks close it.

Every monitor keeps this state in memory; the leader writes it to PostgreSQL, whose open rows tell which alerts were told
already, and tells it at once when PostgreSQL is away.
"""

import asyncio
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from uuid_utils.compat import uuid7

from app.lib import clock
from app.lib.driver import POSTGRES_AWAY
from app.settings import Settings
from worker.checks import Check
from worker.leader import Leadership
from worker.notices import Messenger, Notice

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

TIMES: Final = 2
_LIMIT: Final = 5

_OPEN = (
    "INSERT INTO monitor_alert (id, fingerprint, severity, detail, opened_at, last_seen_at) "
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (fingerprint) WHERE resolved_at IS NULL DO NOTHING RETURNING id"
)
_SEEN = "UPDATE monitor_alert SET last_seen_at = $2, detail = $3 WHERE fingerprint = $1 AND resolved_at IS NULL"
_CLOSE = "UPDATE monitor_alert SET resolved_at = $2 WHERE fingerprint = $1 AND resolved_at IS NULL RETURNING opened_at"
_KNOWN = "SELECT fingerprint, detail, opened_at FROM monitor_alert WHERE resolved_at IS NULL"


class State(msgspec.Struct):
    """Of one check."""

    failures: int = 0
    goods: int = 0
    detail: str = ""
    opened_at: datetime | None = None
    """Since when the alert is open; None when there is none."""
    told: bool = False
    saved: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing is about to change; otherwise the next look comes sooner."""
        return self.failures == 0 and self.opened_at is None


class Store:
    """The table of alerts, through a connection made for each use: uses are rare."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.database_platform_url

    async def fetch(self, statement: str, *values: Any) -> list[Any] | None:
        """Rows, or None while PostgreSQL is away."""
        try:
            async with asyncio.timeout(_LIMIT):
                connection = await asyncpg.connect(self._url, timeout=_LIMIT)
                try:
                    return list(await connection.fetch(statement, *values))
                finally:
                    connection.terminate()
        except POSTGRES_AWAY as error:
            _LOG.warning("alerts not stored", reason=f"{type(error).__name__}: {error}")
            return None


class Alarm:
    """State of all checks of one monitor."""

    def __init__(self, store: Store, leadership: Leadership, messenger: Messenger) -> None:
        self._store = store
        self._leadership = leadership
        self._messenger = messenger
        self._states: dict[str, State] = {}
        self._adopted = False

    def state(self, check: Check) -> State:
        return self._states.setdefault(check.name, State())

    def muted(self, check: Check) -> bool:
        """Whether another failure explains what this check would say."""
        return any(name in self._states and self._states[name].failures for name in check.muted_by)

    async def note(self, check: Check, detail: str | None) -> None:
        """Take a check's answer: what is wrong, or None."""
        state = self.state(check)
        if detail is None:
            state.goods, state.failures = state.goods + 1, 0
        else:
            state.goods, state.failures, state.detail = 0, state.failures + 1, detail
            if state.opened_at is None and state.failures >= TIMES:
                state.opened_at, state.told, state.saved = clock.now(), False, False
        if self._leadership.leads:
            await self._lead(check, state)
        elif state.opened_at is not None and state.goods >= TIMES:
            # The leader saw the same and tells it.
            self._forget(state)

    async def adopt(self, checks: tuple[Check, ...]) -> None:
        """Know the alerts that are open from before we started, so that their end is told and not their beginning."""
        if self._adopted:
            return
        rows = await self._store.fetch(_KNOWN)
        if rows is None:
            return
        self._adopted = True
        named = {check.name: check for check in checks}
        for row in rows:
            if row["fingerprint"] in named:
                state = self.state(named[row["fingerprint"]])
                state.detail = state.detail or row["detail"]
                state.opened_at, state.told, state.saved = row["opened_at"], True, True

    async def _lead(self, check: Check, state: State) -> None:
        if state.opened_at is None:
            return
        if not state.saved:
            await self._save(check, state)
        elif state.failures:
            await self._store.fetch(_SEEN, check.name, clock.now(), state.detail)
        if state.goods >= TIMES:
            await self._close(check, state)

    async def _save(self, check: Check, state: State) -> None:
        now = clock.now()
        values = (uuid7(), check.name, check.severity, state.detail, state.opened_at, now)
        rows = await self._store.fetch(_OPEN, *values)
        state.saved = rows is not None
        if rows == [] and not state.told:
            # Its earlier leader told it.
            state.told = True
        if not state.told:
            self._tell("opened", check, state, None)
            state.told = True

    async def _close(self, check: Check, state: State) -> None:
        now = clock.now()
        rows = await self._store.fetch(_CLOSE, check.name, now) if state.saved else None
        if rows == []:
            # Another leader closed it.
            self._forget(state)
            return
        self._tell("resolved", check, state, now)
        self._forget(state)

    def _tell(self, event: Any, check: Check, state: State, resolved_at: datetime | None) -> None:
        assert state.opened_at is not None
        self._messenger.send(
            Notice(
                event=event,
                fingerprint=check.name,
                severity=check.severity,
                title=check.title,
                detail=state.detail,
                opened_at=state.opened_at,
                resolved_at=resolved_at,
            )
        )

    @staticmethod
    def _forget(state: State) -> None:
        state.opened_at, state.told, state.saved = None, False, False
