"""Bodies of the operator's alerts, jobs and schedules."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from app.domain.alerts.channels import Channel
from app.domain.alerts.notices import Event, Severity
from app.lib.schemas import Input, Output, Page

AlertStatus = Literal["open", "acknowledged", "resolved"]
DeliveryStatus = Literal["pending", "sent", "failed", "skipped"]
JobStatus = Literal["pending", "queued", "running", "done", "dead", "discarded"]


class DeliveryOut(Output):
    """One message for one channel."""

    id: UUID
    event: Event
    channel: Channel
    status: DeliveryStatus
    reason: str | None
    """Por qué no se envió, o qué dijo el canal la última vez."""
    attempts: int
    tries: list[dict[str, Any]]
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None


class AlertOut(Output):
    id: UUID
    fingerprint: str
    severity: Severity
    title: str
    detail: str
    affected: str
    status: AlertStatus
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    escalated_at: datetime | None
    told_at: datetime | None
    quiet: str | None
    """Por qué no se avisó."""
    runbook: str


class AlertDetailOut(AlertOut):
    deliveries: list[DeliveryOut]


class AlertPage(Page):
    items: list[AlertOut]


class Acknowledge(Input):
    note: Annotated[str, Meta(max_length=500)] = ""


class CreateSilence(Input):
    fingerprint: Annotated[str, Meta(min_length=1, max_length=100)]
    """Nombre de la comprobación, o `*` para todas."""
    reason: Annotated[str, Meta(min_length=3, max_length=500)]
    minutes: Annotated[int, Meta(ge=1, le=10_080)]
    """Un silencio termina solo: a lo sumo en siete días."""


class SilenceOut(Output):
    id: UUID
    fingerprint: str
    reason: str
    created_by: str
    created_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class SilencePage(Page):
    items: list[SilenceOut]


class ChannelOut(Output):
    channel: Channel
    configured: bool
    takes: list[Severity]
    """Severidades que van por aquí."""


class ChannelsOut(Output):
    items: list[ChannelOut]
    webhook_secret: str
    """Clave con que se verifica la firma del webhook (Standard Webhooks)."""


class TestResult(Output):
    channel: Channel
    status: Literal["sent", "failed", "skipped"]
    reason: str | None
    milliseconds: int


class TestOut(Output):
    severity: Severity
    items: list[TestResult]


class ProviderJobOut(Output):
    id: UUID
    tenant_id: UUID
    queue: str
    kind: str
    status: JobStatus
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    last_error: str | None
    request_id: str | None


class ProviderJobPage(Page):
    items: list[ProviderJobOut]


class DiscardJob(Input):
    reason: Annotated[str, Meta(min_length=3, max_length=500)]


class ScheduleOut(Output):
    name: str
    every_seconds: int
    next_run_at: datetime
    last_run_at: datetime | None
    last_finished_at: datetime | None
    last_error: str | None


class SchedulesOut(Output):
    items: list[ScheduleOut]


class ScheduleRunOut(Output):
    id: UUID
    name: str
    due_at: datetime
    started_at: datetime
    finished_at: datetime | None
    missed: int
    """Corridas anteriores que esta reemplaza."""
    error: str | None


class ScheduleRunPage(Page):
    items: list[ScheduleRunOut]
