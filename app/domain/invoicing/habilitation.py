"""The habilitación: a test set made, sent and followed until DIAN has all of it."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.drafts import draft, payments_of, point_of_sale
from app.domain.invoicing.issue import keys_of, read_issuer, write_document
from app.domain.invoicing.issuing import Issuing, Place
from app.domain.invoicing.kinds import SUPPORT_KINDS, Kind
from app.domain.invoicing.model import FINAL_CONSUMER, NIT, Correction, Line, Party, Reference, Tax
from app.domain.invoicing.models import FINAL, DianSetting, DianTestSet, Document, DocumentState
from app.domain.invoicing.numbering import open_note_ranges
from app.domain.invoicing.schemas import HabilitationOut, StartHabilitation
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, RuleBroken
from app.lib.nit import check_digit

LOOK_AGAIN: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(hours=24)
"""After this a test set that DIAN has not decided is given up."""
_KINDS: Final = {
    "invoice": (Kind.INVOICE, Kind.CREDIT_NOTE, Kind.DEBIT_NOTE),
    "pos": (Kind.POS, Kind.POS_CREDIT_NOTE, Kind.POS_DEBIT_NOTE),
    "support": (Kind.SUPPORT, Kind.SUPPORT_NOTE, None),
}
_BOGOTA: Final = "America/Bogota"
_SELLER: Final = "1000000002"
_PRICE: Final = Decimal("10000.00")
_IVA: Final = Decimal("19.00")

RUNNING: Final = Conflict("Ya hay un set de pruebas en curso.", code="test-set-running")
BROKEN_CONSTRAINTS["uq_dian_test_set_running"] = RUNNING
BROKEN_CONSTRAINTS["pk_dian_test_set"] = Conflict("Ya existe otro set con ese identificador.", code="id-taken")


class Habilitation:
    """Of the company of the transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def start(self, data: StartHabilitation) -> tuple[HabilitationOut, bool]:
        """Begin a test set; answers it and whether it is new. Raises 409 `test-set-running`, 422 `dian-not-ready`."""
        if data.id is not None:
            earlier = await self._work.session.get(DianTestSet, (self._work.tenant_id, data.id))
            if earlier is not None:
                same = (earlier.family, earlier.code, earlier.invoices, earlier.credit_notes, earlier.debit_notes) == (
                    data.family,
                    data.test_set_id,
                    data.invoices,
                    data.credit_notes,
                    data.debit_notes,
                )
                if not same:
                    raise BROKEN_CONSTRAINTS["pk_dian_test_set"]
                return await self.out(earlier), False
        setting = (
            await self._work.session.scalars(select(DianSetting).where(DianSetting.tenant_id == self._work.tenant_id))
        ).one_or_none()
        if setting is None or not setting.software_id or setting.software_pin is None:
            raise RuleBroken("Primero escriba el identificador y el PIN del software.", code="dian-not-ready")
        if setting.environment != "2":
            raise RuleBroken("El set de pruebas se envía en el ambiente de habilitación.", code="not-in-habilitation")
        row = DianTestSet(
            tenant_id=self._work.tenant_id,
            id=data.id or uuid7(),
            family=data.family,
            code=data.test_set_id,
            status="running",
            message="",
            invoices=data.invoices,
            credit_notes=data.credit_notes,
            debit_notes=data.debit_notes,
            user_id=self._work.actor.user_id,
            finished_at=None,
            created_at=clock.now(),
        )
        self._work.session.add(row)
        await self._work.flush()
        self._work.ask("invoicing.make-test-set", {"testSetId": str(row.id)})
        answer = await self.out(row)
        self._work.record("dian.test-set-started", row.id, after=answer)
        return answer, True

    async def make(self, test_set_id: UUID) -> None:
        """Issue the documents of a running test set, once. What cannot be made ends it with the reason."""
        row = await self._running(test_set_id)
        if row is None or await self._documents(row):
            return
        await open_note_ranges(self._work, "2")
        original, credit, debit = _KINDS[row.family]
        kinds = [kind for kind in (original, credit, debit) if kind is not None]
        issuing = await read_issuer(self._work, kinds, testing=True)
        made = [await self._issue(issuing, original, number) for number in range(row.invoices)]
        for note, count, concept in ((credit, row.credit_notes, "1"), (debit, row.debit_notes, "3")):
            if note is None:
                continue
            for number in range(count):
                await self._issue(issuing, note, number, made[number % len(made)], concept)
        self._work.ask("invoicing.follow-test-set", {"testSetId": str(row.id)}, "short", LOOK_AGAIN)

    async def follow(self, test_set_id: UUID) -> None:
        """Look how far DIAN is; ends the set when everything is decided, and looks again while it is not."""
        row = await self._running(test_set_id)
        if row is None:
            return
        states = await self._documents(row)
        done = sum(count for status, count in states.items() if status in FINAL)
        late = clock.now() - row.created_at > LONGEST
        if done < sum(states.values()) and not late:
            self._work.ask("invoicing.follow-test-set", {"testSetId": str(row.id)}, "short", LOOK_AGAIN)
            return
        rejected = states.get("rejected", 0)
        status = "accepted" if done and not rejected and not late else "failed"
        message = (
            "La DIAN validó todos los documentos: pida la asociación de prefijos y pase a producción."
            if status == "accepted"
            else f"La DIAN rechazó {rejected} documentos: corrija y envíe el set otra vez."
        )
        await self.finish(row, status, message)

    async def fail(self, test_set_id: UUID, message: str) -> None:
        """End a set that could not be made."""
        row = await self._running(test_set_id)
        if row is not None:
            await self.finish(row, "failed", message)

    async def finish(self, row: DianTestSet, status: str, message: str) -> None:
        """Write the end of a set down."""
        before = await self.out(row)
        await self._work.session.execute(
            update(DianTestSet)
            .where(DianTestSet.tenant_id == self._work.tenant_id, DianTestSet.id == row.id)
            .values(status=status, message=message, finished_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        await self._work.session.refresh(row)
        self._work.record("dian.test-set-finished", row.id, before=before, after=await self.out(row))

    async def out(self, row: DianTestSet) -> HabilitationOut:
        """A set with its progress."""
        states = await self._documents(row)
        debit = row.debit_notes if row.family != "support" else 0
        return HabilitationOut(
            id=row.id,
            family=row.family,
            test_set_id=row.code,
            status=row.status,
            message=row.message,
            wanted=row.invoices + row.credit_notes + debit,
            sent=sum(count for status, count in states.items() if status not in {"pending", "signed"}),
            accepted=states.get("accepted", 0),
            rejected=states.get("rejected", 0),
            started_at=row.created_at,
            finished_at=row.finished_at,
        )

    async def _running(self, test_set_id: UUID) -> DianTestSet | None:
        return (
            await self._work.session.scalars(
                select(DianTestSet)
                .where(
                    DianTestSet.tenant_id == self._work.tenant_id,
                    DianTestSet.id == test_set_id,
                    DianTestSet.status == "running",
                )
                .with_for_update()
            )
        ).one_or_none()

    async def _documents(self, row: DianTestSet) -> dict[str, int]:
        """Documents of a set by status: those of tests that were issued while it ran."""
        until = row.finished_at or clock.now() + timedelta(minutes=1)
        rows = await self._work.session.execute(
            select(DocumentState.status, func.count())
            .join(
                Document, (Document.tenant_id == DocumentState.tenant_id) & (Document.id == DocumentState.document_id)
            )
            .where(
                DocumentState.tenant_id == self._work.tenant_id,
                Document.is_test,
                Document.issued_at >= row.created_at.replace(microsecond=0),
                Document.issued_at <= until,
            )
            .group_by(DocumentState.status)
        )
        return {found[0]: found[1] for found in rows}

    async def _issue(
        self, issuing: Issuing, kind: Kind, number: int, corrected: Document | None = None, concept: str = ""
    ) -> Document:
        keys = keys_of(self._work, issuing, kind)
        now = clock.now()
        correction = None
        if corrected is not None:
            correction = Correction(
                concept=concept,
                reference=Reference(
                    kind=Kind(corrected.kind),
                    number=corrected.number,
                    uuid=corrected.uuid,
                    issued_on=clock.business_day(corrected.issued_at, _BOGOTA),
                ),
            )
        till = Place(register="Caja 1", branch="Principal", address="")
        place = point_of_sale(till, "Prueba", f"PRUEBA{number + 1}") if kind is Kind.POS else None
        made = draft(
            issuing,
            keys,
            kind,
            _lines(kind, number),
            at=now,
            payments=payments_of(["cash"]),
            counterpart=_seller(issuing) if kind in SUPPORT_KINDS else FINAL_CONSUMER,
            correction=correction,
            place=place,
        )
        return await write_document(
            self._work, made, keys, is_test=True, corrects_id=None if corrected is None else corrected.id
        )


def _lines(kind: Kind, number: int) -> Sequence[Line]:
    amount = _PRICE + number
    taxes = () if kind in SUPPORT_KINDS else (Tax(code="01", percent=_IVA, base=amount, amount=amount * _IVA / 100),)
    day = clock.business_day(clock.now(), _BOGOTA) if kind is Kind.SUPPORT else None
    return [
        Line(
            code="PRUEBA",
            description="Producto de prueba",
            quantity=Decimal(1),
            unit_price=amount,
            amount=amount,
            taxes=tuple(taxes),
            bought_on=day,
        )
    ]


def _seller(issuing: Issuing) -> Party:
    return Party(
        organization="2",
        identification_type=NIT,
        identification=_SELLER,
        dv=check_digit(_SELLER),
        name="Vendedor de prueba",
        address=issuing.as_issuer().address,
    )
