"""Bodies of samples."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from app.lib.schemas import Output

SampleStatus = Literal["filling", "ready", "failed"]


class SampleOut(Output):
    """A person's sample company."""

    id: UUID
    """Of the company: `POST /v1/auth/switch` takes it as `tenantId`."""
    name: str
    status: SampleStatus
    """`failed` stays so until it is deleted and asked for again."""
    progress: int
    """Per cent of its history that is written."""
    created_at: datetime
    ready_at: datetime | None
