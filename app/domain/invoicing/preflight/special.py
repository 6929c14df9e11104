"""What only some kinds have: corrections, the point of sale, the paper of a contingency; and how it is paid."""

import re
from typing import Final

from app.domain.invoicing.kinds import ANNULMENT, CONCEPTS, PAPER_KINDS, POS_KINDS, WITHOUT_REFERENCE, Kind
from app.domain.invoicing.lists import PAPER_TYPES, payment_means
from app.domain.invoicing.model import Reference
from app.domain.invoicing.plain import clean
from app.domain.invoicing.preflight.finding import Findings

_UUID: Final = re.compile(r"[0-9a-f]{96}")
_CREDIT: Final = "2"
_WITH_REFERENCE: Final = "20"
_POS_FIELDS: Final = {
    "plate": "la placa de la caja",
    "location": "la ubicación de la caja",
    "cashier": "el nombre del cajero",
    "kind": "el tipo de caja",
    "sale_code": "el código de la venta",
}
_POINTERS: Final = {"sale_code": "saleCode", "maker_person": "makerPerson"}
_MAKER_FIELDS: Final = {
    "maker_person": "el nombre del responsable del software",
    "maker": "la razón social del fabricante del software",
    "name": "el nombre del software",
}


def check_correction(findings: Findings) -> None:
    document = findings.document
    correction = document.correction
    if not document.fixed.is_note:
        if correction is not None:
            findings.add_exactly("ZB01", "/correction", "Solo las notas corrigen otro documento.")
        return
    if correction is None:
        findings.add("BF01", "/correction", "Falta decir qué documento corrige la nota y por qué.")
        return
    if correction.concept not in CONCEPTS[document.kind]:
        findings.add("BF03", "/correction/concept", "El motivo de la nota no está en la lista.")
    operation = document.operation_code
    if document.kind is Kind.CREDIT_NOTE and correction.concept == ANNULMENT and operation != _WITH_REFERENCE:
        findings.add("AD02a", "/operation", "Una anulación debe nombrar la factura que anula.")
    if operation in WITHOUT_REFERENCE:
        if correction.reference is not None:
            findings.add("BF03a", "/correction/reference", "Una nota sin referencia no nombra ninguna factura.")
        if correction.period is None or correction.period[0] > correction.period[1]:
            findings.add("AE01", "/correction/period", "Una nota sin referencia necesita el período que corrige.")
    elif correction.reference is None:
        findings.add("BG02", "/correction/reference", "Falta el documento que corrige la nota.")
    else:
        _reference(findings, correction.reference)


def _reference(findings: Findings, reference: Reference) -> None:
    document = findings.document
    if reference.kind not in document.fixed.corrects:
        findings.add("BG02", "/correction/reference/kind", "Esta clase de nota no corrige ese documento.")
    if not reference.number or not _UUID.fullmatch(reference.uuid):
        findings.add(
            "BG04a", "/correction/reference/uuid", "Falta el código CUFE, CUDE o CUDS del documento que se corrige."
        )
    if reference.issued_on > document.local_time.date():
        findings.add("BG06", "/correction/reference/issuedOn", "El documento que se corrige es posterior a la nota.")


def check_special(findings: Findings) -> None:
    document = findings.document
    if document.kind in PAPER_KINDS:
        paper = document.paper
        if paper is None or not paper.number or paper.type_code not in PAPER_TYPES:
            findings.add("AI01", "/paper", "Falta el número y la fecha del documento en papel que se transcribe.")
        elif paper.issued_on > document.local_time.date():
            findings.add("AI01", "/paper/issuedOn", "El documento en papel no puede ser posterior al electrónico.")
    if document.kind not in POS_KINDS:
        return
    place = document.point_of_sale
    if place is None:
        findings.add_exactly("DEPD21", "/pointOfSale", "Faltan los datos de la caja en el documento POS.")
    else:
        for name, called in _POS_FIELDS.items():
            if not clean(getattr(place, name)):
                findings.add_exactly("DEPD21", f"/pointOfSale/{_POINTERS.get(name, name)}", f"Falta {called}.")
    for name, called in _MAKER_FIELDS.items():
        if not clean(getattr(document.software, name)):
            findings.add_exactly(
                "DEPD11", f"/software/{_POINTERS.get(name, name)}", f"Falta {called}, que todo documento POS lleva."
            )


def check_payments(findings: Findings) -> None:
    document = findings.document
    if not document.payments:
        findings.add("AN01", "/payments", "Falta la forma de pago.")
    for place, payment in enumerate(document.payments):
        field = f"/payments/{place}"
        if payment.form not in {"1", "2"}:
            findings.add("AN02", f"{field}/form", "La forma de pago es contado o crédito.")
        if payment.means not in payment_means():
            findings.add("AN03", f"{field}/means", f"El medio de pago {payment.means} no está en la lista.")
        if payment.form == _CREDIT and (payment.due_on is None or payment.due_on < document.local_time.date()):
            findings.add(
                "AN04",
                f"{field}/dueOn",
                "Un pago a crédito necesita su fecha de vencimiento, no anterior al documento.",
            )
