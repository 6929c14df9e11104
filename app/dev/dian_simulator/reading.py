"""A received document, as far as the rules ask for it."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml import etree

NAMES: Final = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "ext": "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2",
    "sts": "dian:gov:co:facturaelectronica:Structures-2-1",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xades": "http://uri.etsi.org/01903/v1.3.2#",
}
_LETTERS: Final = {
    "01": "F", "02": "F", "03": "F", "04": "F", "05": "DS", "08": "DE", "20": "DE",
    "91": "C", "92": "D", "93": "NAD", "94": "NA", "95": "NS", "96": "A",
}  # fmt: skip
ZERO: Final = Decimal(0)


class Node:
    """An element read by paths with prefixes; what is not there reads as nothing."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    def text(self, path: str) -> str:
        return self.element.findtext(path, "", NAMES).strip() if path else (self.element.text or "").strip()

    def exact(self, path: str) -> str:
        return self.element.findtext(path, "", NAMES)

    def attribute(self, path: str, name: str) -> str:
        found = self.element.find(path, NAMES)
        return "" if found is None else found.get(name, "")

    def has(self, path: str) -> bool:
        return self.element.find(path, NAMES) is not None

    def amount(self, path: str) -> Decimal:
        return number(self.text(path))

    def each(self, path: str) -> Iterator["Node"]:
        return (Node(found) for found in self.element.iterfind(path, NAMES))

    def sum(self, path: str) -> Decimal:
        return sum((number(found.text("")) for found in self.each(path)), start=ZERO)


class Paper(Node):
    """The whole document."""

    def __init__(self, element: etree._Element) -> None:
        super().__init__(element)
        self.root_name = etree.QName(element).localname
        self.kind = self._kind()
        self.letters = _LETTERS.get(self.kind, "F")
        self.number = self.exact("cbc:ID")
        self.uuid = self.text("cbc:UUID")
        self.is_support = self.kind in {"05", "95"}
        supplier = "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID"
        customer = "cac:AccountingCustomerParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID"
        self.supplier, self.customer = self.text(supplier), self.text(customer)
        self.issuer = self.customer if self.is_support else self.supplier
        if self.kind == "96":
            self.issuer = self.text("cac:SenderParty/cac:PartyTaxScheme/cbc:CompanyID")
        self.total = "cac:RequestedMonetaryTotal" if self.root_name == "DebitNote" else "cac:LegalMonetaryTotal"
        self.line_name = {"CreditNote": "cac:CreditNoteLine", "DebitNote": "cac:DebitNoteLine"}.get(
            self.root_name, "cac:InvoiceLine"
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """What DIAN tells two documents apart by: issuer, group of types, number."""
        return self.issuer, "01" if self.kind in {"01", "02", "04"} else self.kind, self.number

    def lines(self) -> list[Node]:
        return list(self.each(self.line_name))

    def _kind(self) -> str:
        if self.root_name == "ApplicationResponse":
            return "96"
        if self.root_name == "DebitNote":
            return "93" if "equivalente" in self.text("cbc:ProfileID") else "92"
        return self.text("cbc:InvoiceTypeCode") or self.text("cbc:CreditNoteTypeCode")


def number(text: str) -> Decimal:
    """A decimal, or 0 for what is none: the schema has refused it before."""
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return ZERO


def parse(xml: bytes) -> etree._Element:
    """Read XML without entities or network. Raises `etree.XMLSyntaxError`."""
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
