"""Background jobs of reports."""

from datetime import date, time
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text

from app.db.jobs import JobContext
from app.domain.reports import mailing
from app.domain.reports.folding import fold, rebuild
from app.domain.reports.reconcile import differences
from app.domain.reports.writing import ExportWriter
from app.lib.jobs import NoPayload, job

_LOG = structlog.stdlib.get_logger("mostrador.reports")
_LIMIT: Final = 3600
_TRIES: Final = 3
_PATIENCE: Final = (text("SET LOCAL statement_timeout = '600s'"), text("SET LOCAL enable_nestloop = off"))
"""Comparing a year with all of its tickets takes a minute: much longer than a request may."""


class Mailing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduled report of the period that ended on a day, to one address."""

    schedule_id: UUID
    last: date
    recipient: str


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file to write."""

    export_id: UUID


@job("reports.fold", queue="long", timeout=_LIMIT)
async def fold_sales(context: JobContext, _payload: NoPayload) -> None:
    """Bring the company's roll-ups up to what is committed."""
    more = True
    while more:
        async with context.transaction() as work:
            more = await fold(work)


@job("reports.mend", queue="long", timeout=_LIMIT, nightly=time(3, 40))
async def mend_nightly(context: JobContext, _payload: NoPayload) -> None:
    """Make roll-ups anew that are not the sums of their tickets. The proof of the books, at 3:00, has told the operator by then."""
    async with context.transaction() as work:
        for setting in _PATIENCE:
            await work.session.execute(setting)
        found = await differences(work)
        if found:
            _LOG.error("roll-ups differ", differences=len(found), checks=sorted({one.check for one in found}))
            await rebuild(work)
            fold_sales.ask(work, NoPayload())


@job("reports.export", queue="long", timeout=_LIMIT, attempts=_TRIES)
async def write_export(context: JobContext, payload: Export) -> None:
    """Write one exported file. The last try that fails says so to whoever waits for it."""
    writer = ExportWriter(context, payload.export_id)
    try:
        await writer.run()
    except Exception:
        if context.attempt >= _TRIES:
            await writer.fail("No se pudo escribir el archivo; pídalo de nuevo.")
        raise


@job("reports.send-due")
async def send_due(context: JobContext, _payload: NoPayload) -> None:
    """Ask for the mails of scheduled reports whose period is over."""
    async with context.transaction() as work:
        for schedule_id, last, recipient in await mailing.due(work):
            send_one.ask(work, Mailing(schedule_id=schedule_id, last=last, recipient=recipient))


@job("reports.mail", timeout=60)
async def send_one(context: JobContext, payload: Mailing) -> None:
    """Mail one report to one recipient."""
    await mailing.ReportMailer(context, payload.schedule_id, payload.last, payload.recipient).run()
