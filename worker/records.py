"""An alert and a message for one channel, as a monitor holds them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from app.domain.alerts.channels import Channel
from app.domain.alerts.notices import Event, Notice, Severity


class Alert(msgspec.Struct, kw_only=True):
    """A row of `monitor_alert`, or what will be one once PostgreSQL is back."""

    id: UUID
    fingerprint: str
    severity: Severity
    title: str
    detail: str
    affected: str
    opened_at: datetime
    resolved_at: datetime | None = None
    told_at: datetime | None = None
    end_told_at: datetime | None = None
    escalated_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    quiet: str | None = None
    saved: bool = False


DELIVERY_COLUMNS: Final = (
    "id",
    "alert_id",
    "fingerprint",
    "event",
    "channel",
    "status",
    "reason",
    "attempts",
    "tries",
    "notice",
    "created_at",
    "next_at",
    "finished_at",
)


class Delivery(msgspec.Struct, kw_only=True):
    """A row of `alert_delivery`."""

    id: UUID
    alert_id: UUID | None
    fingerprint: str
    event: Event
    channel: Channel
    notice: Notice
    created_at: datetime
    status: Literal["pending", "sent", "failed", "skipped"] = "pending"
    reason: str | None = None
    attempts: int = 0
    tries: list[dict[str, Any]] = msgspec.field(default_factory=list)
    next_at: datetime | None = None
    finished_at: datetime | None = None
    saved: bool = False

    def values(self) -> tuple[Any, ...]:
        """In the order of `DELIVERY_COLUMNS`."""
        return (
            self.id,
            self.alert_id,
            self.fingerprint,
            self.event,
            self.channel,
            self.status,
            self.reason,
            self.attempts,
            self.tries,
            msgspec.to_builtins(self.notice),
            self.created_at,
            self.next_at,
            self.finished_at,
        )

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Delivery":
        """From a pending row."""
        values = dict(row)
        return cls(**values | {"notice": msgspec.convert(values["notice"], Notice), "saved": True})
