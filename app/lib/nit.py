"""The NIT and its check digit (DIAN, Orden Administrativa 4 of 1989: weights 3, 7, 13, 17, …)."""

import re
from typing import Final

from stdnum.co import nit as stdnum_nit

from app.lib.errors import FieldError, RuleBroken

_SHAPE: Final = re.compile(r"^(\d{6,10})(?:-(\d))?$")


def check_digit(nit: str) -> str:
    """Check digit of a NIT given without it."""
    return stdnum_nit.calc_check_digit(nit)


def split_nit(text: str, pointer: str) -> tuple[str, str]:
    """Split `901555123` or `901555123-8` into NIT and digit. Raises 422 for another shape or a wrong digit."""
    match = _SHAPE.match(text.replace(".", "").replace(" ", ""))
    if match is None:
        raise _refuse(pointer, "Escriba el NIT con 6 a 10 cifras, con o sin dígito de verificación: 901555123-8.")
    nit, digit = match[1], match[2]
    right = check_digit(nit)
    if digit is not None and digit != right:
        raise _refuse(pointer, f"El dígito de verificación no corresponde: para {nit} es {right}.")
    return nit, right


def _refuse(pointer: str, detail: str) -> RuleBroken:
    return RuleBroken("El NIT no es válido.", code="invalid-nit", errors=(FieldError(pointer, "invalid-nit", detail),))
