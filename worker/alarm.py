"""When a finding becomes an alert and when it ends: two failures in a row open it, two good looks close it.

Every monitor keeps this in memory; the leader writes it and tells it, and so does, for what it has told itself, whoever
led before. What people have heard is kept apart from what is: a message goes out when the two differ, unless something
holds it back, and the record says what did.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog
from uuid_utils.compat import uuid7

from app.domain.alerts.life import REPEAT_AFTER
from app.domain.alerts.notices import Event, length_of, worse
from app.lib import clock
from app.settings import Settings
from worker.check import Answer, Check, Finding, readable
from worker.leader import Leadership
from worker.post import Post
from worker.records import Alert, Delivery
from worker.spool import Spool
from worker.state import Heard, State
from worker.store import Silence, Store, Told
from worker.wording import Wording

_LOG = structlog.stdlib.get_logger("mostrador.monitor")

POSTGRESQL: Final = "postgresql"
ESCALATE_AFTER: Final = timedelta(minutes=30)
GRACE: Final = timedelta(seconds=30)
"""For what hung on a service that has just returned."""
_HOUR: Final = timedelta(hours=1)
_FEW_CHANGES: Final = 2
"""In an hour; more are told with the message."""
_FORGOTTEN: Final = "Esta comprobación ya no existe en la instalación: nada mira ya si sigue mal."


class Alarm:
    """State of all checks of one monitor."""

    def __init__(
        self,
        settings: Settings,
        checks: Sequence[Check],
        *,
        store: Store,
        spool: Spool,
        leadership: Leadership,
        post: Post,
    ) -> None:
        self._checks = {check.name: check for check in checks}
        self._store = store
        self._spool = spool
        self._leadership = leadership
        self._post = post
        self._states = {check.name: State() for check in checks}
        self._silences: list[Silence] = []
        self._unsaved: dict[str, Alert] = {}
        """By id: ended ones that PostgreSQL does not have yet."""
        self._wording = Wording(settings)
        self._synced = False

    def state(self, check: Check) -> State:
        return self._states[check.name]

    async def note(self, check: Check, answer: Answer, asked_at: datetime | None = None) -> None:
        """Take a check's answer: what is wrong, or None."""
        finding = readable(answer)
        state, now = self.state(check), clock.now()
        if finding is not None and check.name == POSTGRESQL:
            self._store.rest()
        async with state.turn:
            if finding is None:
                if state.failures:
                    state.recovered_at = now
                state.good_at, state.failing_since = asked_at or now, None
            else:
                state.failing_since = state.failing_since or asked_at or now
            state.saw(wrong=finding is not None)
            if finding is not None and state.open is None and state.opens:
                state.open = self._opened(check, finding, now)
                state.changed(now)
            elif finding is not None and state.open is not None:
                await self._seen(check, state.open, finding)
            elif finding is None and state.open is not None and state.ends:
                await self._ended(state, state.open, now)
            await self._settle(check, state, now)

    def suspects(self, check: Check) -> list[Check]:
        """Checks that may explain this one's failure and were not asked since it began."""
        since = self.state(check).failing_since
        if since is None:
            return []
        found = []
        for name in sorted(check.muted_by & self._states.keys()):
            good_at = self._states[name].good_at
            if good_at is None or good_at < since:
                found.append(self._checks[name])
        return found

    async def tick(self) -> None:
        """What time alone brings: repeats, escalation, the end of a silence, a flapping check that came to rest."""
        await self.sync()
        for check in self._checks.values():
            state = self.state(check)
            async with state.turn:
                await self._settle(check, state, clock.now())

    async def sync(self) -> None:
        """Learn what PostgreSQL knows: alerts told by others, who acknowledged, what is silenced; give it what it lacks."""
        if not self._synced:
            await self._from_spool()
        for key, alert in list(self._unsaved.items()):
            if await self._store.save_closed(alert):
                self._spool.drop(alert)
                self._unsaved.pop(key, None)
        versions = {name: state.version for name, state in self._states.items()}
        known = await self._store.known()
        if known is None:
            return
        alerts, told, self._silences = known
        if not self._synced:
            self._wording.release = await self._store.release() or self._wording.release
        now = clock.now()
        await self._end_forgotten(alerts, told, now)
        for name, state in self._states.items():
            async with state.turn:
                if state.version != versions[name]:
                    continue
                channels, last_at = told.get(name, (frozenset(), None))
                self._learn(state, [alert for alert in alerts if alert.fingerprint == name], channels, now)
                state.last_told_at = max((at for at in (state.last_told_at, last_at) if at), default=None)
        self._synced = True

    async def _from_spool(self) -> None:
        for alert in self._spool.read(Alert):
            alert.saved = False
            state = self._states.get(alert.fingerprint)
            if state is None or alert.resolved_at is not None:
                self._unsaved[str(alert.id)] = alert
            elif state.open is None:
                state.open = alert
                if alert.told_at is not None:
                    state.heard = Heard(alert, frozenset(), mine=True, severity=alert.severity)

    def _learn(self, state: State, alerts: list[Alert], channels: frozenset[str], now: datetime) -> None:
        """Take over what others wrote of a check; what we have not written yet stays ours."""
        if not self._synced:
            instants = [at for alert in alerts for at in (alert.opened_at, alert.resolved_at) if at is not None]
            state.changes.extend(sorted(at for at in instants if now - at <= _HOUR))
        row = next((alert for alert in alerts if alert.resolved_at is None), None)
        if row is not None:
            if state.open is None and not (self._synced and self._leadership.leads):
                state.open = row
            elif state.open is not None and (state.open.id == row.id or not state.open.saved):
                unsaved_told = state.open.told_at if not state.open.saved else None
                state.open.id, state.open.opened_at, state.open.saved = row.id, row.opened_at, True
                state.open.acknowledged_at, state.open.acknowledged_by = row.acknowledged_at, row.acknowledged_by
                state.open.told_at = row.told_at or unsaved_told
                state.open.escalated_at = row.escalated_at or state.open.escalated_at
        elif state.open is not None and state.open.saved and not self._leadership.leads:
            # The leader ended it; if it is still wrong, our own looks say so.
            state.ended, state.open = state.open, None
        unended = next((alert for alert in reversed(alerts) if alert.told_at and not alert.end_told_at), None)
        if unended is not None:
            if state.heard is None or not state.heard.mine:
                state.heard = Heard(unended, channels, mine=False, severity=unended.severity)
            elif not state.heard.channels:
                state.heard.channels = channels
        elif state.heard is not None and state.heard.alert.saved:
            state.heard = None

    def _opened(self, check: Check, finding: Finding, now: datetime) -> Alert:
        return Alert(
            id=uuid7(),
            fingerprint=check.name,
            severity=finding.severity or check.severity,
            title=check.title,
            detail=finding.detail,
            affected=finding.affected or check.affected,
            opened_at=now,
        )

    async def _seen(self, check: Check, alert: Alert, finding: Finding) -> None:
        alert.detail, alert.affected = finding.detail, finding.affected or check.affected
        # As bad as it was at its worst: one that swings is not told of at every swing.
        alert.severity = worse(alert.severity, finding.severity or check.severity)
        if self._leadership.leads:
            await self._save(alert)

    async def _ended(self, state: State, alert: Alert, now: datetime) -> None:
        alert.resolved_at = now
        state.open, state.ended = None, alert
        state.changed(now)
        if self._acts(state):
            await self._save(alert)

    def _acts(self, state: State) -> bool:
        return self._leadership.leads or (state.heard is not None and state.heard.mine)

    async def _settle(self, check: Check, state: State, now: datetime) -> None:
        """Bring what people heard together with what is."""
        if not self._acts(state):
            return
        steady = state.is_steady(now)
        if state.open is not None and state.heard is None:
            if not state.open.saved:
                await self._save(state.open)
            quiet = self._why_quiet(check, now, steady=steady)
            # Told once it is known that nothing else explains it.
            if quiet is not None or not self.suspects(check):
                await self._tell_beginning(check, state, state.open, quiet)
        elif state.open is None and state.heard is not None and steady:
            await self._tell_end(check, state, state.heard, now)
        elif state.open is not None and state.heard is not None:
            await self._remind(check, state, state.open, now)
        if state.hold(now) is not None:
            self._digest(check, state, now)

    def _why_quiet(self, check: Check, now: datetime, *, steady: bool) -> str | None:
        """Why a beginning is not told now, in Spanish."""
        if (cause := self._cause(check, now)) is not None:
            return f"La explica otra alerta: {cause.title}."
        if (silence := self._silence(check.name, now)) is not None:
            return f"Silenciada por {silence.created_by} hasta {silence.ends_at:%Y-%m-%d %H:%M} UTC: {silence.reason}"
        if not steady:
            return "Cambia demasiado a menudo: se avisa cuando se quede quieta, y un resumen cada hora."
        return None

    def _cause(self, check: Check, now: datetime) -> Check | None:
        """A failing check that explains what this one says, or one that has only just come right."""
        for name in sorted(check.muted_by & self._states.keys()):
            state = self._states[name]
            # Not before it either: the clock may have been put back.
            fresh = state.recovered_at is not None and timedelta() <= now - state.recovered_at < GRACE
            if state.failures or state.open is not None or fresh:
                return self._checks[name]
        return None

    def _silence(self, name: str, now: datetime) -> Silence | None:
        wanted = (one for one in self._silences if one.fingerprint in {name, "*"} and one.ends_at > now)
        return next(wanted, None)

    async def _tell_beginning(self, check: Check, state: State, alert: Alert, quiet: str | None) -> None:
        if alert.told_at is not None:
            # Told before we knew of it.
            state.heard = Heard(alert, frozenset(), mine=False, severity=alert.severity)
            return
        if quiet is not None:
            if alert.quiet != quiet:
                alert.quiet = quiet
                state.version += 1
                self._post.tell(self._write("opened", check, alert, skip=quiet))
                await self._save(alert)
            return
        messages = self._write("opened", check, alert)
        if alert.saved and not await self._store.claim_beginning(alert, messages):
            return
        alert.told_at, alert.quiet = clock.now(), None
        state.heard = Heard(alert, self._bring(state, messages), mine=True, severity=alert.severity)
        await self._save(alert)

    async def _tell_end(self, check: Check, state: State, heard: Heard, now: datetime) -> None:
        state.heard = None
        ended = state.ended or heard.alert
        resolved_at = ended.resolved_at or now
        told = msgspec.structs.replace(
            heard.alert, resolved_at=resolved_at, detail=ended.detail, severity=ended.severity
        )
        count = len(state.changes)
        remark = f"Cambió {count} veces en la última hora." if count > _FEW_CHANGES else ""
        messages = self._write("resolved", check, told, only=heard.channels or None, remark=remark)
        if heard.alert.saved and not await self._store.claim_end(heard.alert.id, messages):
            return
        heard.alert.end_told_at = now
        if heard.alert.id != ended.id:
            await self._save(heard.alert)
        self._bring(state, messages)
        if not (heard.alert.saved and self._store.answering):
            await self._save(heard.alert)

    async def _remind(self, check: Check, state: State, alert: Alert, now: datetime) -> None:
        heard = state.heard
        assert heard is not None
        if alert.told_at is None:
            # It came back before its end was told: people still know of it.
            heard.alert.end_told_at = alert.told_at = now
            await self._store.claim_end(heard.alert.id)
            await self._save(heard.alert)
            heard.alert = alert
            await self._save(alert)
        if self._silence(check.name, now) is not None:
            return
        if worse(alert.severity, heard.severity) != heard.severity:
            # It goes where such a severity goes, also where the milder one did not.
            heard.severity = alert.severity
            heard.channels |= self._tell("escalated", check, state, alert, remark="La alerta se agravó.")
            return
        if alert.acknowledged_at is not None:
            return
        since = alert.told_at or alert.opened_at
        if alert.severity == "critical" and alert.escalated_at is None and now - since >= ESCALATE_AFTER:
            alert.escalated_at = now
            remark = f"Nadie la ha atendido en {length_of(now - since)}."
            heard.channels |= self._tell("escalated", check, state, alert, remark=remark)
            await self._save(alert)
        elif state.last_told_at is not None and now - state.last_told_at >= REPEAT_AFTER:
            remark = f"Sigue abierta después de {length_of(now - alert.opened_at)}."
            self._tell("repeated", check, state, alert, remark=remark)

    def _digest(self, check: Check, state: State, now: datetime) -> None:
        alert = state.open or state.ended
        if alert is None or (state.last_told_at is not None and now - state.last_told_at < _HOUR):
            return
        if self._silence(check.name, now) is not None or self._cause(check, now) is not None:
            return
        remark = f"Cambió {len(state.changes)} veces en la última hora; ahora está {'mal' if state.open else 'bien'}."
        self._tell("digest", check, state, msgspec.structs.replace(alert, resolved_at=None), remark=remark)

    async def _end_forgotten(self, alerts: list[Alert], told: Told, now: datetime) -> None:
        """End what no check looks at any more: of an installation that no longer has it, or of an older release."""
        if not self._leadership.leads:
            return
        for alert in alerts:
            # A colon is in the names of what others find, and end: `app.domain.audit.findings`.
            if alert.fingerprint in self._states or ":" in alert.fingerprint or alert.resolved_at is not None:
                continue
            alert.resolved_at = now
            if alert.told_at is not None:
                check = Check(name=alert.fingerprint, title=alert.title, severity=alert.severity, ask=_nothing)
                channels, _ = told.get(alert.fingerprint, (frozenset(), None))
                messages = self._write("resolved", check, alert, only=channels or None, remark=_FORGOTTEN)
                if await self._store.claim_end(alert.id, messages):
                    alert.end_told_at = now
                    self._post.tell(messages)
            await self._save(alert)

    def _tell(self, event: Event, check: Check, state: State, alert: Alert, *, remark: str = "") -> frozenset[str]:
        return self._bring(state, self._write(event, check, alert, remark=remark))

    def _write(
        self,
        event: Event,
        check: Check,
        alert: Alert,
        *,
        remark: str = "",
        skip: str | None = None,
        only: frozenset[str] | None = None,
    ) -> list[Delivery]:
        return self._post.write(self._wording.notice(event, check, alert, remark), alert.id, skip=skip, only=only)

    def _bring(self, state: State, messages: list[Delivery]) -> frozenset[str]:
        state.version += 1
        state.last_told_at = clock.now()
        return self._post.tell(messages)

    async def _save(self, alert: Alert) -> None:
        """Write an alert, to PostgreSQL or else to the spool."""
        if alert.resolved_at is None:
            saved = await self._store.save_open(alert)
        else:
            saved = await self._store.save_closed(alert)
            if not saved:
                self._unsaved[str(alert.id)] = alert
        if saved:
            self._spool.drop(alert)
        else:
            self._spool.keep(alert)


async def _nothing() -> Answer:
    return None
