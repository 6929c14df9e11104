"""Documents that no sale makes: export, transcribed paper, documento soporte, and the notes that only a person decides."""

from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from app.db.session import Work
from app.domain.customers.models import Customer
from app.domain.invoicing.ceilings import check_ceiling
from app.domain.invoicing.documents import check_document_branch
from app.domain.invoicing.drafts import MEANS, draft
from app.domain.invoicing.issue import keys_of, read_issuer, write_document
from app.domain.invoicing.kinds import KINDS, OF_RETURNS, SUPPORT_KINDS, Kind
from app.domain.invoicing.known import Known, find_document
from app.domain.invoicing.lists import country_names
from app.domain.invoicing.model import NIT, Address, Correction, Delivery, Line, Paper, Payment, Tax
from app.domain.invoicing.models import Document
from app.domain.invoicing.papers import check_paper_age, keep_paper
from app.domain.invoicing.schemas import DocumentLine, IssueDocument
from app.domain.invoicing.totals import DISCOUNT, HUNDRED, allowance
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, RuleBroken, unknown_reference
from app.lib.money import ZERO, cents, divide, times
from app.lib.schemas import fingerprint

_BOGOTA: Final = "America/Bogota"
_NON_RESIDENT: Final = "11"
_NEEDS_CUSTOMER: Final = frozenset({Kind.EXPORT, Kind.SUPPORT})
_MANY: Final = 50
"""Lines up to which cents rounded off do not add up to what DIAN would mind."""
_RATES: Final = text(
    "SELECT c.code, c.tribute, c.nominal_tribute, r.rate FROM tax_class c "
    "JOIN tax_rate r ON r.tax_class = c.code AND :day BETWEEN r.valid_from AND r.valid_to"
)

ID_TAKEN: Final = Conflict("Ya existe otro documento con ese identificador.", code="id-taken")
BROKEN_CONSTRAINTS["pk_document"] = ID_TAKEN


class _Rate(msgspec.Struct, frozen=True):
    tribute: str | None
    nominal_tribute: str | None
    rate: Decimal


class ByHand:
    """For the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def issue(self, data: IssueDocument) -> tuple[UUID, bool]:
        """Issue a document; answers its id and whether it is new.

        Raises 409 `id-taken`, 422 `unknown-reference`, `no-document-range`, `document-invalid` and what the body lacks.
        """
        body = fingerprint(data)
        if data.id is not None:
            earlier = await self._work.session.get(Document, (self._work.tenant_id, data.id))
            if earlier is not None:
                if earlier.body_hash != body:
                    raise ID_TAKEN
                return data.id, False
        kind, now = Kind(data.kind), clock.now()
        corrected = await self._corrected(data, kind)
        check_document_branch(self._work.actor, None if corrected is None else corrected.row.branch_id)
        if data.paper is not None:
            check_paper_age(data.paper.issued_on, clock.business_day(now, _BOGOTA))
        if kind is Kind.EXPORT and data.delivery is None:
            raise _refuse("/delivery", "delivery-required", "Diga el término de entrega (Incoterm) de la exportación.")
        await self._check_customer(data, kind)
        issuing = await read_issuer(self._work, [kind], customer_id=data.customer_id)
        if corrected is not None and corrected.row.environment != issuing.environment:
            raise RuleBroken("El documento que se corrige es de otro ambiente.", code="other-environment")
        keys = keys_of(self._work, issuing, kind)
        today = clock.business_day(now, _BOGOTA)
        counterpart = issuing.as_buyer() if corrected is None else corrected.content.counterpart
        more: dict[str, Any] = {"notes": tuple(data.notes)}
        if data.delivery is not None:
            more["delivery"] = Delivery(incoterm=data.delivery.incoterm, note=data.delivery.note)
        if data.address is not None:
            counterpart = msgspec.structs.replace(counterpart, address=_abroad(data))
        if kind in SUPPORT_KINDS and counterpart.identification_type != NIT:
            counterpart = msgspec.structs.replace(counterpart, address=None)
            more["operation"] = _NON_RESIDENT
        made = draft(
            issuing,
            keys,
            kind,
            await self._lines(data, kind, today),
            at=now,
            payments=[_payment(data)],
            counterpart=counterpart,
            correction=_correction(data, corrected),
            paper=None if data.paper is None else Paper(number=data.paper.number, issued_on=data.paper.issued_on),
            document_id=data.id,
            **more,
        )
        if corrected is not None:
            await check_ceiling(self._work, corrected, made.document)
        await write_document(
            self._work,
            made,
            keys,
            corrects_id=None if corrected is None else corrected.row.id,
            branch_id=None if corrected is None else corrected.row.branch_id,
            body_hash=body,
        )
        if data.paper is not None:
            await keep_paper(self._work, made.document, made.id, today)
        return made.id, True

    async def _corrected(self, data: IssueDocument, kind: Kind) -> Known | None:
        if not KINDS[kind].is_note:
            if data.corrects_id is not None:
                raise _refuse("/correctsId", "not-a-note", "Solo las notas corrigen otro documento.")
            return None
        if data.corrects_id is None:
            raise _refuse("/correctsId", "corrects-required", "Diga qué documento corrige la nota.")
        if data.concept is None:
            raise _refuse("/concept", "concept-required", "Diga por qué se hace la nota.")
        found = await find_document(self._work, Document.id == data.corrects_id)
        if found is None:
            raise unknown_reference("/correctsId", "No existe ese documento.")
        if found.content.kind not in KINDS[kind].corrects:
            raise _refuse("/correctsId", "other-kind", f"Una {KINDS[kind].name.lower()} no corrige ese documento.")
        if found.row.sale_id is not None and KINDS[kind].root == "CreditNote" and data.concept in OF_RETURNS:
            raise _refuse(
                "/concept",
                "goods-by-return",
                "Lo que vuelve o se anula se hace en la venta, para que vuelva al inventario.",
            )
        if found.status == "rejected":
            raise Conflict("La DIAN rechazó ese documento: corríjalo y envíelo otra vez.", code="document-rejected")
        return found

    async def _check_customer(self, data: IssueDocument, kind: Kind) -> None:
        if data.customer_id is None:
            if kind in _NEEDS_CUSTOMER:
                raise _refuse("/customerId", "customer-required", "Diga quién es el comprador o el vendedor.")
            return
        known = await self._work.session.scalar(
            select(Customer.id).where(
                Customer.tenant_id == self._work.tenant_id,
                Customer.id == data.customer_id,
                Customer.retired_at.is_(None),
            )
        )
        if known is None:
            raise unknown_reference("/customerId", "No hay tal cliente.")

    async def _lines(self, data: IssueDocument, kind: Kind, today: date) -> list[Line]:
        rows = await self._work.session.execute(_RATES, {"day": today})
        rates = {row.code: _Rate(row.tribute, row.nominal_tribute, row.rate) for row in rows}
        return _even([_line(line, number, kind, rates, today) for number, line in enumerate(data.lines)])


def _line(line: DocumentLine, number: int, kind: Kind, rates: dict[str, _Rate], today: date) -> Line:
    gross = cents(times(line.unit_price, line.quantity))
    off = line.discount or ZERO
    if off > gross:
        raise _refuse(f"/lines/{number}/discount", "discount-too-large", "El descuento es mayor que el valor.")
    amount = cents(gross - off)
    taxes: tuple[Tax, ...] = ()
    if line.tax_class:
        rate = rates.get(line.tax_class)
        if rate is None:
            raise unknown_reference(f"/lines/{number}/taxClass", "No existe esa clase de impuesto.")
        if rate.nominal_tribute is not None:
            raise _refuse(
                f"/lines/{number}/taxClass", "tax-not-by-hand", "Los impuestos por unidad solo van en ventas."
            )
        if kind is Kind.EXPORT and rate.rate:
            raise _refuse(
                f"/lines/{number}/taxClass", "export-with-tax", "Las exportaciones son exentas: use una clase al 0 %."
            )
        if rate.tribute is not None:
            percent = cents(times(rate.rate, HUNDRED))
            tax = cents(divide(times(amount, percent), HUNDRED))
            taxes = (Tax(code=rate.tribute, percent=percent, base=amount, amount=tax),)
    return Line(
        code=line.code.strip(),
        description=line.description.strip(),
        quantity=Decimal(line.quantity),
        unit_code=line.unit_code,
        unit_price=Decimal(line.unit_price),
        amount=amount,
        allowances=(allowance(Decimal(off), gross, DISCOUNT),) if off else (),
        taxes=taxes,
        bought_on=(line.bought_on or today) if kind is Kind.SUPPORT else None,
    )


def _even(lines: list[Line]) -> list[Line]:
    """The same lines, each tax rounded so that the sum up to its line is right: DIAN compares it with the rate's whole base."""
    if len(lines) <= _MANY:
        return lines
    sums: dict[tuple[str, Decimal | None], tuple[Decimal, Decimal]] = {}
    for place, line in enumerate(lines):
        if not line.taxes:
            continue
        (tax,) = line.taxes
        base, given = sums.get((tax.code, tax.percent), (ZERO, ZERO))
        base += line.amount
        amount = cents(divide(times(base, tax.percent or ZERO), HUNDRED)) - given
        sums[tax.code, tax.percent] = (base, given + amount)
        lines[place] = msgspec.structs.replace(line, taxes=(msgspec.structs.replace(tax, amount=amount),))
    return lines


def _payment(data: IssueDocument) -> Payment:
    return Payment(means=MEANS[data.method], form="1" if data.due_on is None else "2", due_on=data.due_on)


def _correction(data: IssueDocument, corrected: Known | None) -> Correction | None:
    if corrected is None or data.concept is None:
        return None
    return Correction(concept=data.concept, reference=corrected.as_reference(), description=data.reason)


def _abroad(data: IssueDocument) -> Address:
    assert data.address is not None
    country = country_names().get(data.address.country_code)
    if country is None:
        raise unknown_reference("/address/countryCode", "No es un código de país ISO.")
    return Address(
        line=data.address.line, city=data.address.city, country_code=data.address.country_code, country=country
    )


def _refuse(pointer: str, code: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code=code, errors=(FieldError(pointer, code, detail),))
