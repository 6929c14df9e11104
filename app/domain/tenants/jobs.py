"""Background jobs of a company's account."""

from datetime import time

import structlog

from app.db.jobs import JobContext
from app.domain.tenants.lifecycle import end_trial
from app.domain.tenants.plans import refresh_plan
from app.lib.jobs import NoPayload, job

_LOG = structlog.stdlib.get_logger("mostrador.tenants")


@job("tenants.end-trial")
async def end_trial_job(context: JobContext, _payload: NoPayload) -> None:
    """End a trial whose time has come; nothing for a company that is in none any more. Asked for by the worker's clock."""
    async with context.transaction() as work:
        if await end_trial(work):
            _LOG.info("trial ended", tenant_id=str(context.tenant_id))


@job("tenants.refresh-plan", nightly=time(0, 30))
async def refresh_plan_nightly(context: JobContext, _payload: NoPayload) -> None:
    """Bring what a company keeps of its plan up to date with the plan as it is sold today."""
    async with context.transaction() as work:
        await refresh_plan(work)
