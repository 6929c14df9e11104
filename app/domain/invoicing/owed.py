"""Notes that are owed: issued when the company issues again, or when what they correct was sent anew; or withdrawn with it."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import and_, func, select, update

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.events import event
from app.domain.invoicing.issue import NotIssuing
from app.domain.invoicing.kinds import ANNULMENT
from app.domain.invoicing.known import find_document
from app.domain.invoicing.models import Document, DocumentState
from app.domain.invoicing.notes import ReturnedGoods, write_note
from app.domain.invoicing.schemas import WithdrawDocument
from app.domain.invoicing.upkeep_models import OwedNote
from app.domain.invoicing.vault import SecretsUnreadable
from app.lib import clock
from app.lib.errors import Conflict, NotFound, RuleBroken

_LOG = structlog.stdlib.get_logger("mostrador.invoicing")
_MANY: Final = 1_000
"""Notes of one run; who is owed more saves the settings again."""


async def count_owed(work: Work) -> int:
    """Notes that are owed."""
    found = await work.session.scalar(
        select(func.count()).select_from(OwedNote).where(OwedNote.tenant_id == work.tenant_id, OwedNote.outcome == "")
    )
    return found or 0


async def ask_owed(work: Work) -> None:
    """Want the notes issued that are owed, if there are any."""
    if await count_owed(work):
        work.ask("invoicing.issue-owed-notes", {}, delay=timedelta(seconds=1))


class OwedNotes:
    """Issues what is owed, each note in a transaction of its own."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    async def run(self) -> None:
        """Issue what can be issued; the rest stays owed."""
        async with self._context.transaction() as work:
            ids = list(
                await work.session.scalars(
                    select(OwedNote.return_id)
                    .where(OwedNote.tenant_id == work.tenant_id, OwedNote.outcome == "")
                    .order_by(OwedNote.created_at, OwedNote.return_id)
                    .limit(_MANY)
                )
            )
        for return_id in ids:
            try:
                async with self._context.transaction() as work:
                    await self._issue(work, return_id)
            except (NotIssuing, SecretsUnreadable):
                return
            except RuleBroken as problem:
                _LOG.warning("an owed note cannot be issued", return_id=str(return_id), reason=problem.detail)

    async def _issue(self, work: Work, return_id: UUID) -> None:
        row = (
            await work.session.scalars(
                select(OwedNote)
                .where(OwedNote.tenant_id == work.tenant_id, OwedNote.return_id == return_id, OwedNote.outcome == "")
                .with_for_update()
            )
        ).one_or_none()
        if row is None:
            return
        corrected = await find_document(work, Document.id == row.document_id)
        if corrected is None or corrected.status == "rejected":
            return
        goods = msgspec.json.decode(row.goods, type=ReturnedGoods)
        is_wanted = await write_note(work, corrected, msgspec.structs.replace(goods, at=clock.now()), owed=True)
        await _settle(work, OwedNote.return_id == return_id, "issued" if is_wanted else "withdrawn")


class Withdrawal:
    """Closing what DIAN rejected and nobody will send again, with the notes that wait for it."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def run(self, row: Document, data: WithdrawDocument) -> None:
        """Withdraw a rejected document, or a note that waits for one. The number stays spent: DIAN never validated it.

        Raises 409 `not-rejected`, `test-document` for one of a test set, which DIAN ends, and `sale-stands` for the document
        of a sale that was not given back.
        """
        state = await self._lock(row.id)
        if state.status == "withdrawn":
            return
        if row.is_test:
            raise Conflict("Los documentos de un set de pruebas terminan con el set.", code="test-document")
        original = None if row.corrects_id is None else await self._lock(row.corrects_id)
        is_waiting_note = (
            state.status == "pending" and original is not None and original.status in {"rejected", "withdrawn"}
        )
        if state.status != "rejected" and not is_waiting_note:
            raise Conflict("Solo se retira lo que la DIAN rechazó.", code="not-rejected")
        if row.sale_id is not None and not await self._is_given_back(row.id):
            raise Conflict(
                "La venta sigue en pie: corrija el documento y envíelo otra vez, o anúlela.", code="sale-stands"
            )
        await self._withdraw(row.id, state.status, row.number, data.reason)
        for note_id, number, status in await self._waiting_notes(row.id):
            await self._withdraw(note_id, status, number, data.reason)
        await _settle(self._work, OwedNote.document_id == row.id, "withdrawn")

    async def _lock(self, document_id: UUID) -> DocumentState:
        state = (
            await self._work.session.scalars(
                select(DocumentState)
                .where(DocumentState.tenant_id == self._work.tenant_id, DocumentState.document_id == document_id)
                .with_for_update()
                .execution_options(populate_existing=True)
            )
        ).one_or_none()
        if state is None:
            raise NotFound("No existe ese documento.")
        return state

    async def _is_given_back(self, document_id: UUID) -> bool:
        """Whether the whole sale came back: its note waits, or is owed."""
        owed = await self._work.session.scalar(
            select(OwedNote.return_id)
            .where(OwedNote.tenant_id == self._work.tenant_id, OwedNote.document_id == document_id, OwedNote.is_whole)
            .limit(1)
        )
        if owed is not None:
            return True
        for note_id, _, _ in await self._waiting_notes(document_id):
            known = await find_document(self._work, Document.id == note_id)
            if known is not None and known.content.correction and known.content.correction.concept == ANNULMENT:
                return True
        return False

    async def _waiting_notes(self, document_id: UUID) -> list[tuple[UUID, str, str]]:
        rows = await self._work.session.execute(
            select(Document.id, Document.number, DocumentState.status)
            .join(
                DocumentState,
                and_(DocumentState.tenant_id == Document.tenant_id, DocumentState.document_id == Document.id),
            )
            .where(
                Document.tenant_id == self._work.tenant_id,
                DocumentState.tenant_id == self._work.tenant_id,
                Document.corrects_id == document_id,
                DocumentState.status.in_(("pending", "rejected")),
            )
            .order_by(Document.id)
            .with_for_update(of=DocumentState)
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def _withdraw(self, document_id: UUID, status: str, number: str, reason: str) -> None:
        now = clock.now()
        await self._work.session.execute(
            update(DocumentState)
            .where(DocumentState.tenant_id == self._work.tenant_id, DocumentState.document_id == document_id)
            .values(
                status="withdrawn",
                message=f"Retirado: {reason}",
                decided_at=now,
                claim=None,
                claimed_until=None,
            )
            .execution_options(synchronize_session=False)
        )
        event(self._work, document_id, "withdrawn", {}, reason, self._work.actor.user_id)
        self._work.record(
            "document.withdrawn",
            document_id,
            before={"status": status},
            after={"status": "withdrawn", "number": number, "reason": reason},
        )


async def _settle(work: Work, condition: object, outcome: str) -> None:
    await work.session.execute(
        update(OwedNote)
        .where(OwedNote.tenant_id == work.tenant_id, OwedNote.outcome == "", condition)  # type: ignore[arg-type]
        .values(outcome=outcome)
        .execution_options(synchronize_session=False)
    )
