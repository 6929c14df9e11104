"""Moving average cost: a shelf holds a quantity and its value in pesos, and every peso that came in goes out once.

Plain functions over what the caller has locked; nothing here reads or writes.
"""

from decimal import Decimal
from typing import Final

from app.lib.money import ZERO, cents, share, times, unit_cost

NO_COST: Final = Decimal("0.000000")


def take(quantity: Decimal, value: Decimal, out_quantity: Decimal) -> Decimal:
    """Pesos that leave with `out_quantity` of a shelf: their part to the cent, all of it with the last unit.

    Raises `ValueError` when more leaves than there is: the caller refuses that sale or adjustment first.
    """
    if not 0 <= out_quantity <= quantity:
        raise ValueError(f"{out_quantity} cannot leave a shelf of {quantity}")
    return share(value, out_quantity, quantity)


def take_back(quantity: Decimal, value: Decimal, out_quantity: Decimal, brought: Decimal) -> Decimal:
    """Pesos that leave when an entry that brought `brought` pesos is undone.

    Exactly those, so that the average returns to what it was; less when later movements left less value on the shelf,
    and all of it with the last unit. Raises `ValueError` as `take`.
    """
    if not 0 <= out_quantity <= quantity:
        raise ValueError(f"{out_quantity} cannot leave a shelf of {quantity}")
    return value if out_quantity == quantity else min(brought, value)


def value_of(quantity: Decimal, cost: Decimal) -> Decimal:
    """Pesos of what comes in at a cost per unit, to the cent."""
    return cents(times(quantity, cost))


def cost_to_assume(quantity: Decimal, value: Decimal, last_cost: Decimal | None) -> Decimal:
    """Pesos for a unit that comes in without a stated cost: the shelf's average, else the last known cost, else 0."""
    if quantity:
        return unit_cost(value, quantity)
    return NO_COST if last_cost is None else last_cost


def value_in(quantity: Decimal, value: Decimal, last_cost: Decimal | None, in_quantity: Decimal) -> Decimal:
    """Pesos of units that come in without a stated cost, at the shelf's exact average where it has one."""
    if quantity:
        return share(value, in_quantity, quantity)
    return value_of(in_quantity, last_cost) if last_cost is not None else ZERO
