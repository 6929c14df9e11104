"""Identity documents and fiscal codes of customers, as DIAN's lists have them (Anexo técnico de factura 1.9)."""

import re
from typing import Final, Literal

from app.lib.errors import FieldError, RuleBroken
from app.lib.nit import split_nit

IdentificationType = Literal["11", "12", "13", "21", "22", "31", "41", "42", "47", "48", "50", "91"]
IDENTIFICATION_NAMES: Final[dict[str, str]] = {
    "11": "Registro civil",
    "12": "Tarjeta de identidad",
    "13": "Cédula de ciudadanía",
    "21": "Tarjeta de extranjería",
    "22": "Cédula de extranjería",
    "31": "NIT",
    "41": "Pasaporte",
    "42": "Documento de identificación extranjero",
    "47": "PEP (Permiso Especial de Permanencia)",
    "48": "PPT (Permiso por Protección Temporal)",
    "50": "NIT de otro país",
    "91": "NUIP",
}
NIT: Final = "31"

_ONLY_DIGITS: Final = frozenset({"12", "13", "91"})
_DIGITS: Final = re.compile(r"[0-9]{3,12}")
_LETTERS_AND_DIGITS: Final = re.compile(r"[0-9A-Z]([0-9A-Z-]{0,18}[0-9A-Z])?")


def read_identification(kind: str, text: str, dv: str | None) -> tuple[str, str | None]:
    """A number as it is stored, and the check digit of a NIT, computed. Raises 422 for another shape or a wrong digit."""
    if kind == NIT:
        bare = text.strip()
        if dv is not None and "-" not in bare:
            bare = f"{bare}-{dv}"
        nit, right = split_nit(bare, "/identification")
        if dv not in {None, right}:
            raise _refuse("/dv", f"El dígito de verificación no corresponde: para {nit} es {right}.")
        return nit, right
    if dv is not None:
        raise _refuse("/dv", "Solo el NIT lleva dígito de verificación.")
    number = re.sub(r"[.\s]", "", text).upper()
    if kind in _ONLY_DIGITS and not _DIGITS.fullmatch(number):
        raise _refuse("/identification", f"{IDENTIFICATION_NAMES[kind]}: escriba de 3 a 12 cifras.")
    if not _LETTERS_AND_DIGITS.fullmatch(number):
        raise _refuse("/identification", f"{IDENTIFICATION_NAMES[kind]}: escriba hasta 20 letras o cifras.")
    return number, None


def _refuse(pointer: str, detail: str) -> RuleBroken:
    return RuleBroken(
        "La identificación no es válida.",
        code="invalid-identification",
        errors=(FieldError(pointer, "invalid-identification", detail),),
    )
