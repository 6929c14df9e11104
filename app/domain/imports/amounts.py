"""Numbers as people write them in Colombia, read only when they can mean one thing."""

import re
from decimal import Decimal
from typing import Final, Literal

DecimalMark = Literal["comma", "point"]

_MARKS: Final[dict[DecimalMark, str]] = {"comma": ",", "point": "."}
_GROUP: Final = 3
_MAX_WHOLE: Final = 12
_MAX_SCALE: Final = 6
_DRESS: Final = re.compile(r"^(?:COP|\$)?\s*|\s*(?:COP|\$|%)?$", re.IGNORECASE)
_SPACE: Final = re.compile(r"[ \u00a0\u202f']")
_SPACED: Final = re.compile(rf"^-?[0-9]{{1,3}}(?:{_SPACE.pattern}[0-9]{{3}})+(?:[.,][0-9]+)?$")
"""Thousands parted by blanks or apostrophes, which can mean nothing else."""
_SHAPE: Final = re.compile(r"^-?[0-9](?:[0-9.,]*[0-9])?$")


class NotANumber(ValueError):
    """A cell that cannot be read; carries the code and the Spanish sentence of its line's error."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_number(cell: str | Decimal, mark: DecimalMark | None = None) -> Decimal:
    """`1.234.567,89`, `1,234,567.89`, `1234567.89`, `$ 34900`; `mark` is what the file says its decimals begin with.

    `34.900` alone could be thousands or decimals: without `mark` it is refused. Raises `NotANumber`.
    """
    number = cell if isinstance(cell, Decimal) else _read(cell, mark)
    if not number.is_finite() or abs(number) >= 10**_MAX_WHOLE:
        raise NotANumber("out-of-range", f"El número tiene más de {_MAX_WHOLE} cifras enteras.")
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MAX_SCALE:
        raise NotANumber("too-precise", f"El número tiene más de {_MAX_SCALE} decimales.")
    return number


def _read(text: str, mark: DecimalMark | None) -> Decimal:
    bare = _DRESS.sub("", text.strip())
    if _SPACED.match(bare):
        bare = _SPACE.sub("", bare)
    if not _SHAPE.match(bare):
        raise NotANumber("not-a-number", f"«{shown(text)}» no es un número.")
    decimal = _MARKS[mark] if mark else _decimal_mark(bare)
    group = "," if decimal == "." else "."
    whole, _, fraction = bare.partition(decimal)
    if any(sign in fraction for sign in _MARKS.values()):
        raise _badly_grouped(text)
    if group in whole:
        first, *rest = whole.lstrip("-").split(group)
        if not 0 < len(first) <= _GROUP or any(len(part) != _GROUP for part in rest):
            raise _badly_grouped(text)
    return Decimal(f"{whole.replace(group, '')}.{fraction or '0'}").normalize() + 0


def _decimal_mark(bare: str) -> str:
    """What separates the decimals, or would. Raises `NotANumber` when one mark could be either."""
    points, commas = bare.count("."), bare.count(",")
    if points and commas:
        return max(".", ",", key=bare.rfind)
    if points + commas == 0:
        return "."
    mark = "." if points else ","
    other = "," if points else "."
    if points + commas > 1:
        return other
    whole, _, fraction = bare.lstrip("-").partition(mark)
    if len(fraction) == _GROUP and len(whole) <= _GROUP and whole != "0":
        raise NotANumber(
            "ambiguous-number",
            f"«{bare}» puede ser {whole}{fraction} o {whole} con decimales: escríbalo sin separador de miles, "
            "o diga con decimal=comma o decimal=point cómo escribe los decimales el archivo.",
        )
    return mark


def _badly_grouped(text: str) -> NotANumber:
    return NotANumber("not-a-number", f"«{shown(text)}» tiene los puntos o las comas mal puestos.")


def shown(text: str) -> str:
    """A cell's content short enough to be told."""
    longest = 40
    return text if len(text) <= longest else f"{text[:longest]}…"
