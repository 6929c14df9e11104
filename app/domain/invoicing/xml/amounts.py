"""Taxes, discounts, payments and totals."""

from app.domain.invoicing.lists import TAX_NAMES
from app.domain.invoicing.model import Allowance, Document, Tax, TaxTotal, Totals
from app.domain.invoicing.xml.ubl import Element, decimals, group, put, put_amount, put_exactly


def put_line_taxes(parent: Element, taxes: tuple[Tax, ...], currency: str) -> None:
    """Append the taxes of one line, a group each."""
    for tax in taxes:
        total = group(parent, "cac:TaxTotal")
        put_amount(total, "cbc:TaxAmount", tax.amount, currency)
        _rate(total, tax, currency)


def put_taxes(parent: Element, totals: tuple[TaxTotal, ...], currency: str, name: str = "cac:TaxTotal") -> None:
    """Append the document's taxes, or its withholdings: a group for each code, an entry for each rate."""
    for tax in totals:
        total = group(parent, name)
        put_amount(total, "cbc:TaxAmount", tax.amount, currency)
        for rate in tax.rates:
            _rate(total, rate, currency)


def _rate(total: Element, tax: Tax, currency: str) -> None:
    subtotal = group(total, "cac:TaxSubtotal")
    if tax.base is not None:
        put_amount(subtotal, "cbc:TaxableAmount", tax.base, currency)
    put_amount(subtotal, "cbc:TaxAmount", tax.amount, currency)
    if tax.per_unit is not None and tax.units is not None:
        put_exactly(subtotal, "cbc:BaseUnitMeasure", decimals(tax.units, 2), {"unitCode": tax.unit_code})
        put_amount(subtotal, "cbc:PerUnitAmount", tax.per_unit, currency)
    category = group(subtotal, "cac:TaxCategory")
    if tax.percent is not None:
        put_exactly(category, "cbc:Percent", decimals(tax.percent, 2))
    scheme = group(category, "cac:TaxScheme")
    put_exactly(scheme, "cbc:ID", tax.code)
    put_exactly(scheme, "cbc:Name", TAX_NAMES[tax.code])


def put_allowances(parent: Element, allowances: tuple[Allowance, ...], currency: str) -> None:
    """Append discounts and charges, numbered."""
    for number, each in enumerate(allowances, start=1):
        allowance = group(parent, "cac:AllowanceCharge")
        put_exactly(allowance, "cbc:ID", str(number))
        put_exactly(allowance, "cbc:ChargeIndicator", "true" if each.is_charge else "false")
        if each.reason_code:
            put(allowance, "cbc:AllowanceChargeReasonCode", each.reason_code)
        put(allowance, "cbc:AllowanceChargeReason", each.reason)
        put_exactly(allowance, "cbc:MultiplierFactorNumeric", decimals(each.percent, 2))
        put_amount(allowance, "cbc:Amount", each.amount, currency)
        put_amount(allowance, "cbc:BaseAmount", each.base, currency)


def put_prepaid(parent: Element, document: Document) -> None:
    """Append what was paid before, when anything was."""
    if document.totals.prepaid:
        prepaid = group(parent, "cac:PrepaidPayment")
        put_exactly(prepaid, "cbc:ID", "1")
        put_amount(prepaid, "cbc:PaidAmount", document.totals.prepaid, document.currency)
        put_exactly(prepaid, "cbc:ReceivedDate", document.issue_date)


def put_payments(parent: Element, document: Document) -> None:
    """Append how it is paid."""
    for each in document.payments:
        means = group(parent, "cac:PaymentMeans")
        put_exactly(means, "cbc:ID", each.form)
        put(means, "cbc:PaymentMeansCode", each.means)
        if each.due_on is not None:
            put_exactly(means, "cbc:PaymentDueDate", each.due_on.isoformat())
        if each.reference:
            put(means, "cbc:PaymentID", each.reference)


def put_totals(parent: Element, totals: Totals, currency: str, name: str) -> None:
    """Append the monetary total, which a debit note calls differently."""
    total = group(parent, name)
    put_amount(total, "cbc:LineExtensionAmount", totals.lines, currency)
    put_amount(total, "cbc:TaxExclusiveAmount", totals.taxable, currency)
    put_amount(total, "cbc:TaxInclusiveAmount", totals.taxed, currency)
    if totals.allowances:
        put_amount(total, "cbc:AllowanceTotalAmount", totals.allowances, currency)
    if totals.charges:
        put_amount(total, "cbc:ChargeTotalAmount", totals.charges, currency)
    if totals.prepaid:
        put_amount(total, "cbc:PrepaidAmount", totals.prepaid, currency)
    put_amount(total, "cbc:PayableAmount", totals.payable, currency)
