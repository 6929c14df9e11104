"""A whole document: invoice, note or documento soporte, ready for its signature."""

from typing import Final, NamedTuple

from app.domain.invoicing.kinds import CONCEPTS, KINDS, POS_KINDS, SUPPORT_KINDS, Kind
from app.domain.invoicing.model import Document, Identity
from app.domain.invoicing.xml.amounts import put_allowances, put_payments, put_prepaid, put_taxes, put_totals
from app.domain.invoicing.xml.extensions import put_extensions
from app.domain.invoicing.xml.lines import put_lines
from app.domain.invoicing.xml.parties import put_parties
from app.domain.invoicing.xml.ubl import AGENCY, Element, group, new_root, put, put_exactly

UBL: Final = "UBL 2.1"
_POS_NAME: Final = "Factura tipo punto de venta POS"


class Built(NamedTuple):
    """An unsigned document."""

    root: Element
    place: Element
    """Empty: where the signature goes."""


def build(document: Document, identity: Identity, *, says_empty_prefix: bool = False) -> Built:
    """The document's XML. Nothing in it depends on anything but the two frozen copies and the installation's choice.

    `says_empty_prefix`: a range without prefix has an empty element for it.
    """
    root = new_root(document.fixed.root)
    place = put_extensions(root, document, identity, says_empty_prefix=says_empty_prefix)
    _head(root, document, identity)
    _references(root, document)
    put_parties(root, document)
    _middle(root, document)
    if document.fixed.root == "DebitNote":
        put_totals(root, document.totals, document.currency, "cac:RequestedMonetaryTotal")
    else:
        put_totals(root, document.totals, document.currency, "cac:LegalMonetaryTotal")
    put_lines(root, document)
    return Built(root, place)


def _head(root: Element, document: Document, identity: Identity) -> None:
    fixed = document.fixed
    put_exactly(root, "cbc:UBLVersionID", UBL)
    put_exactly(root, "cbc:CustomizationID", document.operation_code)
    put_exactly(root, "cbc:ProfileID", fixed.profile)
    put_exactly(root, "cbc:ProfileExecutionID", document.environment)
    put_exactly(root, "cbc:ID", document.number)
    put_exactly(
        root, "cbc:UUID", identity.uuid, {"schemeID": document.environment, "schemeName": fixed.scheme, **AGENCY}
    )
    put_exactly(root, "cbc:IssueDate", document.issue_date)
    put_exactly(root, "cbc:IssueTime", document.issue_time)
    if fixed.root == "Invoice":
        due = next((payment.due_on for payment in document.payments if payment.due_on is not None), None)
        if due is not None and document.kind not in SUPPORT_KINDS:
            put_exactly(root, "cbc:DueDate", due.isoformat())
        name = {"name": _POS_NAME} if document.kind in POS_KINDS else None
        put_exactly(root, "cbc:InvoiceTypeCode", document.kind.value, name)
    elif fixed.root == "CreditNote":
        put_exactly(root, "cbc:CreditNoteTypeCode", document.kind.value)
    for note in document.notes:
        put(root, "cbc:Note", note)
    put_exactly(root, "cbc:DocumentCurrencyCode", document.currency)
    put_exactly(root, "cbc:LineCountNumeric", str(len(document.lines)))


def _references(root: Element, document: Document) -> None:
    correction = document.correction
    if correction is not None:
        if correction.period is not None:
            period = group(root, "cac:InvoicePeriod")
            put_exactly(period, "cbc:StartDate", correction.period[0].isoformat())
            put_exactly(period, "cbc:EndDate", correction.period[1].isoformat())
        response = group(root, "cac:DiscrepancyResponse")
        if correction.reference is not None:
            put_exactly(response, "cbc:ReferenceID", correction.reference.number)
        put(response, "cbc:ResponseCode", correction.concept)
        concept = CONCEPTS.get(document.kind, {}).get(correction.concept, "")
        put(response, "cbc:Description", correction.description or concept)
    if document.order:
        put(group(root, "cac:OrderReference"), "cbc:ID", document.order)
    if correction is not None and correction.reference is not None:
        reference = group(group(root, "cac:BillingReference"), "cac:InvoiceDocumentReference")
        put_exactly(reference, "cbc:ID", correction.reference.number)
        scheme = KINDS[correction.reference.kind].scheme
        put_exactly(reference, "cbc:UUID", correction.reference.uuid, {"schemeName": scheme})
        put_exactly(reference, "cbc:IssueDate", correction.reference.issued_on.isoformat())
        if correction.reference.kind in POS_KINDS:
            put_exactly(reference, "cbc:DocumentTypeCode", correction.reference.kind.value)
    if document.paper is not None:
        reference = group(root, "cac:AdditionalDocumentReference")
        put(reference, "cbc:ID", document.paper.number)
        put_exactly(reference, "cbc:IssueDate", document.paper.issued_on.isoformat())
        put(reference, "cbc:DocumentTypeCode", document.paper.type_code)


def _middle(root: Element, document: Document) -> None:
    """Delivery, payments, allowances and taxes: the same groups, in three orders."""
    currency, totals = document.currency, document.totals
    match document.fixed.root:
        case "Invoice":
            _delivery(root, document)
            put_payments(root, document)
            put_prepaid(root, document)
            put_allowances(root, document.allowances, currency)
            put_taxes(root, totals.taxes, currency)
            put_taxes(root, totals.withholdings, currency, "cac:WithholdingTaxTotal")
        case "CreditNote":
            put_payments(root, document)
            put_allowances(root, document.allowances, currency)
            put_taxes(root, totals.taxes, currency)
        case "DebitNote":
            put_prepaid(root, document)
            put_allowances(root, document.allowances, currency)
            put_payments(root, document)
            put_taxes(root, totals.taxes, currency)


def _delivery(root: Element, document: Document) -> None:
    if document.kind is not Kind.EXPORT or document.delivery is None:
        return
    terms = group(root, "cac:DeliveryTerms")
    put_exactly(terms, "cbc:ID", "1")
    if document.delivery.note:
        put(terms, "cbc:SpecialTerms", document.delivery.note)
    put(terms, "cbc:LossRiskResponsibilityCode", document.delivery.incoterm)
