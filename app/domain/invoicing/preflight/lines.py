"""The lines, one by one."""

from decimal import Decimal
from typing import Final

from app.domain.invoicing.kinds import SUPPORT_KINDS
from app.domain.invoicing.lists import CODE_SCHEMES, PER_UNIT_TAXES, PERCENTS, TAX_NAMES, unit_codes
from app.domain.invoicing.model import Allowance, Line, Tax
from app.domain.invoicing.plain import clean
from app.domain.invoicing.preflight.finding import Findings
from app.lib.money import ZERO, cents, divide, times

TOLERANCE: Final = Decimal("2.00")
"""Pesos that DIAN forgives."""
_AIU: Final = "09"
_AIU_NOTE: Final = "Contrato de servicios AIU por concepto de:"
_HUNDRED: Final = Decimal(100)
_MOST_DECIMALS: Final = 6
_SUPPORT_TAXES: Final = frozenset({"01"})


def check_lines(findings: Findings) -> None:
    document = findings.document
    if not document.lines:
        findings.add("AV01", "/lines", "El documento no tiene líneas.")
    aiu = document.operation_code == _AIU
    for place, line in enumerate(document.lines):
        field, number = f"/lines/{place}", place + 1
        _line(findings, line, field, number)
        for each, tax in enumerate(line.taxes):
            _tax(findings, tax, f"{field}/taxes/{each}", number)
        if len({tax.code for tax in line.taxes}) != len(line.taxes):
            findings.add("AX01", f"{field}/taxes", f"La línea {number} repite un impuesto.")
        if aiu and not line.note.startswith(_AIU_NOTE):
            findings.add("AV03", f"{field}/note", f"La nota de la línea {number} debe comenzar por «{_AIU_NOTE}».")


def _line(findings: Findings, line: Line, field: str, number: int) -> None:
    if not clean(line.description):
        findings.add("AZ02", f"{field}/description", f"La línea {number} no tiene descripción.")
    if not clean(line.code) or line.code_scheme not in CODE_SCHEMES:
        findings.add("AZ09", f"{field}/code", f"La línea {number} no tiene código de producto.")
    if line.unit_code not in unit_codes():
        findings.add(
            "AV05", f"{field}/unitCode", f"La unidad {line.unit_code} de la línea {number} no está en la lista."
        )
    if line.quantity <= 0:
        findings.add("AV04b", f"{field}/quantity", f"La cantidad de la línea {number} debe ser mayor que cero.")
    if line.amount < 0 or line.unit_price < 0:
        findings.add("AV04b", f"{field}/amount", f"La línea {number} tiene un valor negativo.")
    if _too_fine(line.unit_price) or _too_fine(line.quantity):
        findings.add("AV06", field, f"La línea {number} tiene más de {_MOST_DECIMALS} decimales en cantidad o precio.")
    off = sum((each.amount for each in line.allowances if not each.is_charge), start=ZERO)
    on = sum((each.amount for each in line.allowances if each.is_charge), start=ZERO)
    expected = ZERO if line.reference_price is not None else cents(times(line.unit_price, line.quantity)) - off + on
    if abs(expected - line.amount) > TOLERANCE:
        findings.add(
            "AV06",
            f"{field}/amount",
            f"El valor de la línea {number} es {line.amount} y por cantidad, precio y descuentos da {expected}.",
        )
    if line.reference_price is not None and line.reference_price <= 0:
        findings.add("AV06", f"{field}/referencePrice", f"La línea {number}, de regalo, necesita su valor comercial.")
    for place, each in enumerate(line.allowances):
        check_allowance(findings, each, f"{field}/allowances/{place}", "BE01")


def check_allowance(findings: Findings, allowance: Allowance, field: str, rule: str) -> None:
    """A discount or charge that explains itself. Its rule has one letter of its own, `FBE01` or `FAQ01`."""
    called = "cargo" if allowance.is_charge else "descuento"
    if not clean(allowance.reason):
        findings.add(rule, f"{field}/reason", f"Falta el motivo de un {called}.")
    if allowance.amount < 0 or allowance.base < 0:
        findings.add_exactly("VLR01", f"{field}/amount", f"Un {called} no puede ser negativo.")
    if not allowance.is_charge and allowance.amount > allowance.base:
        findings.add(rule, f"{field}/amount", "Un descuento no puede superar lo que se descuenta.")
    if abs(cents(divide(times(allowance.base, allowance.percent), _HUNDRED)) - allowance.amount) > TOLERANCE:
        findings.add(rule, f"{field}/percent", f"El porcentaje de un {called} no da su valor.")


def _tax(findings: Findings, tax: Tax, field: str, number: int) -> None:
    if tax.code not in TAX_NAMES:
        findings.add("AX05", f"{field}/code", f"El impuesto {tax.code} de la línea {number} no está en la lista.")
    elif findings.document.kind in SUPPORT_KINDS and tax.code not in _SUPPORT_TAXES:
        findings.add("AY13", f"{field}/code", "Un documento soporte solo lleva IVA.")
    if tax.amount < 0 or (tax.base is not None and tax.base < 0):
        findings.add_exactly("VLR01", f"{field}/amount", f"Un impuesto de la línea {number} es negativo.")
    if tax.code in PER_UNIT_TAXES:
        if tax.units is None or tax.per_unit is None or tax.base is not None or tax.percent is not None:
            findings.add(
                "AX04", field, f"El impuesto por unidad de la línea {number} lleva unidades y valor, no porcentaje."
            )
        elif abs(cents(times(tax.units, tax.per_unit)) - tax.amount) > TOLERANCE:
            findings.add("AX07", f"{field}/amount", f"El impuesto por unidad de la línea {number} no da su valor.")
        return
    if tax.base is None or tax.percent is None:
        findings.add("AX04", field, f"Un impuesto de la línea {number} no tiene base o tarifa.")
        return
    if f"{tax.percent:.2f}" not in PERCENTS.get(tax.code, {f"{tax.percent:.2f}"}):
        findings.add("AX14", f"{field}/percent", f"La tarifa {tax.percent} % de la línea {number} no existe.")
    if abs(cents(divide(times(tax.base, tax.percent), _HUNDRED)) - tax.amount) > TOLERANCE:
        findings.add("AX07", f"{field}/amount", f"El impuesto de la línea {number} no es base por tarifa.")


def _too_fine(value: Decimal) -> bool:
    exponent = value.normalize().as_tuple().exponent
    return isinstance(exponent, int) and -exponent > _MOST_DECIMALS
