"""Tables of the machinery that no domain owns: idempotency, outbox, schedules, heartbeats, audit chain."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKeyConstraint, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import DefaultBase, TenantOwned, TenantRow


class Idempotency(TenantOwned, DefaultBase):
    """The stored answer of a request, by company, user and key. Kept 48 hours."""

    __tablename__ = "idempotency"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        Index("ix_idempotency_created", "created_at"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    """SHA-256 over method, path and body."""
    status: Mapped[int | None]
    answer: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OutboxJob(TenantRow, DefaultBase):
    """A job asked for in the transaction of the change that wants it: the truth behind the queue."""

    __tablename__ = "outbox"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("status IN ('pending','queued','running','done','dead','discarded')", name="status"),
        CheckConstraint("queue IN ('short','long')", name="queue"),
        Index(
            "ix_outbox_due", "tenant_id", "due_at", postgresql_where=text("status IN ('pending','queued','running')")
        ),
        Index("ix_outbox_dead", "tenant_id", "finished_at", postgresql_where=text("status = 'dead'")),
        Index("ix_outbox_done", "finished_at", postgresql_where=text("status = 'done'")),
    )

    queue: Mapped[str]
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="pending")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When it may run next; while queued, when the sweep offers it again; while running, when it counts as lost."""
    due_since: Mapped[datetime | None]
    """Since when a job that was offered waits for a worker."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Runs begun, also those that nobody heard of again."""
    request_id: Mapped[str | None]
    last_error: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class Schedule(DefaultBase):
    """A recurring run. Missed runs collapse to one."""

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(primary_key=True)
    every_seconds: Mapped[int]
    next_run_at: Mapped[datetime]
    last_run_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class WorkerHeartbeat(DefaultBase):
    """Last sign of life of a worker process, per queue."""

    __tablename__ = "worker_heartbeat"

    queue: Mapped[str] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(primary_key=True)
    """Host and pid."""
    beat_at: Mapped[datetime]
    queue_active: Mapped[int] = mapped_column(server_default="0")


class MonitorAlert(DefaultBase):
    """A finding of the monitor that is open, or was."""

    __tablename__ = "monitor_alert"
    __table_args__ = (
        Index(
            "uq_monitor_alert_open",
            "fingerprint",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index("ix_monitor_alert_opened", "opened_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    fingerprint: Mapped[str]
    severity: Mapped[str]
    detail: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    affected: Mapped[str] = mapped_column(server_default="")
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    note: Mapped[str | None]
    """What whoever acknowledged it wrote."""
    told_at: Mapped[datetime | None]
    """Since when people know of it; None: its beginning was not told, or not yet."""
    end_told_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    quiet: Mapped[str | None]
    """Why its beginning was not told, in Spanish."""


class AuditHead(TenantOwned, DefaultBase):
    """End of a company's audit chain; locked last by every business write."""

    __tablename__ = "audit_head"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        {"postgresql_with": {"fillfactor": 50}},
    )

    seq: Mapped[int] = mapped_column(server_default="0")
    hash: Mapped[bytes]


ACTOR_OF_CONTENT = """substring(content, '"userId":"([0-9a-f-]{36})"')"""
"""SQL for who wrote an entry: the canonical content names its actor first, and inside a text a quote is escaped."""


class AuditEntry(TenantOwned, DefaultBase):
    """One link of the chain: who did what, complete. Append-only."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        Index("ix_audit_entry_subject", "tenant_id", "subject_id"),
        Index("ix_audit_entry_at", "tenant_id", "at", "seq"),
        Index("ix_audit_entry_actor", "tenant_id", "actor", "seq"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    """Seed of the row's own key."""
    at: Mapped[datetime]
    action: Mapped[str]
    subject_id: Mapped[UUID]
    number: Mapped[int | None]
    """A consecutive known only under lock (a ticket's sequence); hashed with the content."""
    content: Mapped[str]
    """Canonical JSON: actor, address, request, subject, before, after."""
    hash: Mapped[bytes]
    actor: Mapped[str | None] = mapped_column(Text(collation="C"), Computed(ACTOR_OF_CONTENT, persisted=True))
    """User id, read off the content: what the content says is under the hash, and row level security lets no index on
    an expression be used.
    """


class PersonKey(TenantOwned, DefaultBase):
    """The key that opens what a company's trail knows of one person; destroyed when the person is to be forgotten."""

    __tablename__ = "person_key"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("(wrapped IS NULL) = (erased_at IS NOT NULL)", name="erased"),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    """A customer's id or a user's."""
    wrapped: Mapped[bytes | None]
    """AES-256-GCM under a key derived from SECRET_KEY; NULL once destroyed."""
    erased_at: Mapped[datetime | None]
    """Stays as the mark that nothing is to be written of this person again."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
