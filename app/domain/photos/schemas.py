"""Bodies of the photo endpoints."""

from datetime import datetime
from uuid import UUID

from app.lib.schemas import Output, Page


class PhotoOut(Output):
    id: UUID
    url: str
    """Needs no login; whoever has it sees the photo until it ends."""
    url_expires_at: datetime
    width: int
    height: int
    size: int
    """Bytes."""
    created_at: datetime


class PhotoList(Page):
    items: list[PhotoOut]
