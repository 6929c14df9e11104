"""Arithmetic of a document: lines to taxes to totals (Anexo técnico FEV 1.9, groups FAU, FAS, FAX), nothing rounded twice.

Lines come rounded to the cent; everything here only adds. The law's percentages are written `19.00`; a ticket's rates are `0.19`.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from app.domain.invoicing.model import Allowance, Frozen, Line, Tax, TaxTotal, Totals
from app.lib.money import ZERO, cents, divide, times

SIX: Final = Decimal("0.000001")
HUNDRED: Final = Decimal(100)
FIRST_TAXES: Final = ("01", "04", "03")
"""DIAN's own reader takes the first groups by their place: IVA, INC, ICA, then the others."""
DISCOUNT: Final = "Descuento comercial"


class SoldLine(Frozen, frozen=True, kw_only=True):
    """A line of a ticket or of a return, taxes included, as the counter keeps it."""

    code: str
    description: str
    unit_code: str
    quantity: Decimal
    discount: Decimal
    """Pesos less, taxes included."""
    total: Decimal
    """Pesos the customer paid, or got back."""
    base: Decimal
    nominal_tax: Decimal = ZERO
    rate: Decimal = Decimal(0)
    """0.19 for 19 %."""
    tribute: str | None = None
    """DIAN's code of the percentage tax; none when the good is excluded."""
    nominal_tribute: str | None = None
    """DIAN's code of the tax of pesos per unit."""
    nominal_units: Decimal = ZERO
    """Units that carry the nominal tax."""


def line_of(sold: SoldLine, *, note: str = "", code_scheme: str = "999") -> Line:
    """The line as the law writes it: price and discount without taxes, and one tax apart from the other.

    Price × quantity − discount gives the line's base to the cent as long as a unit price of six decimals can say it.
    """
    nominal = sold.nominal_tax
    before = sold.base
    if sold.discount:
        gross = sold.total + sold.discount
        before = max(cents(divide(gross - nominal, 1 + sold.rate)), sold.base)
    off = before - sold.base
    taxes: list[Tax] = []
    if sold.tribute is not None:
        percent = cents(times(sold.rate, HUNDRED))
        taxes.append(Tax(code=sold.tribute, percent=percent, base=sold.base, amount=sold.total - sold.base - nominal))
    if sold.nominal_tribute is not None and nominal:
        units = sold.nominal_units or sold.quantity
        taxes.append(
            Tax(code=sold.nominal_tribute, amount=nominal, units=units, per_unit=cents(divide(nominal, units)))
        )
    return Line(
        code=sold.code,
        description=sold.description,
        quantity=sold.quantity,
        unit_code=sold.unit_code,
        unit_price=divide(before, sold.quantity).quantize(SIX, rounding=ROUND_HALF_EVEN),
        amount=sold.base,
        code_scheme=code_scheme,
        allowances=(allowance(off, before, DISCOUNT),) if off else (),
        taxes=tuple(taxes),
        note=note,
    )


def allowance(amount: Decimal, base: Decimal, reason: str, *, is_charge: bool = False, code: str = "") -> Allowance:
    """A discount or a charge of so many pesos, with the percentage that explains it."""
    percent = divide(times(amount, HUNDRED), base).quantize(SIX, rounding=ROUND_HALF_EVEN) if base else Decimal("0.00")
    return Allowance(amount=amount, base=base, percent=percent, reason=reason, is_charge=is_charge, reason_code=code)


def total(
    lines: Sequence[Line],
    allowances: Iterable[Allowance] = (),
    *,
    prepaid: Decimal = ZERO,
    withholdings: Sequence[Tax] = (),
) -> Totals:
    """Add a document up. The document's own allowances change what is paid, never what is taxed."""
    net = sum((line.amount for line in lines), start=ZERO)
    taxes = add_taxes([tax for line in lines for tax in line.taxes])
    taxed = net + sum((each.amount for each in taxes), start=ZERO)
    off = sum((each.amount for each in allowances if not each.is_charge), start=ZERO)
    on = sum((each.amount for each in allowances if each.is_charge), start=ZERO)
    return Totals(
        lines=net,
        taxable=sum((tax.base for line in lines for tax in line.taxes if tax.base is not None), start=ZERO),
        taxed=taxed,
        allowances=off,
        charges=on,
        prepaid=prepaid,
        payable=taxed - off + on,
        taxes=taxes,
        withholdings=add_taxes(withholdings),
    )


def add_taxes(taxes: Sequence[Tax]) -> tuple[TaxTotal, ...]:
    """One group a tax code, one entry a rate, in the order DIAN reads them."""
    groups: dict[str, dict[tuple[Decimal | None, Decimal | None, str], Tax]] = {}
    for tax in taxes:
        rates = groups.setdefault(tax.code, {})
        rate = (tax.percent, tax.per_unit, tax.unit_code)
        so_far = rates.get(rate)
        rates[rate] = tax if so_far is None else _plus(so_far, tax)
    ordered = sorted(groups, key=lambda code: (FIRST_TAXES.index(code) if code in FIRST_TAXES else 9, code))
    return tuple(
        TaxTotal(
            code=code,
            amount=sum((tax.amount for tax in groups[code].values()), start=ZERO),
            rates=tuple(groups[code].values()),
        )
        for code in ordered
    )


def _plus(one: Tax, other: Tax) -> Tax:
    return Tax(
        code=one.code,
        amount=one.amount + other.amount,
        percent=one.percent,
        base=None if one.base is None or other.base is None else one.base + other.base,
        units=None if one.units is None or other.units is None else one.units + other.units,
        per_unit=one.per_unit,
        unit_code=one.unit_code,
    )
