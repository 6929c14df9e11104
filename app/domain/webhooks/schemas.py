"""Bodies of the webhook endpoints."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.lib.schemas import Input, Output, Page

Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Description = Annotated[str, Meta(max_length=200)]
EventName = Annotated[str, Meta(min_length=1, max_length=60)]
EventNames = Annotated[list[EventName], Meta(min_length=1, max_length=60)]
Instant = Annotated[datetime, Meta(tz=True)]
DeliveryStatus = Literal["pending", "delivered", "failed"]


class CreateEndpoint(Input):
    """Where to send which events; `*` is every one, also those to come."""

    url: Url
    events: EventNames
    description: Description = ""


class ChangeEndpoint(Input):
    """What is not sent stays as it is. `isActive` true also begins anew with an endpoint that we gave up on."""

    url: Url | UnsetType = UNSET
    events: EventNames | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class RotateSecret(Input):
    """How long the former secret still signs beside the new one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=168)] = 24


class ReplaySpan(Input):
    """Events of a span of time to deliver again; by default only those that did not arrive."""

    since: Instant = msgspec.field(name="from")
    until: Instant = msgspec.field(name="to")
    delivered_too: bool = False


class EventTypeOut(Output):
    name: str
    description: str


class EventTypeList(Page):
    items: list[EventTypeOut]


class EndpointOut(Output):
    id: UUID
    url: str
    description: str
    events: list[str]
    is_active: bool
    disabled_at: datetime | None
    """When it was switched off because its deliveries failed."""
    disabled_reason: Literal["gone", "failing"] | None
    """`gone`: it answered 410. `failing`: nothing arrived for three days."""
    failing_since: datetime | None
    secrets: list["SecretOut"]
    """In force, without the secrets themselves."""
    created_at: datetime
    updated_at: datetime


class SecretOut(Output):
    created_at: datetime
    expires_at: datetime | None


class NewEndpointOut(EndpointOut):
    secret: str | None
    """Told once: a repeated request is answered null."""


class EndpointPage(Page):
    items: list[EndpointOut]


class DeliveryOut(Output):
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    sequence: int
    occurred_at: datetime
    status: DeliveryStatus
    attempts: int
    """Since it was last begun."""
    next_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    """HTTP status of the last answer, if there was one."""
    last_duration_ms: int | None
    last_error: str
    delivered_at: datetime | None
    created_at: datetime


class DeliveryPage(Page):
    items: list[DeliveryOut]


class AttemptOut(Output):
    at: datetime
    status: int | None
    duration_ms: int
    excerpt: str
    """Beginning of the answer."""
    error: str


class DeliveryDetailOut(DeliveryOut):
    payload: dict[str, Any]
    log: list[AttemptOut]
    """The last hundred tries, the newest first."""


class ReplayedOut(Output):
    deliveries: int
    """How many were begun anew."""
