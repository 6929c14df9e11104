"""The document's sums: each of them recomputed from the lines."""

from decimal import Decimal

from app.domain.invoicing.model import TaxTotal
from app.domain.invoicing.preflight.finding import Findings
from app.domain.invoicing.preflight.lines import TOLERANCE, check_allowance
from app.domain.invoicing.totals import add_taxes, total
from app.lib.money import ZERO, cents, divide, times


def check_amounts(findings: Findings) -> None:
    document = findings.document
    given, sums = document.totals, total(document.lines, document.allowances)
    for rule, name, message in (
        ("AU02", "lines", "El valor antes de impuestos no es la suma de las líneas."),
        ("AU04", "taxable", "La base gravable no es la suma de las bases de las líneas."),
        ("AU06", "taxed", "El valor con impuestos no es el valor antes de impuestos más los impuestos."),
        ("AU08", "allowances", "El total de descuentos no es la suma de los descuentos del documento."),
        ("AU10", "charges", "El total de cargos no es la suma de los cargos del documento."),
        ("AU14", "payable", "El total no es el valor con impuestos menos descuentos más cargos."),
    ):
        value: Decimal = getattr(given, name)
        if abs(value - getattr(sums, name)) > TOLERANCE:
            findings.add(rule, f"/totals/{name}", message)
        if value < 0:
            findings.add_exactly("VLR01", f"/totals/{name}", "Ningún total puede ser negativo.")
    _taxes(findings, given.taxes)
    for place, each in enumerate(document.allowances):
        check_allowance(findings, each, f"/allowances/{place}", "AQ01")


def _taxes(findings: Findings, taxes: tuple[TaxTotal, ...]) -> None:
    document = findings.document
    expected = {each.code: each for each in add_taxes([tax for line in document.lines for tax in line.taxes])}
    codes = [each.code for each in taxes]
    if len(set(codes)) != len(codes) or set(codes) != set(expected):
        findings.add("AS01b", "/totals/taxes", "Debe haber un total por cada impuesto de las líneas, y uno solo.")
        return
    for place, each in enumerate(taxes):
        field = f"/totals/taxes/{place}"
        if abs(each.amount - expected[each.code].amount) > TOLERANCE:
            findings.add("AU06", f"{field}/amount", "El total de un impuesto no es la suma de las líneas.")
        if abs(each.amount - sum((rate.amount for rate in each.rates), start=ZERO)) > TOLERANCE:
            findings.add("AS02", f"{field}/amount", "El total de un impuesto no es la suma de sus tarifas.")
        rates = {(rate.percent, rate.per_unit) for rate in each.rates}
        if len(rates) != len(each.rates) or rates != {
            (rate.percent, rate.per_unit) for rate in expected[each.code].rates
        }:
            findings.add("AS04", f"{field}/rates", "Debe haber un grupo por cada tarifa de un impuesto, y uno solo.")
        for rate in each.rates:
            if (
                rate.base is not None
                and rate.percent is not None
                and abs(cents(divide(times(rate.base, rate.percent), Decimal(100))) - rate.amount) > TOLERANCE
            ):
                findings.add("AS07", f"{field}/amount", "El total de un impuesto no es base por tarifa.")
