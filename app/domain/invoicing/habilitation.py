"""The habilitación: a test set made, sent and followed until DIAN has all of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import and_, case, func, literal_column, select, text, update
from sqlalchemy.orm import aliased
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.drafts import draft, payments_of, point_of_sale
from app.domain.invoicing.events import event
from app.domain.invoicing.issue import keys_of, read_issuer, write_document
from app.domain.invoicing.issuing import Issuing, Place
from app.domain.invoicing.kinds import KINDS_OF_SET, SUPPORT_KINDS, Kind
from app.domain.invoicing.model import FINAL_CONSUMER, NIT, Correction, Line, Party, Reference, Tax
from app.domain.invoicing.models import FINAL, DianSetting, DianTestSet, Document, DocumentState
from app.domain.invoicing.numbering import open_note_ranges
from app.domain.invoicing.schemas import HabilitationOut, StartHabilitation
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, RuleBroken
from app.lib.nit import check_digit

LOOK_AGAIN: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(hours=24)
"""After this a test set that DIAN has not decided is given up."""
_STUCK: Final = "stuck"
"""A note that waits for what DIAN rejected."""
_PASSED: Final = "La DIAN aceptó el set de pruebas: pida la asociación de prefijos y pase a producción."
# Whoever has a row locked is at work on it: it is passed over.
_CLOSE: Final = text(
    "WITH rest AS MATERIALIZED (SELECT s.document_id FROM document_state s JOIN document d "
    "ON d.tenant_id = s.tenant_id AND d.id = s.document_id WHERE s.tenant_id = :t AND d.is_test "
    "AND d.issued_at >= :since AND s.status IN ('pending','signed','sent','unknown') "
    "AND (s.claimed_until IS NULL OR s.claimed_until <= :now) ORDER BY s.document_id FOR UPDATE OF s SKIP LOCKED) "
    "UPDATE document_state s SET status = 'withdrawn', decided_at = :now, updated_at = now(), message = :message "
    "FROM rest WHERE s.tenant_id = :t AND s.document_id = rest.document_id RETURNING s.document_id"
)
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
        """Begin a test set; answers it and whether it is new. Raises 409 `test-set-running`, 422 `dian-not-ready`, `invalid-minimum`."""
        if data.id is not None:
            earlier = await self._work.session.get(DianTestSet, (self._work.tenant_id, data.id))
            if earlier is not None:
                if _asked(earlier, earlier.code) != _asked(data, data.test_set_id):
                    raise BROKEN_CONSTRAINTS["pk_dian_test_set"]
                return await self.out(earlier), False
        setting = (
            await self._work.session.scalars(select(DianSetting).where(DianSetting.tenant_id == self._work.tenant_id))
        ).one_or_none()
        if setting is None or not setting.software_id or setting.software_pin is None:
            raise RuleBroken("Primero escriba el identificador y el PIN del software.", code="dian-not-ready")
        if setting.environment != "2":
            raise RuleBroken("El set de pruebas se envía en el ambiente de habilitación.", code="not-in-habilitation")
        _check_minimums(data)
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
            least_invoices=data.least_invoices,
            least_credit_notes=data.least_credit_notes,
            least_debit_notes=data.least_debit_notes,
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
        original, credit, debit = KINDS_OF_SET[row.family]
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
        """Look how far DIAN is; ends the set when it is decided, and looks again while it is not.

        DIAN's own word that it has enough decides; else enough accepted documents of each kind.
        """
        row = await self._running(test_set_id)
        if row is None:
            return
        counts = await self._documents(row)
        if any(status == "withdrawn" for status, _ in counts):
            await self.finish(row, "accepted", _PASSED)
            return
        open_count = sum(count for (status, _), count in counts.items() if status not in (*FINAL, _STUCK))
        late = clock.now() - row.created_at > LONGEST
        if open_count and not late:
            self._work.ask("invoicing.follow-test-set", {"testSetId": str(row.id)}, "short", LOOK_AGAIN)
            return
        least = _least(row)
        if counts and all(counts.get(("accepted", kind), 0) >= count for kind, count in least.items()):
            await self.finish(row, "accepted", _PASSED)
            return
        rejected = sum(count for (status, _), count in counts.items() if status == "rejected")
        message = f"La DIAN rechazó {rejected} documentos: corrija y envíe el set otra vez."
        if not rejected or late:
            message = (
                f"La DIAN no decidió {open_count} documentos en {LONGEST.days} día: mire el portal de habilitación."
            )
        await self.finish(row, "failed", message)

    async def _close_rest(self, row: DianTestSet, message: str) -> None:
        """Documents that DIAN does not need any more. Whoever is at work on one hears the same from DIAN."""
        since = row.created_at.replace(microsecond=0)
        values = {"t": self._work.tenant_id, "since": since, "now": clock.now(), "message": message}
        for document_id in (await self._work.session.scalars(_CLOSE, values)).all():
            event(self._work, document_id, "withdrawn", {}, message)

    async def fail(self, test_set_id: UUID, message: str) -> None:
        """End a set that could not be made."""
        row = await self._running(test_set_id)
        if row is not None:
            await self.finish(row, "failed", message)

    async def finish(self, row: DianTestSet, status: str, message: str) -> None:
        """Write the end of a set down, and close what it still had on its way."""
        before = await self.out(row)
        await self._close_rest(row, message)
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
        counts = await self._documents(row)
        states: Counter[str] = Counter()
        for (status, _), count in counts.items():
            states[status] += count
        debit = row.debit_notes if row.family != "support" else 0
        return HabilitationOut(
            id=row.id,
            family=row.family,
            test_set_id=row.code,
            status=row.status,
            message=row.message,
            wanted=row.invoices + row.credit_notes + debit,
            least=sum(_least(row).values()),
            sent=sum(count for status, count in states.items() if status not in {"pending", "signed", "withdrawn"}),
            accepted=states["accepted"],
            rejected=states["rejected"],
            not_needed=states["withdrawn"],
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

    async def _documents(self, row: DianTestSet) -> dict[tuple[str, str], int]:
        """Documents of a set by status and kind: those of tests that were issued while it ran."""
        original = aliased(DocumentState)
        # A note cannot go before what it corrects is valid.
        is_stuck = and_(DocumentState.status.not_in(FINAL), original.status.in_(("rejected", "withdrawn")))
        status = case((is_stuck, literal_column(f"'{_STUCK}'")), else_=DocumentState.status)
        until = row.finished_at or clock.now() + timedelta(minutes=1)
        rows = await self._work.session.execute(
            select(status, Document.kind, func.count())
            .join(
                Document, (Document.tenant_id == DocumentState.tenant_id) & (Document.id == DocumentState.document_id)
            )
            .outerjoin(
                original,
                (original.tenant_id == DocumentState.tenant_id) & (original.document_id == Document.corrects_id),
            )
            .where(
                DocumentState.tenant_id == self._work.tenant_id,
                Document.is_test,
                Document.kind.in_([kind.value for kind in KINDS_OF_SET[row.family] if kind is not None]),
                Document.issued_at >= row.created_at.replace(microsecond=0),
                Document.issued_at <= until,
            )
            .group_by(literal_column("1"), literal_column("2"))
        )
        return {(found[0], found[1]): found[2] for found in rows}

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


def _asked(said: DianTestSet | StartHabilitation, code: str) -> tuple[object, ...]:
    """What a set is about, to tell a repetition from another one under its id."""
    return (
        said.family,
        code,
        said.invoices,
        said.credit_notes,
        said.debit_notes,
        said.least_invoices,
        said.least_credit_notes,
        said.least_debit_notes,
    )


def _check_minimums(data: StartHabilitation) -> None:
    """Raises 422 `invalid-minimum` for more of a kind than is sent."""
    pairs = (
        ("/leastInvoices", data.least_invoices, data.invoices),
        ("/leastCreditNotes", data.least_credit_notes, data.credit_notes),
        ("/leastDebitNotes", data.least_debit_notes, data.debit_notes),
    )
    detail = "El mínimo que la DIAN debe aceptar no puede ser mayor que lo que se envía."
    errors = tuple(
        FieldError(pointer, "invalid-minimum", detail)
        for pointer, least, count in pairs
        if least is not None and least > count
    )
    if errors:
        raise RuleBroken(detail, code="invalid-minimum", errors=errors)


def _least(row: DianTestSet) -> dict[str, int]:
    """How many documents of each kind DIAN must accept."""
    wanted = (
        (row.least_invoices, row.invoices),
        (row.least_credit_notes, row.credit_notes),
        (row.least_debit_notes, row.debit_notes),
    )
    return {
        kind.value: sent if least is None else least
        for kind, (least, sent) in zip(KINDS_OF_SET[row.family], wanted, strict=True)
        if kind is not None
    }


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
