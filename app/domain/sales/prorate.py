"""What a part of a line is worth: pesos prorated by what has come back so far, the last piece takes the remainder."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from app.lib.money import share


class Portion(msgspec.Struct, frozen=True):
    """Pesos of the units that come back."""

    quantity: Decimal
    total: Decimal
    base: Decimal
    nominal_tax: Decimal
    cost: Decimal

    @property
    def tax(self) -> Decimal:
        return self.total - self.base


class Remaining(msgspec.Struct, frozen=True):
    """A sold line and what of it has not come back."""

    sold: Decimal
    total: Decimal
    base: Decimal
    nominal_tax: Decimal
    cost: Decimal
    left: Portion

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> "Remaining":
        """Of a row with the line's figures and, as `left_…`, what remains of each."""
        return cls(
            sold=line["sold"],
            total=line["total"],
            base=line["base"],
            nominal_tax=line["nominal_tax"],
            cost=line["cost"],
            left=Portion(
                quantity=line["left_quantity"],
                total=line["left_total"],
                base=line["left_base"],
                nominal_tax=line["left_nominal_tax"],
                cost=line["left_cost"],
            ),
        )


def prorate(line: Remaining, quantity: Decimal) -> Portion:
    """Pesos of `quantity` units, at most what is left.

    Each figure is cents(whole × returned so far ÷ sold) less what was given back before, so that pieces never drift and
    add up to the whole. Base and tax stay within what is left of each: neither ever turns negative.
    """
    left = line.left
    if quantity == left.quantity:
        return left
    after = line.sold - left.quantity + quantity

    def piece(whole: Decimal, rest: Decimal) -> Decimal:
        return min(max(share(whole, after, line.sold) - (whole - rest), whole - whole), rest)

    total = piece(line.total, left.total)
    lowest = max(total - left.tax, total - total)
    base = min(max(piece(line.base, left.base), lowest), total, left.base)
    nominal_tax = min(piece(line.nominal_tax, left.nominal_tax), total - base)
    return Portion(quantity=quantity, total=total, base=base, nominal_tax=nominal_tax, cost=piece(line.cost, left.cost))
