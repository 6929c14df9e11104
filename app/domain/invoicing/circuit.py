"""Whether DIAN answers a company: after enough calls without an answer nothing is sent but one probe at a time.

Annex §12: a 5xx is repeated after 5 s, three times; a silence of a minute every 2 minutes, five times.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Work
from app.domain.invoicing.models import DianCircuit, DianContingency, DianSetting

QUICK_WAIT: Final = timedelta(seconds=5)
SILENT_WAIT: Final = timedelta(minutes=2)
"""From the beginning of one call to that of the next."""
_QUICK_MOST: Final = 4
"""The first call and its three repetitions."""
_SILENT_MOST: Final = 6
_QUICK_LONGEST: Final = timedelta(seconds=60)
_SILENT_LONGEST: Final = timedelta(minutes=10)
PROBE_EVERY: Final = timedelta(seconds=60)

_FORGOTTEN: Final = timedelta(minutes=20)
"""A failure this long ago, with none since, says nothing of today: longer than any wait between two calls."""

_STALE: Final = "dian_circuit.opened_at IS NULL AND dian_circuit.failed_at < :stale"
_THEIRS: Final = "CASE WHEN CAST(:theirs AS boolean) THEN CAST(:began AS timestamptz) END"
_FAIL: Final = text(
    "INSERT INTO dian_circuit (tenant_id, failures, failing_since, failed_at, theirs_since, last_error) "
    f"VALUES (:t, 1, :began, :began, {_THEIRS}, :error) "
    "ON CONFLICT (tenant_id) DO UPDATE SET "
    f"failures = CASE WHEN {_STALE} THEN 1 ELSE dian_circuit.failures + 1 END, "
    f"failing_since = CASE WHEN {_STALE} THEN :began ELSE coalesce(dian_circuit.failing_since, :began) END, "
    f"theirs_since = CASE WHEN {_STALE} THEN {_THEIRS} ELSE coalesce(dian_circuit.theirs_since, {_THEIRS}) END, "
    "failed_at = greatest(dian_circuit.failed_at, :began), last_error = :error "
    "RETURNING failures, failing_since, opened_at"
)
# Whoever has a row locked is at work on it, and may wait for the circuit that this transaction holds: it is passed over.
_RELEASE: Final = text(
    "WITH waiting AS MATERIALIZED (SELECT document_id FROM document_state WHERE tenant_id = :t "
    "AND status IN ('pending','signed','sent','unknown') AND next_at > :now ORDER BY document_id "
    "FOR UPDATE SKIP LOCKED) UPDATE document_state s SET next_at = :now FROM waiting "
    "WHERE s.tenant_id = :t AND s.document_id = waiting.document_id"
)


class Circuit(msgspec.Struct, frozen=True):
    """As it stands."""

    opened_at: datetime | None = None
    probe_at: datetime | None = None
    theirs_since: datetime | None = None
    """Since when DIAN itself fails: reached, and silent or with an error. An unreachable one may be our own line."""

    def lets_through(self, now: datetime) -> bool:
        return self.opened_at is None or (self.probe_at is not None and self.probe_at <= now)


async def circuit_of(work: Work, *, lock: bool = False) -> Circuit:
    """The company's circuit; closed when nothing ever failed."""
    statement = select(DianCircuit.opened_at, DianCircuit.probe_at, DianCircuit.theirs_since).where(
        DianCircuit.tenant_id == work.tenant_id
    )
    row = (await work.session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return Circuit() if row is None else Circuit(*row)


async def take_probe(work: Work, now: datetime) -> bool:
    """Whether this call may be made: always while closed; while open, once each `PROBE_EVERY`."""
    circuit = await circuit_of(work, lock=True)
    if circuit.opened_at is None:
        return True
    if not circuit.lets_through(now):
        return False
    await _set(work, probe_at=now + PROBE_EVERY)
    return True


async def count_failure(
    work: Work, *, began: datetime, now: datetime, silent: bool, error: str, reached: bool = True
) -> bool:
    """Count a call that DIAN did not answer; answers whether the circuit is open now. Opening asks for the next probe.

    `reached`: there was a connection, so that it is DIAN that fails and not our own line.
    """
    values = {"t": work.tenant_id, "began": began, "theirs": reached, "stale": began - _FORGOTTEN, "error": error[:500]}
    row = (await work.session.execute(_FAIL, values)).one()
    if row.opened_at is not None:
        await _set(work, probe_at=now + PROBE_EVERY)
        return True
    most, longest = (_SILENT_MOST, _SILENT_LONGEST) if silent else (_QUICK_MOST, _QUICK_LONGEST)
    if row.failures < most and (row.failures == 1 or now - row.failing_since < longest):
        return False
    await _set(work, opened_at=now, probe_at=now + PROBE_EVERY)
    _ask_catch_up(work, PROBE_EVERY)
    work.record(
        "dian.away", work.tenant_id, after={"since": row.failing_since, "failures": row.failures, "error": error}
    )
    return True


async def count_success(work: Work, *, began: datetime, now: datetime) -> None:
    """DIAN answered. Closing the circuit lets everything that waits go, and ends a contingency declared by itself.

    It ended when the last probe failed: what was issued after that was signed, maybe, with DIAN back.
    """
    row = (
        await work.session.execute(
            select(DianCircuit.opened_at, DianCircuit.failures)
            .where(DianCircuit.tenant_id == work.tenant_id, DianCircuit.failures > 0)
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        return
    await _set(work, failures=0, failing_since=None, failed_at=None, theirs_since=None, opened_at=None, probe_at=None)
    if row.opened_at is None:
        return
    ended = await work.session.execute(
        update(DianContingency)
        .where(
            DianContingency.tenant_id == work.tenant_id,
            DianContingency.is_automatic,
            DianContingency.ended_at.is_(None),
        )
        .values(ended_at=func.greatest(began - PROBE_EVERY, DianContingency.started_at + timedelta(seconds=1)))
        .returning(DianContingency.id, DianContingency.started_at, DianContingency.ended_at)
        .execution_options(synchronize_session=False)
    )
    for one in ended:
        after = {"startedAt": one.started_at, "endedAt": one.ended_at, "isAutomatic": True}
        work.record("dian.contingency-ended", one.id, after=after)
    await release_waiting(work, now)
    work.record("dian.back", work.tenant_id, after={"openedAt": row.opened_at})


async def release_waiting(work: Work, now: datetime) -> None:
    """Whatever waits for DIAN is due now; the catch-up hands it out."""
    await work.session.execute(_RELEASE, {"t": work.tenant_id, "now": now})
    _ask_catch_up(work, timedelta())


async def declare_by_itself(work: Work, circuit: Circuit, now: datetime) -> None:
    """Declare the contingency once DIAN has failed for as long as the company's settings say.

    A DIAN that cannot be reached is none: that may be the installation's own line, which the law treats otherwise (type 03).
    """
    minutes = await work.session.scalar(
        select(DianSetting.contingency_after).where(DianSetting.tenant_id == work.tenant_id)
    )
    since = circuit.theirs_since
    if minutes is None or since is None or now - since < timedelta(minutes=minutes):
        return
    made = await work.session.scalar(
        insert(DianContingency)
        .values(
            tenant_id=work.tenant_id,
            id=uuid7(),
            started_at=since,
            reason="La DIAN dejó de responder.",
            is_automatic=True,
            user_id=SYSTEM_USER,
        )
        .on_conflict_do_nothing()
        .returning(DianContingency.id)
    )
    if made is not None:
        work.record("dian.contingency-declared", made, after={"startedAt": since, "isAutomatic": True})


async def _set(work: Work, **values: Any) -> None:
    await work.session.execute(
        update(DianCircuit)
        .where(DianCircuit.tenant_id == work.tenant_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _ask_catch_up(work: Work, delay: timedelta) -> None:
    work.ask("invoicing.catch-up", {}, "short", delay)
