"""The background job that fills a sample company."""

from uuid import UUID

import structlog

from app.db.jobs import JobContext
from app.lib.jobs import job
from app.lib.schemas import Input

_LOG = structlog.stdlib.get_logger("mostrador.sample")


class FillSample(Input):
    """Whose sample the company of the job is."""

    user_id: UUID


@job("sample.fill", queue="long", timeout=1800, attempts=3)
async def fill_sample(context: JobContext, payload: FillSample) -> None:
    """Write a sample's history; nothing for one that was closed. Run again it goes on where the last run stopped."""
    # Loaded when first used: it sells, which the worker never does otherwise.
    from app.domain.sample.filling import Abandoned, fill

    try:
        tickets = await fill(context, payload.user_id)
    except Abandoned:
        _LOG.info("sample abandoned")
    else:
        _LOG.info("sample filled", tickets=tickets)
