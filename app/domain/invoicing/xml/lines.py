"""The lines: same content, three shapes."""

from typing import Final

from app.domain.invoicing.kinds import Kind, Root
from app.domain.invoicing.model import Document, Line
from app.domain.invoicing.xml.amounts import put_allowances, put_line_taxes
from app.domain.invoicing.xml.ubl import Element, decimals, group, put, put_amount, put_exactly

_NAMES: Final[dict[Root, tuple[str, str]]] = {
    "Invoice": ("cac:InvoiceLine", "cbc:InvoicedQuantity"),
    "CreditNote": ("cac:CreditNoteLine", "cbc:CreditedQuantity"),
    "DebitNote": ("cac:DebitNoteLine", "cbc:DebitedQuantity"),
}
_SCHEMES: Final = {
    "001": "UNSPSC",
    "010": "GTIN",
    "020": "Partida Arancelaria",
    "999": "Estándar de adopción del contribuyente",
}
_COMMERCIAL_VALUE: Final = "01"
_BY_OPERATION: Final = ("1", "Por operación")


def put_lines(root: Element, document: Document) -> None:
    """Append every line, numbered from 1."""
    kind, currency = document.fixed.root, document.currency
    line_name, quantity_name = _NAMES[kind]
    dated = document.kind is Kind.SUPPORT
    for number, line in enumerate(document.lines, start=1):
        element = group(root, line_name)
        put_exactly(element, "cbc:ID", str(number))
        if line.note:
            put(element, "cbc:Note", line.note)
        quantity, unit = decimals(line.quantity, 0), {"unitCode": line.unit_code}
        put_exactly(element, quantity_name, quantity, unit)
        put_amount(element, "cbc:LineExtensionAmount", line.amount, currency)
        if kind != "DebitNote":
            put_exactly(element, "cbc:FreeOfChargeIndicator", "false" if line.reference_price is None else "true")
        if dated:
            period = group(element, "cac:InvoicePeriod")
            bought_on = document.issue_date if line.bought_on is None else line.bought_on.isoformat()
            put_exactly(period, "cbc:StartDate", bought_on)
            put_exactly(period, "cbc:DescriptionCode", _BY_OPERATION[0])
            put_exactly(period, "cbc:Description", _BY_OPERATION[1])
        if line.reference_price is not None:
            price = group(group(element, "cac:PricingReference"), "cac:AlternativeConditionPrice")
            put_amount(price, "cbc:PriceAmount", line.reference_price, currency)
            put_exactly(price, "cbc:PriceTypeCode", _COMMERCIAL_VALUE)
        if kind == "Invoice":
            put_allowances(element, line.allowances, currency)
            put_line_taxes(element, line.taxes, currency)
        else:
            put_line_taxes(element, line.taxes, currency)
            put_allowances(element, line.allowances, currency)
        _item(element, line)
        price = group(element, "cac:Price")
        put_amount(price, "cbc:PriceAmount", line.unit_price, currency)
        put_exactly(price, "cbc:BaseQuantity", quantity, unit)


def _item(element: Element, line: Line) -> None:
    item = group(element, "cac:Item")
    put(item, "cbc:Description", line.description)
    if line.brand:
        put(item, "cbc:BrandName", line.brand)
    if line.model:
        put(item, "cbc:ModelName", line.model)
    scheme = {"schemeID": line.code_scheme, "schemeName": _SCHEMES[line.code_scheme]}
    put(group(item, "cac:StandardItemIdentification"), "cbc:ID", line.code, scheme)
