"""Bodies of data protection."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.lib.schemas import Input, Output, Page
from app.lib.text import NAME

Purpose = Literal["invoicing", "service", "marketing", "credit", "employment", "third-parties"]
"""As the processing register (docs/TRATAMIENTO_DE_DATOS.md) names them."""
Channel = Literal["in-person", "web", "phone", "email", "message", "paper"]
Decision = Literal["granted", "withdrawn"]
Reason = Literal["request", "consent-withdrawn", "retention-over"]


class RecordConsent(Input):
    purpose: Annotated[Purpose, Meta(description="Para qué se usan los datos, según el registro de tratamiento.")]
    version: Annotated[
        str,
        Meta(min_length=1, max_length=40, pattern=NAME, description="Del texto que aceptó.", examples=["2026-11"]),
    ]
    channel: Channel
    decision: Annotated[Decision, Meta(description="`granted` autoriza, `withdrawn` revoca.")]
    customer_id: Annotated[UUID | None, Meta(description="De quién es: un cliente…")] = None
    user_id: Annotated[UUID | None, Meta(description="… o una persona de la empresa; uno de los dos.")] = None
    at: Annotated[datetime, Meta(tz=True, description="Cuándo lo decidió; por defecto, ahora.")] | None = None
    id: UUID | None = None


class ConsentOut(Output):
    id: UUID
    customer_id: UUID | None
    user_id: UUID | None
    purpose: str
    version: str
    channel: str
    decision: str
    at: datetime
    recorded_by: UUID
    recorded_at: datetime


class ConsentPage(Page):
    items: list[ConsentOut]


class Anonymise(Input):
    reason: Annotated[
        Reason,
        Meta(description="Lo pidió el titular, revocó su autorización, o terminó el tiempo de conservación."),
    ]


class AnonymisedOut(Output):
    at: datetime
    ids: list[UUID]
    """The customer with those merged into it, or the person."""
