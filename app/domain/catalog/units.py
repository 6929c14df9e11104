"""Units of measure: the UN/ECE Recommendation 20 and 21 codes a shop needs, out of those that DIAN accepts."""

import csv
from functools import cache
from importlib.resources import files


@cache
def unit_names() -> dict[str, str]:
    """Code to its Spanish name, in the order a shop reads them."""
    table = files(__package__ or "").joinpath("units.csv").read_text(encoding="utf-8")
    return {row["code"]: row["name"] for row in csv.DictReader(table.splitlines())}
