"""Exact amounts: the type that bodies use, and the one place that rounds."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import ClassVar, Final

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal("0.00")
NO_UNITS: Final = Decimal("0.000")
_MICRO: Final = Decimal("0.000001")
_NO_COST: Final = Decimal("0.000000")
_MAX_WHOLE_DIGITS: Final = 12
"""numeric(18,6) holds twelve digits before the point."""
_LIMIT: Final = Decimal(10) ** _MAX_WHOLE_DIGITS
_MAX_SCALE: Final = 6
_MAX_TEXT: Final = 32
_CONTEXT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough that price times quantity times rate is exact before it is rounded."""


class Exact(Decimal):
    """A number of a body: sent as a string or an integer, since a JSON number with a fraction has lost cents already."""

    __slots__ = ()

    SCALE: ClassVar[int] = _MAX_SCALE
    """Decimals it may have."""
    SIGNED: ClassVar[bool] = True
    """Whether it may be negative."""
    ZERO: ClassVar[bool] = True
    """Whether it may be zero."""


class Pesos(Exact):
    """An amount of money: at most two decimals."""

    __slots__ = ()
    SCALE = 2


class SomePesos(Pesos):
    """An amount above zero."""

    __slots__ = ()
    SIGNED = False
    ZERO = False


class ZeroOrMorePesos(Pesos):
    """An amount that is not negative."""

    __slots__ = ()
    SIGNED = False


class UnitPrice(Exact):
    """Pesos for one unit: at most six decimals."""

    __slots__ = ()


class ZeroOrMorePrice(UnitPrice):
    """A price that is not negative."""

    __slots__ = ()
    SIGNED = False


class Units(Exact):
    """A quantity of goods: at most six decimals."""

    __slots__ = ()


class ZeroOrMoreUnits(Units):
    """A quantity that is not negative."""

    __slots__ = ()
    SIGNED = False


class SomeUnits(Units):
    """A quantity above zero."""

    __slots__ = ()
    SIGNED = False
    ZERO = False


def parse_exact(kind: type[Exact], raw: object) -> Exact:
    """Read an exact number from decoded JSON. Raises `ValueError` with a Spanish reason the client may see."""
    if isinstance(raw, bool) or not isinstance(raw, (str, int)):
        raise ValueError('Debe ser un texto o un entero, como "34900.00"; un número con fracción ya perdió centavos')
    if isinstance(raw, str) and (len(raw) > _MAX_TEXT or not _is_plain(raw)):
        raise ValueError('Debe ser un número decimal sencillo, como "34900.00"')
    if isinstance(raw, int) and abs(raw) >= 10**_MAX_WHOLE_DIGITS:
        raise ValueError(f"No puede tener más de {_MAX_WHOLE_DIGITS} cifras enteras")
    value = kind(raw)
    if value < 0 and not kind.SIGNED:
        raise ValueError("No puede ser negativo")
    if not value and not kind.ZERO:
        raise ValueError("Debe ser mayor que cero")
    if not -_LIMIT < value < _LIMIT:
        raise ValueError(f"No puede tener más de {_MAX_WHOLE_DIGITS} cifras enteras")
    if isinstance(raw, str) and len(raw.partition(".")[2]) > kind.SCALE:
        return _without_zeros(kind, value)
    return value


def _without_zeros(kind: type[Exact], value: Exact) -> Exact:
    """More decimals than it may have are fine as long as they are zeros."""
    trimmed = value.normalize(_CONTEXT)
    exponent = trimmed.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > kind.SCALE:
        raise ValueError(f"No puede tener más de {kind.SCALE} decimales")
    return kind(trimmed)


def _is_plain(text: str) -> bool:
    """Digits with an optional sign and one point: no exponent, no NaN, no blanks, no other script's digits."""
    body = text[1:] if text.startswith("-") else text
    whole, _, fraction = body.partition(".")
    return body.isascii() and whole.isdigit() and (fraction.isdigit() if "." in body else True)


def cents(amount: Decimal) -> Decimal:
    """Round pesos to the cent, half to even (NTC 3711, as the DIAN annex asks). Nothing else in the product rounds money."""
    return amount.quantize(CENT, context=_CONTEXT)


def times(one: Decimal, other: Decimal) -> Decimal:
    """Exact product: the default context would cut at 28 digits."""
    return _CONTEXT.multiply(one, other)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Cents of `amount` that belong to `part` of `whole`; all of it when they are equal, nothing when whole is 0."""
    if part == whole:
        return amount
    if not whole:
        return ZERO
    return cents(_CONTEXT.divide(_CONTEXT.multiply(amount, part), whole))


def divide(amount: Decimal, by: Decimal) -> Decimal:
    """Quotient at full precision, for a caller that rounds it."""
    return _CONTEXT.divide(amount, by)


def unit_cost(value: Decimal, quantity: Decimal) -> Decimal:
    """Pesos of one unit, to six decimals; 0 without units."""
    if not quantity:
        return _NO_COST
    return _CONTEXT.divide(value, quantity).quantize(_MICRO, context=_CONTEXT)


def spread(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Split pesos over weights to the cent, largest remainder first; earlier ones win a tie. Adds up to `amount` exactly.

    No share exceeds its weight as long as `amount` does not exceed their sum.
    """
    whole = sum(weights, start=ZERO)
    if not whole:
        return [ZERO for _ in weights]
    exact = [_CONTEXT.divide(_CONTEXT.multiply(amount, weight), whole) for weight in weights]
    with localcontext(_CONTEXT):
        floors = [value.quantize(CENT, rounding=ROUND_DOWN) for value in exact]
        missing = int((amount - sum(floors, start=ZERO)) / CENT)
        order = sorted(range(len(weights)), key=lambda n: (floors[n] - exact[n], n))
    for n in order[:missing]:
        floors[n] += CENT
    return floors


def as_quantity(value: Decimal) -> Decimal:
    """A quantity as the contract prints it: at least three decimals, at most six, no needless zeros."""
    return _printed(value, NO_UNITS, 3)


def as_price(value: Decimal) -> Decimal:
    """A unit price as the contract prints it: at least two decimals, at most six, no needless zeros."""
    return _printed(value, CENT, 2)


def _printed(value: Decimal, shortest: Decimal, scale: int) -> Decimal:
    """The value with as few decimals as say it all, but not fewer than `shortest` has."""
    printed = value.quantize(shortest, context=_CONTEXT)
    if printed == value:
        return printed
    exponent = value.normalize(_CONTEXT).as_tuple().exponent
    decimals = max(scale, -exponent if isinstance(exponent, int) else scale)
    return value.quantize(Decimal(1).scaleb(-decimals), context=_CONTEXT)
