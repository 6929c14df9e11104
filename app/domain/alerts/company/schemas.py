"""Bodies of a company's own alerts."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.domain.alerts.company.kinds import KindCode
from app.domain.alerts.notices import Severity
from app.lib.schemas import Input, Output, Page

Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", examples=["21:00"])]
"""`HH:MM` in the company's zone."""
CompanyAlertStatus = Literal["open", "acknowledged", "resolved"]
Mails = Literal["now", "daily", "none"]
ThresholdName = Annotated[str, Meta(min_length=1, max_length=40)]
ThresholdValue = Annotated[int, Meta(ge=0, le=1_000_000)]


class AlertItemOut(Output):
    """Una de las cosas que están mal."""

    id: UUID | None
    name: str
    detail: str


class CompanyAlertOut(Output):
    id: UUID
    kind: KindCode
    severity: Severity
    title: str
    detail: str
    next_step: str
    status: CompanyAlertStatus
    items: list[AlertItemOut]
    """Hasta veinte."""
    item_count: int
    """Cuántas son en total."""
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    note: str


class AlertMailOut(Output):
    """Un aviso a una persona."""

    id: UUID
    user_id: UUID
    event: Literal["opened", "resolved", "repeated"]
    status: Literal["pending", "sent", "failed", "skipped"]
    reason: str
    """Por qué no se envió, o qué dijo el servidor de correo la última vez."""
    attempts: int
    due_at: datetime
    finished_at: datetime | None


class CompanyAlertDetailOut(CompanyAlertOut):
    mails: list[AlertMailOut]


class CompanyAlertPage(Page):
    items: list[CompanyAlertOut]


class AcknowledgeAlert(Input):
    note: Annotated[str, Meta(max_length=500)] = ""


class ThresholdOut(Output):
    name: str
    value: int
    usual: int
    least: int
    most: int
    description: str


class RuleOut(Output):
    kind: KindCode
    title: str
    description: str
    is_on: bool
    severity: Severity
    thresholds: list[ThresholdOut]


class RuleList(Page):
    items: list[RuleOut]


class ChangeRule(Input):
    """Lo que no se envía queda como está."""

    is_on: bool | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    thresholds: dict[ThresholdName, ThresholdValue] | UnsetType = UNSET


class PutAlertSettings(Input):
    """Horas sin correos, para todas las personas de la empresa que no tengan las suyas; las dos o ninguna."""

    quiet_from: Clock | None
    quiet_to: Clock | None


class AlertSettingsOut(Output):
    quiet_from: str | None
    quiet_to: str | None


class PutAlertPreferences(Input):
    """Cómo quiere enterarse quien llama."""

    mails: Mails
    """`now`: cuando pasa; `daily`: un correo al día (lo crítico, cuando pasa); `none`: ninguno."""
    severity: Severity = "warning"
    """Desde qué severidad."""
    digest_at: Clock = "07:00"
    quiet_from: Clock | None = None
    quiet_to: Clock | None = None
    muted: Annotated[list[KindCode], Meta(max_length=50)] = []


class AlertPreferencesOut(Output):
    mails: Mails
    severity: Severity
    digest_at: str
    quiet_from: str | None
    quiet_to: str | None
    muted: list[KindCode]
