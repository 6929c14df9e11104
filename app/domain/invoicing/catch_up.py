"""Documents that wait: probes while DIAN is away, the drain when it is back, and whatever a lost job left behind."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, or_, select, text
from sqlalchemy.orm import aliased

from app.db.jobs import JobContext
from app.db.session import Work
from app.domain.invoicing.circuit import circuit_of, declare_by_itself
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.models import DianContingency, Document, DocumentState
from app.domain.invoicing.transmit import Transmission
from app.lib import clock

_BATCH: Final = 100
_SOON: Final = timedelta(seconds=2)
_HANDED_OUT: Final = timedelta(minutes=10)
"""Until then a document that was handed out is its job's."""

_DUE: Final = text(
    "WITH due AS MATERIALIZED (SELECT document_id FROM document_state WHERE tenant_id = :t "
    "AND status IN ('pending','signed','sent','unknown') AND next_at <= :now "
    "AND (claimed_until IS NULL OR claimed_until <= :now) "
    f"ORDER BY document_id LIMIT {_BATCH} FOR UPDATE SKIP LOCKED) "
    "UPDATE document_state s SET next_at = :later FROM due WHERE s.tenant_id = :t AND s.document_id = due.document_id "
    "RETURNING s.document_id"
)


class CatchUp:
    """Of one company."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    async def run(self) -> timedelta | None:
        """One look; answers when the next is wanted, if it is."""
        now = clock.now()
        async with self._context.transaction() as work:
            circuit = await circuit_of(work)
            if circuit.opened_at is not None:
                await declare_by_itself(work, circuit, now)
            probe = await self._oldest(work) if circuit.opened_at is not None and circuit.lets_through(now) else None
        if circuit.opened_at is not None:
            async with self._context.transaction() as work:
                await self._sign(work)
            if probe is not None:
                await Transmission(self._context, probe).run()
            return await self._after_probe(has_more=probe is not None or not circuit.lets_through(now))
        async with self._context.transaction() as work:
            return await self._hand_out(work)

    async def _after_probe(self, *, has_more: bool) -> timedelta | None:
        now = clock.now()
        async with self._context.transaction() as work:
            circuit = await circuit_of(work)
        if circuit.opened_at is None or circuit.probe_at is None:
            # Whoever closed it has asked for the drain.
            return None
        # Nothing to probe with: the next document that is issued does it.
        return max(circuit.probe_at - now, _SOON) if has_more else timedelta(minutes=1)

    async def _oldest(self, work: Work) -> UUID | None:
        """The document that waits longest, notes that wait for their original apart."""
        original = aliased(DocumentState)
        found: UUID | None = await work.session.scalar(
            select(DocumentState.document_id)
            .join(Document, and_(Document.tenant_id == work.tenant_id, Document.id == DocumentState.document_id))
            .outerjoin(
                original, and_(original.tenant_id == work.tenant_id, original.document_id == Document.corrects_id)
            )
            .where(
                DocumentState.tenant_id == work.tenant_id,
                DocumentState.status.in_(("pending", "signed", "sent", "unknown")),
                or_(DocumentState.claimed_until.is_(None), DocumentState.claimed_until <= clock.now()),
                or_(Document.corrects_id.is_(None), original.status == "accepted"),
            )
            .order_by(DocumentState.document_id)
            .limit(1)
        )
        return found

    async def _sign(self, work: Work) -> None:
        """Invoices of a declared contingency are signed while they wait: their buyers do not wait."""
        waiting = await work.session.scalars(
            select(DocumentState.document_id)
            .join(Document, and_(Document.tenant_id == work.tenant_id, Document.id == DocumentState.document_id))
            .join(
                DianContingency,
                and_(
                    DianContingency.tenant_id == work.tenant_id,
                    DianContingency.started_at <= Document.issued_at,
                    DianContingency.ended_at.is_(None),
                ),
            )
            .where(
                DocumentState.tenant_id == work.tenant_id,
                DocumentState.status == "pending",
                DocumentState.kind == Kind.INVOICE.value,
                DocumentState.version == 1,
                ~Document.is_test,
                or_(DocumentState.claimed_until.is_(None), DocumentState.claimed_until <= clock.now()),
            )
            .order_by(DocumentState.document_id)
            .limit(_BATCH)
        )
        for document_id in waiting:
            work.ask("invoicing.transmit", {"documentId": str(document_id)})

    async def _hand_out(self, work: Work) -> timedelta | None:
        now = clock.now()
        values: dict[str, Any] = {"t": work.tenant_id, "now": now, "later": now + _HANDED_OUT}
        due = list((await work.session.scalars(_DUE, values)).all())
        for document_id in sorted(due):
            work.ask("invoicing.transmit", {"documentId": str(document_id)})
        return _SOON if len(due) == _BATCH else None
