"""Bodies of the operator's support looking into a company, for both sides."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.lib.schemas import Input, Output, Page

Reason = Annotated[str, Meta(min_length=1, max_length=500, examples=["Pidió ayuda con una devolución, caso 4512"])]


class SupportRouteOut(Output):
    route: str
    times: int
    first_at: datetime
    last_at: datetime


class SupportAccessOut(Output):
    """The operator's support looking into a company."""

    id: UUID
    staff_name: str
    reason: str
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: Literal["company", "provider"] | None
    is_open: bool
    routes: list[SupportRouteOut]
    """What it read."""


class SupportAccessPage(Page):
    items: list[SupportAccessOut]


class OpenSupport(Input):
    tenant_id: UUID
    reason: Reason
    minutes: Annotated[int, Meta(ge=1, le=60, examples=[30])]
    id: UUID | None = None


class StaffAccessOut(Output):
    """The same as the operator sees it."""

    id: UUID
    tenant_id: UUID
    company_name: str
    staff_id: UUID
    staff_name: str
    reason: str
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: Literal["company", "provider"] | None
    is_open: bool


class StaffAccessPage(Page):
    items: list[StaffAccessOut]


class SupportTokenOut(Output):
    """A short token for the company's reading routes; another one is asked for while the access lasts."""

    access_id: UUID
    tenant_id: UUID
    expires_at: datetime
    """Of the access, whatever token."""
    access_token: str | None
    expires_in: int
    """Seconds, of the token."""
