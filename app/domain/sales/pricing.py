"""Arithmetic of a ticket: plain functions on exact decimals, no database, no clock.

Shelf prices include tax. A line's total is cents(price × quantity) less its discounts; its base is
cents((total − nominal tax) / (1 + rate)) and its tax is the rest, so bases and taxes add up to what the customer pays.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_DOWN, Decimal
from typing import Final

import msgspec

from app.lib.errors import FieldError, RuleBroken
from app.lib.money import ZERO, cents, divide, spread, times

_MANY: Final = 50
"""Lines up to which rounding cannot drift as far as `_DRIFT`: less than a cent each."""
_DRIFT: Final = Decimal(1)
"""Pesos: half of what DIAN tolerates in a total."""


class LineToPrice(msgspec.Struct, frozen=True):
    """What the price of a line depends on."""

    quantity: Decimal
    """Sold units."""
    base_units: Decimal
    """Units of the product's base unit of measure: what stock and nominal taxes count."""
    unit_price: Decimal
    discount: Decimal
    rate: Decimal
    nominal: Decimal
    """Pesos of tax for one base unit."""


class PricedLine(msgspec.Struct, frozen=True):
    """Pesos of a line, to the cent."""

    discount: Decimal
    base: Decimal
    tax: Decimal
    nominal_tax: Decimal
    total: Decimal


class Settled(msgspec.Struct, frozen=True):
    """How a ticket is paid."""

    change: Decimal
    rounding: Decimal
    """Tender that closes the gap between the total and the rounded cash."""
    tenders: dict[str, Decimal]
    """Net pesos by method; the cash without its change."""


def price_lines(lines: Sequence[LineToPrice], ticket_discount: Decimal) -> list[PricedLine]:
    """Price a ticket's lines. Raises 422 when a discount exceeds what it is taken from, or a nominal tax is not covered."""
    gross = [cents(times(line.unit_price, line.quantity)) for line in lines]
    totals = [pesos - line.discount for pesos, line in zip(gross, lines, strict=True)]
    for number, total in enumerate(totals):
        if total < 0:
            raise _discount_too_large(f"/lines/{number}/discount")
    if ticket_discount:
        if ticket_discount > sum(totals, start=ZERO):
            raise _discount_too_large("/discount")
        totals = [total - part for total, part in zip(totals, spread(ticket_discount, totals), strict=True)]
    return _even(
        lines,
        [
            _split(number, line, pesos, total)
            for number, (line, pesos, total) in enumerate(zip(lines, gross, totals, strict=True))
        ],
    )


def _even(lines: Sequence[LineToPrice], priced: list[PricedLine]) -> list[PricedLine]:
    """The same lines, unless the cents rounded off bases of one rate add up: DIAN takes tax = base × rate of their sum (AS07).

    Then each base is rounded so that the sum up to its line is right: no line moves by more than a cent.
    """
    if len(priced) <= _MANY:
        return priced
    for rate in {line.rate for line in lines if line.rate}:
        places = [place for place, line in enumerate(lines) if line.rate == rate]
        base = sum((priced[place].base for place in places), start=ZERO)
        tax = sum((priced[place].tax - priced[place].nominal_tax for place in places), start=ZERO)
        if abs(times(base, rate) - tax) <= _DRIFT:
            continue
        taxed = given = ZERO
        for place in places:
            line = priced[place]
            taxed += line.total - line.nominal_tax
            upto = cents(divide(taxed, 1 + rate))
            priced[place] = msgspec.structs.replace(line, base=upto - given, tax=line.total - (upto - given))
            given = upto
    return priced


def _split(number: int, line: LineToPrice, gross: Decimal, total: Decimal) -> PricedLine:
    nominal = cents(times(line.base_units, line.nominal)) if line.nominal else ZERO
    if nominal > total:
        raise RuleBroken(
            "El precio no alcanza a cubrir el impuesto por unidad.",
            code="below-nominal-tax",
            errors=(FieldError(f"/lines/{number}", "below-nominal-tax", f"El impuesto es de {nominal} pesos."),),
        )
    base = cents(divide(total - nominal, 1 + line.rate)) if line.rate else total - nominal
    return PricedLine(discount=gross - total, base=base, tax=total - base, nominal_tax=nominal, total=total)


def settle(total: Decimal, payments: Sequence[tuple[str, Decimal]], cash_rounding: int) -> Settled:
    """Match what was handed over with the total.

    Raises 422 `tender-not-enabled` for credit, `overpaid` when other tenders than cash exceed the total, and
    `payment-short` when it is not covered. Cash is rounded to `cash_rounding` pesos, a tie in the buyer's favour.
    """
    tenders: dict[str, Decimal] = {}
    for number, (method, amount) in enumerate(payments):
        if method == "credit":
            raise RuleBroken(
                "Las ventas a crédito todavía no están disponibles.",
                code="tender-not-enabled",
                errors=(FieldError(f"/payments/{number}/method", "tender-not-enabled", "No está disponible."),),
            )
        tenders[method] = tenders.get(method, ZERO) + amount
    handed = tenders.pop("cash", ZERO)
    due = total - sum(tenders.values(), start=ZERO)
    if due < 0:
        raise RuleBroken("Los pagos distintos de efectivo superan el total.", code="overpaid", total=total, excess=-due)
    owed = round_cash(due, cash_rounding) if handed else due
    if handed < owed:
        raise RuleBroken(
            f"Faltan {owed - handed} pesos por pagar.", code="payment-short", total=total, missing=owed - handed
        )
    if owed:
        tenders["cash"] = owed
    if due != owed:
        tenders["rounding"] = due - owed
    return Settled(change=handed - owed, rounding=due - owed, tenders=tenders)


def round_cash(due: Decimal, step: int) -> Decimal:
    """Pesos of cash for what is due, to the nearest `step`; a tie goes to the smaller amount. 0 rounds nothing."""
    if not step:
        return due
    return cents((due / step).quantize(Decimal(1), rounding=ROUND_HALF_DOWN) * step)


def _discount_too_large(pointer: str) -> RuleBroken:
    return RuleBroken(
        "El descuento es mayor que el valor.",
        code="discount-too-large",
        errors=(FieldError(pointer, "discount-too-large", "No puede superar lo que se cobra."),),
    )
