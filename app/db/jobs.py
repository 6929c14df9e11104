"""What a background job is given besides its payload."""

from contextlib import AbstractAsyncContextManager
from uuid import UUID

import msgspec

from app.db.session import Database, Work
from app.settings import Settings


class JobContext(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one company's job."""

    database: Database
    tenant_id: UUID
    job_id: UUID
    attempt: int
    """1 for the first run."""
    request_id: str
    """Of the request that asked for it; empty when a schedule did."""

    @property
    def settings(self) -> Settings:
        return self.database.settings

    def transaction(self) -> AbstractAsyncContextManager[Work]:
        """A transaction of the job's company, in the name of the system."""
        return self.database.job_transaction(self.tenant_id, self.request_id)
