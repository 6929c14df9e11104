"""A document on its way into the database: everything but its number, checked before one is spent."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from app.domain.invoicing.fragments import NUMBER_MARK, UUID_MARK
from app.domain.invoicing.identify import Keys, figures_of, key_of, qr_text, uuid_tail
from app.domain.invoicing.issuing import Issuing, Numbers, Place
from app.domain.invoicing.kinds import KINDS, NUMBERED_AS, Kind
from app.domain.invoicing.model import FREEZER, Correction, Document, Line, Paper, Party, Payment, PointOfSale
from app.domain.invoicing.preflight import blocking, preflight_draft
from app.domain.invoicing.totals import total
from app.lib.errors import Conflict, FieldError, RuleBroken
from app.lib.schemas import JSON

SWEEP_AFTER: Final = timedelta(minutes=2)
"""Until then a new document is its own job's; later the sweep looks after it."""
MEANS: Final = {
    "cash": "10",
    "debit-card": "49",
    "credit-card": "48",
    "transfer": "47",
    "nequi": "47",
    "daviplata": "47",
    "check": "20",
    "voucher": "ZZZ",
}
"""Ways to pay at the counter, by DIAN's code (table 13.3.4.2)."""
_CASH: Final = "10"
_TILL: Final = "Caja registradora"


class NoNumbers(RuleBroken):
    """No range of the kind has numbers that may be used here today."""

    code = "no-document-range"


class DocumentInvalid(RuleBroken):
    """DIAN would reject it: the fields say what to mend, by pointers into the document."""

    code = "document-invalid"


NUMBER_USED: Final = Conflict(
    "Ese número ya lo lleva otro documento: cierre el rango y revise la numeración.", code="number-used"
)
"""What `uq_document_number` refuses: two ranges whose prefix and number read alike."""


class Draft(msgspec.Struct, frozen=True):
    """A document without number, and what the statement that takes one needs."""

    id: UUID
    job_id: UUID
    document: Document
    numbers: Numbers
    tail: str
    """What follows the number in the composition of its UUID: secret."""
    qr: str
    """With marks for number and UUID."""

    def __repr__(self) -> str:
        return f"Draft({self.document.kind} {self.id})"

    @property
    def content(self) -> str:
        return FREEZER.encode(self.document).decode()

    def row(self, branch_id: UUID | None) -> str:
        """The scalars of `fragments.DOCUMENT_NUMBERED`, in JSON."""
        paper = self.document
        values: dict[str, Any] = {
            "id": self.id,
            "kind": paper.kind,
            "environment": paper.environment,
            "range_id": self.numbers.id,
            "prefix": self.numbers.prefix,
            "tail": self.tail,
            "branch_id": branch_id,
            "counterpart_name": paper.counterpart.name,
            "counterpart_identification": paper.counterpart.identification,
            "payable": paper.totals.payable,
            "issued_at": paper.issued_at,
            "qr": self.qr,
            "sweep_at": paper.issued_at + SWEEP_AFTER,
            "job_id": self.job_id,
        }
        return JSON.encode(values).decode()


def kind_for_sale(issuing: Issuing, wanted: str, base: Decimal) -> Kind | None:
    """What a sale of so many pesos before taxes issues: POS up to 5 UVT (Ley 2155 of 2021), invoice above, or as asked.

    Raises 422 `pos-above-limit` when a POS document was asked for and the law does not allow it.
    """
    if wanted == "none":
        return None
    above = base > issuing.pos_limit
    if wanted == "pos":
        if above:
            raise RuleBroken(
                f"El tiquete P.O.S. solo va hasta {issuing.pos_limit} pesos antes de impuestos: expida factura.",
                code="pos-above-limit",
                errors=(FieldError("/document", "pos-above-limit", "Pida factura."),),
                limit=issuing.pos_limit,
            )
        return Kind.POS
    invoice = wanted == "invoice" or issuing.sale_document == "invoice" or above
    if invoice or issuing.numbers(Kind.POS) is None:
        return Kind.INVOICE
    return Kind.POS


def payments_of(methods: Iterable[str]) -> tuple[Payment, ...]:
    """Tenders as a document names them, each once; cash when nothing was owed."""
    means = dict.fromkeys(MEANS[method] for method in methods if method in MEANS)
    return tuple(Payment(means=code) for code in means or {_CASH: None})


def point_of_sale(place: Place | None, cashier: str, sale_code: str) -> PointOfSale:
    """The till of a POS document."""
    where = place or Place("", "", "")
    return PointOfSale(
        plate=where.register,
        location=where.address or where.branch,
        cashier=cashier,
        kind=_TILL,
        sale_code=sale_code,
    )


def draft(
    issuing: Issuing,
    keys: Keys,
    kind: Kind,
    lines: Sequence[Line],
    *,
    at: datetime,
    payments: Sequence[Payment],
    counterpart: Party | None = None,
    place: PointOfSale | None = None,
    correction: Correction | None = None,
    paper: Paper | None = None,
    document_id: UUID | None = None,
    **more: Any,
) -> Draft:
    """Put a document together and ask it every rule that needs no number. Raises `NoNumbers` and `DocumentInvalid`."""
    numbers = find_numbers(issuing, kind)
    document = Document(
        kind=kind,
        environment=issuing.environment,
        number="",
        prefix=numbers.prefix,
        issued_at=at.replace(microsecond=0),
        issuer=issuing.as_issuer(),
        counterpart=counterpart or issuing.as_buyer(),
        software=issuing.as_software(),
        lines=tuple(lines),
        totals=total(lines, more.get("allowances", ())),
        payments=tuple(payments),
        range=numbers.as_frozen(),
        correction=correction,
        paper=paper,
        point_of_sale=place,
        **more,
    )
    check_draft(document, at)
    figures = figures_of(document)
    return Draft(
        id=document_id or uuid7(),
        job_id=uuid7(),
        document=document,
        numbers=numbers,
        tail=uuid_tail(figures, key_of(kind, keys)),
        qr=qr_text(NUMBER_MARK, figures, UUID_MARK),
    )


def find_numbers(issuing: Issuing, kind: Kind) -> Numbers:
    """The range of a kind. Raises `NoNumbers`, also for an invoice whose range has no technical key."""
    numbers = issuing.numbers(NUMBERED_AS.get(kind, kind))
    if numbers is None:
        raise NoNumbers(
            f"No hay numeración vigente para {KINDS[kind].name}: importe o escriba la resolución de la DIAN.", kind=kind
        )
    if KINDS[kind].uses_technical_key and not numbers.technical_key:
        raise NoNumbers(
            f"La numeración {numbers.prefix} no tiene clave técnica: impórtela de la DIAN otra vez.", kind=kind
        )
    return numbers


def check_draft(document: Document, at: datetime) -> None:
    """Raise `DocumentInvalid` for what DIAN would reject."""
    found = blocking(preflight_draft(document, at))
    if found:
        raise DocumentInvalid(
            f"La DIAN rechazaría el documento: {found[0].message}",
            errors=tuple(FieldError(each.field, each.code, each.message) for each in found),
        )
