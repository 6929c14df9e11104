"""Answers of a company's accesses of the operator's support."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from app.lib.schemas import Output, Page


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
