"""DIAN's code lists, as far as a document can be checked against them without asking."""

import csv
from functools import cache
from importlib.resources import files
from typing import Final

from app.domain.invoicing.model import Address
from app.lib.codelists import municipalities

IDENTIFICATION_TYPES: Final = frozenset({"11", "12", "13", "21", "22", "31", "41", "42", "47", "48", "50", "91"})
FOREIGN_TYPES: Final = frozenset({"41", "42", "50"})
RESPONSIBILITIES: Final = frozenset({"O-13", "O-15", "O-23", "O-47", "R-99-PN"})
TRIBUTES: Final = frozenset({"01", "04", "ZA", "ZZ"})
TAX_NAMES: Final = {
    "01": "IVA",
    "02": "IC",
    "03": "ICA",
    "04": "INC",
    "05": "ReteIVA",
    "06": "ReteRenta",
    "07": "ReteICA",
    "20": "FtoHorticultura",
    "21": "Timbre",
    "22": "INC Bolsas",
    "23": "INCarbono",
    "24": "INCombustibles",
    "25": "Sobretasa Combustibles",
    "26": "Sordicom",
    "30": "IC Datos",
    "32": "ICL",
    "33": "INPP",
    "34": "IBUA",
    "35": "ICUI",
    "36": "ADV",
}
"""Of taxes and withholdings, by code; the name must match."""
PERCENTS: Final[dict[str, frozenset[str]]] = {
    "01": frozenset({"0.00", "5.00", "16.00", "19.00"}),
    "04": frozenset({"2.00", "4.00", "8.00", "16.00"}),
}
"""Rates that the law knows, by tax; others are not listed."""
PER_UNIT_TAXES: Final = frozenset({"22", "23", "24", "34"})
WITHHOLDINGS: Final = frozenset({"05", "06", "07"})
CODE_SCHEMES: Final = frozenset({"001", "010", "020", "999"})
PAPER_TYPES: Final = frozenset({"FTC", "FTP", "FTPC", "AAJ"})


@cache
def unit_codes() -> frozenset[str]:
    """UN/ECE Recommendation 20, as DIAN accepts it."""
    return frozenset(_column("unit_codes.csv"))


@cache
def payment_means() -> frozenset[str]:
    return frozenset(_column("payment_means.csv"))


@cache
def country_names() -> dict[str, str]:
    """ISO code to Spanish name."""
    return {row["code"]: row["name_es"] for row in _rows("countries.csv")}


def address_in_colombia(line: str, municipality_code: str, postal_code: str = "") -> Address:
    """An address with DIVIPOLA's names. Raises `KeyError` for a code that is not of that list."""
    place = municipalities()[municipality_code]
    return Address(
        line=line,
        municipality_code=place.code,
        city=place.name,
        department_code=place.department_code,
        department=place.department,
        postal_code=postal_code,
    )


def _column(name: str) -> list[str]:
    return [row["code"] for row in _rows(name)]


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("app.domain.invoicing") / "data" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def payment_names() -> dict[str, str]:
    """Code of a means of payment to its Spanish name."""
    return {row["code"]: row["name_es"] for row in _rows("payment_means.csv")}


@cache
def unit_names() -> dict[str, str]:
    """Code of a unit of measure to its Spanish name."""
    return {row["code"]: row["name_es"] for row in _rows("unit_codes.csv")}
