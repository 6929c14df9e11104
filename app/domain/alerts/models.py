"""Tables of deliveries, silences, runs of schedules and releases: the operator's, with no company in them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db.base import DefaultBase


class AlertDelivery(DefaultBase):
    """One message for one channel: sent, on its way, given up, or not sent and why."""

    __tablename__ = "alert_delivery"
    __table_args__ = (
        CheckConstraint("event IN ('opened','resolved','repeated','escalated','digest','test')", name="event"),
        CheckConstraint("channel IN ('mail','slack','webhook')", name="channel"),
        CheckConstraint("status IN ('pending','sent','failed','skipped')", name="status"),
        CheckConstraint("(status = 'pending') = (next_at IS NOT NULL)", name="next"),
        Index("ix_alert_delivery_alert", "alert_id"),
        Index("ix_alert_delivery_created", "created_at"),
        Index("ix_alert_delivery_pending", "next_at", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    alert_id: Mapped[UUID | None]
    """Without a foreign key: while PostgreSQL is away the message may be stored before its alert."""
    fingerprint: Mapped[str]
    event: Mapped[str]
    channel: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    """Why it was not sent, in Spanish."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    tries: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'"))
    """The last ones: when, and what the channel said."""
    notice: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    next_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class AlertSilence(DefaultBase):
    """Until its end, nothing is told of a fingerprint (`*`: of anything); what is still wrong then is told."""

    __tablename__ = "alert_silence"
    __table_args__ = (
        CheckConstraint("ends_at > created_at", name="end"),
        Index("ix_alert_silence_ends", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    fingerprint: Mapped[str]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ends_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class ScheduleRun(DefaultBase):
    """One run of a schedule, for whoever asks what ran when. Kept thirty days."""

    __tablename__ = "schedule_run"
    __table_args__ = (
        Index("ix_schedule_run_name", "name", "started_at"),
        Index("ix_schedule_run_started", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    missed: Mapped[int] = mapped_column(server_default="0")
    """Earlier ones whose time passed while nobody worked: this one stands for them."""
    error: Mapped[str | None]


class ReleaseMark(DefaultBase):
    """Since when which release runs: what a message calls the last deploy."""

    __tablename__ = "release_mark"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    release: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
