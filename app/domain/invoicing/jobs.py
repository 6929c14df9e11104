"""Background jobs of electronic documents."""

from uuid import UUID

import msgspec

from app.db.jobs import JobContext
from app.domain.invoicing.catch_up import CatchUp
from app.domain.invoicing.habilitation import Habilitation
from app.domain.invoicing.mailing import Mailing
from app.domain.invoicing.owed import OwedNotes
from app.domain.invoicing.reading import RangeReader
from app.domain.invoicing.transmit import Transmission
from app.domain.invoicing.wrapping import wrap_and_deliver
from app.lib.errors import RuleBroken
from app.lib.jobs import NoPayload, job


class Transmit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A document to bring to DIAN."""

    document_id: UUID


class TestSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A test set of the habilitación."""

    __test__ = False
    test_set_id: UUID


class ReadRanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What prefixes are for that are not of invoices."""

    kinds: dict[str, str] = {}


@job("invoicing.transmit", timeout=60, lane="remote")
async def transmit(context: JobContext, payload: Transmit) -> None:
    """Bring one document as far as it goes. What comes next is asked for by itself."""
    await Transmission(context, payload.document_id).run()


@job("invoicing.catch-up", timeout=60, lane="remote")
async def catch_up(context: JobContext, _payload: NoPayload) -> None:
    """Look after documents that wait: one probe while DIAN is away, all of them when it is back."""
    wait = await CatchUp(context).run()
    if wait is not None:
        async with context.transaction() as work:
            catch_up.ask(work, NoPayload(), wait)


@job("invoicing.read-ranges", timeout=60, attempts=3, lane="remote")
async def read_ranges(context: JobContext, payload: ReadRanges) -> None:
    """Import the numbering that DIAN has for the company."""
    await RangeReader(context).run(payload.kinds)


@job("invoicing.make-test-set", timeout=60, attempts=3)
async def make_test_set(context: JobContext, payload: TestSet) -> None:
    """Issue the documents of a test set; what the company lacks for it ends it."""
    try:
        async with context.transaction() as work:
            await Habilitation(work).make(payload.test_set_id)
    except RuleBroken as problem:
        async with context.transaction() as work:
            await Habilitation(work).fail(payload.test_set_id, problem.detail)


@job("invoicing.follow-test-set")
async def follow_test_set(context: JobContext, payload: TestSet) -> None:
    """Look whether DIAN has decided about a whole test set."""
    async with context.transaction() as work:
        await Habilitation(work).follow(payload.test_set_id)


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A mailing to hand over."""

    delivery_id: UUID


@job("invoicing.wrap", timeout=60)
async def wrap(context: JobContext, payload: Transmit) -> None:
    """Make what the buyer of an accepted document gets, and mail it if the company and the buyer want that."""
    await wrap_and_deliver(context, payload.document_id)


@job("invoicing.mail", timeout=60)
async def mail(context: JobContext, payload: Mail) -> None:
    """Bring one mailing as far as it goes."""
    await Mailing(context, payload.delivery_id).run()


@job("invoicing.issue-owed-notes", timeout=60)
async def issue_owed_notes(context: JobContext, _payload: NoPayload) -> None:
    """Issue the notes of returns that were taken back while none could be issued."""
    await OwedNotes(context).run()
