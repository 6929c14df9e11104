"""Sending a document again: at once what waits, made anew what was rejected. The number stays."""

from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from app.db.session import Work
from app.domain.customers.models import Customer
from app.domain.invoicing.drafts import check_draft
from app.domain.invoicing.events import event
from app.domain.invoicing.goods import called_today
from app.domain.invoicing.issue import read_issuer
from app.domain.invoicing.keys import keys_of_range
from app.domain.invoicing.kinds import SUPPORT_KINDS, Kind
from app.domain.invoicing.known import Known, find_document
from app.domain.invoicing.model import Document as Frozen
from app.domain.invoicing.model import Party, thaw
from app.domain.invoicing.models import Document, DocumentState, DocumentVersion
from app.domain.invoicing.numbering import frozen_range
from app.domain.invoicing.versions import USUAL, Version, as_it_stands, redated, write_version
from app.lib import clock
from app.lib.errors import Conflict, NotFound

_DUPLICATE: Final = "90"


class Resend:
    """For the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def run(self, row: Document) -> None:
        """Send a document again.

        One that waits is asked about at once; one that was rejected is corrected with what company, customer and
        products say today, dated now, and checked before. Raises 409 `document-accepted`, `document-withdrawn` or `number-taken`,
        422 `document-invalid`.
        """
        state = (
            await self._work.session.scalars(
                select(DocumentState)
                .where(DocumentState.tenant_id == self._work.tenant_id, DocumentState.document_id == row.id)
                .with_for_update()
                .execution_options(populate_existing=True)
            )
        ).one_or_none()
        if state is None:
            raise NotFound("No existe ese documento.")
        if state.status == "accepted":
            raise Conflict("La DIAN ya validó ese documento.", code="document-accepted")
        if state.status == "withdrawn":
            raise Conflict("Ese documento se retiró: ya no se envía.", code="document-withdrawn")
        now = clock.now()
        before = {"status": state.status, "version": state.version, "uuid": state.uuid}
        after = dict(before)
        if state.status == "rejected":
            if any(rule.get("code") == _DUPLICATE for rule in state.rules):
                raise Conflict(
                    "La DIAN ya tiene otro documento con ese número: revise el rango con soporte.", code="number-taken"
                )
            version = await self._correct(row, state)
            after = {"status": "pending", "version": version.number, "uuid": version.uuid}
            values = {
                "status": "pending",
                "version": version.number,
                "kind": version.kind.value,
                "uuid": version.uuid,
                "rules": [],
                "decided_at": None,
                "zip_key": "",
            }
        else:
            values = {}
        await self._work.session.execute(
            update(DocumentState)
            .where(DocumentState.tenant_id == self._work.tenant_id, DocumentState.document_id == row.id)
            .values(next_at=now, attempts=0, message="", **values)
            .execution_options(synchronize_session=False)
        )
        event(
            self._work,
            row.id,
            "corrected" if values else "resend",
            {"before": before["uuid"], "after": after["uuid"]},
            "",
            self._work.actor.user_id,
        )
        self._work.ask("invoicing.transmit", {"documentId": str(row.id)})
        self._work.record("document.resent", row.id, before=before, after=after)

    async def _correct(self, row: Document, state: DocumentState) -> Version:
        """The next version: what is of company, software, customer and products as it is today, dated now."""
        earlier = await self._version(row, state)
        paper = earlier.content
        kind = USUAL.get(paper.kind, paper.kind)
        customer_id = await self._customer(paper.counterpart)
        issuing = await read_issuer(self._work, [kind], customer_id=customer_id, branch_id=row.branch_id)
        # The key is of the document's own range, which may not be the one that gives numbers today.
        keys = await keys_of_range(self._work, issuing, row.range_id)
        counterpart = paper.counterpart if customer_id is None else _same_shape(issuing.as_buyer(), paper)
        corrected = redated(
            msgspec.structs.replace(
                as_it_stands(paper, await self._corrected(row)),
                kind=kind,
                paper=None if kind is Kind.POS else paper.paper,
                issuer=issuing.as_issuer(),
                software=issuing.as_software(),
                counterpart=counterpart,
                range=await frozen_range(self._work, row.range_id),
                lines=await called_today(self._work, row, paper.lines),
            ),
            clock.now(),
        )
        check_draft(msgspec.structs.replace(corrected, number=""), clock.now())
        return await write_version(self._work, earlier, corrected, keys, "corrected", row.id)

    async def _corrected(self, row: Document) -> Known | None:
        return None if row.corrects_id is None else await find_document(self._work, Document.id == row.corrects_id)

    async def _version(self, row: Document, state: DocumentState) -> Version:
        content = row.content
        if state.version > 1:
            content = (
                await self._work.session.execute(
                    select(DocumentVersion.content).where(
                        DocumentVersion.tenant_id == self._work.tenant_id,
                        DocumentVersion.document_id == row.id,
                        DocumentVersion.version == state.version,
                    )
                )
            ).scalar_one()
        paper = msgspec.structs.replace(thaw(content.encode()), number=row.number)
        return Version(state.version, Kind(state.kind), state.uuid, paper)

    async def _customer(self, party: Party) -> UUID | None:
        """The customer behind a party, as far as there is one; consumidor final stays as it is."""
        if party.is_final_consumer:
            return None
        return await self._work.session.scalar(
            select(Customer.id).where(
                Customer.tenant_id == self._work.tenant_id,
                Customer.identification_type == party.identification_type,
                Customer.identification == party.identification,
                Customer.retired_at.is_(None),
            )
        )


def _same_shape(party: Party, paper: Frozen) -> Party:
    """A customer of today in the shape of its document: a seller abroad has no Colombian address, nor a buyer abroad."""
    earlier = paper.counterpart.address
    abroad = earlier is not None and earlier.country_code != "CO"
    if abroad or (paper.kind in SUPPORT_KINDS and earlier is None):
        return msgspec.structs.replace(party, address=earlier)
    return party
