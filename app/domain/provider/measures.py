"""What Prometheus is told of the whole installation: queues, DIAN, alerts, companies. Asked rarely, within a limit.

Every API process tells the same figures; whoever sums them up takes the greatest, not the sum.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog
from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from app.db.session import Database
from app.lib import clock
from app.lib.jobs import QUEUES
from app.lib.metrics import REQUESTS, Sample, metric

_LOG = structlog.stdlib.get_logger("mostrador.metrics")

REMEMBERED: Final = 10.0
"""Seconds one answer serves for: scrapes of several collectors ask once."""
LIMIT: Final = 2.0
"""Seconds: a scrape never waits longer for PostgreSQL."""


class Question(msgspec.Struct, frozen=True):
    """One metric that PostgreSQL answers: rows of labels, and a `value` each."""

    name: str
    said: str
    statement: TextClause
    labels: tuple[str, ...] = ()
    always: tuple[Mapping[str, str], ...] = ()
    """Labels that are told as 0 when there is no row: an absent series alarms nobody."""


_SEVERITIES: Final = ({"severity": "info"}, {"severity": "warning"}, {"severity": "critical"})
_WAITING: Final = "status IN ('pending','signed','sent','unknown')"

QUESTIONS: Final = (
    Question(
        "mostrador_queue_oldest_seconds",
        "How long the oldest due job has waited.",
        text(
            "SELECT queue, extract(epoch FROM CAST(:now AS timestamptz) - min(coalesce(due_since, due_at)))::float8 AS value "
            "FROM outbox WHERE status IN ('pending','queued') AND coalesce(due_since, due_at) <= :now GROUP BY queue"
        ),
        ("queue",),
        tuple({"queue": queue} for queue in QUEUES),
    ),
    Question(
        "mostrador_dead_jobs_day",
        "Jobs that failed for good in 24 hours and were neither retried nor given up.",
        text(
            "SELECT kind, count(*)::float8 AS value FROM outbox WHERE status = 'dead' "
            "AND finished_at > CAST(:now AS timestamptz) - interval '24 hours' GROUP BY kind"
        ),
        ("kind",),
    ),
    Question(
        "mostrador_schedules_failing",
        "Recurring runs that failed last time or are a quarter of an hour late.",
        text(
            "SELECT count(*)::float8 AS value FROM schedule WHERE (last_error IS NOT NULL "
            "OR next_run_at < CAST(:now AS timestamptz) - interval '15 minutes') "
            # Others ran an hour past it: no worker knows it any more.
            "AND next_run_at >= coalesce((SELECT max(last_run_at) FROM schedule), '-infinity') - interval '1 hour'"
        ),
    ),
    Question(
        "mostrador_dian_documents",
        "Electronic documents that DIAN has not decided, by state.",
        text(f"SELECT status, count(*)::float8 AS value FROM document_state WHERE {_WAITING} GROUP BY status"),
        ("status",),
        tuple({"status": status} for status in ("pending", "signed", "sent", "unknown")),
    ),
    Question(
        "mostrador_dian_late_seconds",
        "By how much the most overdue document is late.",
        text(
            "SELECT greatest(0, coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(next_at)), 0))::float8 AS value "
            f"FROM document_state WHERE {_WAITING}"
        ),
    ),
    Question(
        "mostrador_dian_circuits_open",
        "Companies for which DIAN does not answer.",
        text("SELECT count(*)::float8 AS value FROM dian_circuit WHERE opened_at <= :now"),
    ),
    Question(
        "mostrador_alerts_open",
        "Open alerts of the monitor, by severity.",
        text(
            "SELECT severity, count(*)::float8 AS value FROM monitor_alert WHERE resolved_at IS NULL GROUP BY severity"
        ),
        ("severity",),
        _SEVERITIES,
    ),
    Question(
        "mostrador_alert_messages_waiting",
        "Messages about alerts that a channel has not taken yet.",
        text("SELECT channel, count(*)::float8 AS value FROM alert_delivery WHERE status = 'pending' GROUP BY channel"),
        ("channel",),
        tuple({"channel": channel} for channel in ("mail", "slack", "webhook")),
    ),
    Question(
        "mostrador_webhook_deliveries_waiting",
        "Deliveries to companies' own systems that wait for their next try.",
        text("SELECT count(*)::float8 AS value FROM webhook_delivery WHERE status = 'pending'"),
    ),
    Question(
        "mostrador_companies",
        "Companies by the state of their account.",
        text("SELECT status, count(*)::float8 AS value FROM tenant GROUP BY status"),
        ("status",),
    ),
)

_BUSINESS: Final = {
    "sale": ("POST", "/v1/sales", 201),
    "return": ("POST", "/v1/returns", 201),
    "void": ("POST", "/v1/sales/{sale_id}/void", 201),
    "cash-open": ("POST", "/v1/cash/sessions", 201),
    "cash-close": ("POST", "/v1/cash/sessions/{session_id}/close", 200),
    "product": ("POST", "/v1/products", 201),
    "customer": ("POST", "/v1/customers", 201),
    "signup": ("POST", "/v1/auth/signup", 201),
    "login": ("POST", "/v1/auth/login", 200),
}
"""What shops do, by the route that does it and the answer that says it was done."""


class Measures:
    """Of one API process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self._asked_at = -REMEMBERED
        self._samples: dict[str, list[Sample]] = {}

    async def lines(self) -> Iterable[str]:
        """Everything PostgreSQL answered of late; nothing of it while PostgreSQL is away."""
        async with self._turn:
            if time.monotonic() - self._asked_at >= REMEMBERED:
                self._samples = await self._ask()
                self._asked_at = time.monotonic()
        return [
            line
            for one in QUESTIONS
            if one.name in self._samples
            for line in metric(one.name, "gauge", one.said, self._samples[one.name])
        ]

    async def _ask(self) -> dict[str, list[Sample]]:
        try:
            async with asyncio.timeout(LIMIT), self._database.platform_transaction() as session:
                found: dict[str, list[Sample]] = {}
                for one in QUESTIONS:
                    values = {"now": clock.now()} if ":now" in one.statement.text else {}
                    found[one.name] = _samples(one, (await session.execute(one.statement, values)).mappings().all())
                return found
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _LOG.warning("not measured", reason=f"{type(error).__name__}: {error}")
            return {}


def business_lines() -> Iterable[str]:
    """Counters of what shops did through this process."""
    samples: list[Sample] = [
        ({"what": what}, REQUESTS.answered(route, method, status))
        for what, (method, route, status) in _BUSINESS.items()
    ]
    yield from metric("mostrador_business_total", "counter", "What shops did, each once it was answered.", samples)


def _samples(question: Question, rows: Sequence[RowMapping]) -> list[Sample]:
    found = {tuple(str(row[label]) for label in question.labels): float(row["value"]) for row in rows}
    for labels in question.always:
        found.setdefault(tuple(labels[label] for label in question.labels), 0.0)
    return [(dict(zip(question.labels, key, strict=True)), value) for key, value in sorted(found.items())]
