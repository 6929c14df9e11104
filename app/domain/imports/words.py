"""How shops write taxes and units, and what we call them."""

import re
from functools import cache
from typing import Final

from app.domain.catalog.units import unit_names
from app.lib.text import normalise

DEFAULT_TAX: Final = "iva19"
"""The general rate holds for whatever the law does not name (Estatuto Tributario art. 468)."""
DEFAULT_UNIT: Final = "94"

_TAXES: Final[dict[str, str]] = {
    "iva19": "iva19",
    "19": "iva19",
    "iva 19": "iva19",
    "iva general": "iva19",
    "gravado 19": "iva19",
    "0.19": "iva19",
    "iva5": "iva5",
    "5": "iva5",
    "iva 5": "iva5",
    "gravado 5": "iva5",
    "0.05": "iva5",
    "exempt": "exempt",
    "exento": "exempt",
    "iva 0": "exempt",
    "excluded": "excluded",
    "excluido": "excluded",
    "excluido de iva": "excluded",
    "no gravado": "excluded",
    "sin iva": "excluded",
    "inc8": "inc8",
    "inc 8": "inc8",
    "impoconsumo 8": "inc8",
    "impuesto al consumo 8": "inc8",
    "inc4": "inc4",
    "inc 4": "inc4",
    "inc16": "inc16",
    "inc 16": "inc16",
    "inc-bag": "inc-bag",
    "bolsa": "inc-bag",
    "bolsa plastica": "inc-bag",
    "inc bolsas": "inc-bag",
}
"""`0` alone is not here: exempt and excluded are both 0 %, and they are not the same. Sugary drinks need their content besides."""
_UNITS: Final[dict[str, str]] = {
    "und": "94",
    "un": "94",
    "u": "94",
    "unidades": "94",
    "pieza": "94",
    "kg": "KGM",
    "kilo": "KGM",
    "kilos": "KGM",
    "g": "GRM",
    "gr": "GRM",
    "gramos": "GRM",
    "lb": "LBR",
    "libras": "LBR",
    "l": "LTR",
    "lt": "LTR",
    "litros": "LTR",
    "ml": "MLT",
    "gal": "GLL",
    "galones": "GLL",
    "m": "MTR",
    "mt": "MTR",
    "metros": "MTR",
    "cm": "CMT",
    "m2": "MTK",
    "m3": "MTQ",
    "pares": "PR",
    "docenas": "DZN",
    "cajas": "BX",
    "rollos": "RO",
    "bolsas": "BG",
    "bulto": "BG",
    "paquetes": "PK",
    "juego": "SET",
    "hora": "HUR",
}
_PERCENT: Final = re.compile(r"\s*%|(?<=\d)[.,]0+(?=\D|$)")


def tax_class_of(text: str) -> str | None:
    """`IVA 19 %`, `19`, `Exento` as the code of a tax class; None for anything else."""
    return _TAXES.get(" ".join(_PERCENT.sub("", normalise(text)).replace(",", ".").split()))


def unit_code_of(text: str) -> str | None:
    """`kg`, `Metro`, `MTR` as a unit's code; None for anything else."""
    word = normalise(text).rstrip(".")
    return _UNITS.get(word) or _names().get(word)


@cache
def _names() -> dict[str, str]:
    return {key: code for code, name in unit_names().items() for key in (normalise(code), normalise(name))}
