"""What DIAN's rules mean for a shop, and where each one is mended."""

import csv
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

_LETTERS: Final = ("NAD", "NA", "DE", "DS", "NS", "F", "C", "D", "A")
"""Before the common part of a code: POS notes, POS, documento soporte and its note, invoice, credit and debit note, event."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in plain Spanish."""

    code: str
    """As DIAN said it."""
    cause: str
    mend: str
    """What to do."""
    place: str
    """Where to do it: company, customer, product, range, software, certificate, register, sale, note, payment, document,
    settings, habilitation, contingency; `support` is ours to mend, `none` needs nothing."""


_UNKNOWN: Final = (
    "",
    "La DIAN rechazó el documento por una regla nueva.",
    "Lea el mensaje de la DIAN y avise a soporte.",
)


def explain(code: str) -> Explanation:
    """The explanation of a rule; of one that nobody has explained yet, where to turn."""
    known = _explanations()
    _, cause, mend, place = (*_UNKNOWN, "support")
    for key in (code, *(code.removeprefix(letters) for letters in _LETTERS if code.startswith(letters))):
        if key in known:
            cause, mend, place = known[key]
            break
    return Explanation(code=code, cause=cause, mend=mend, place=place)


@cache
def _explanations() -> dict[str, tuple[str, str, str]]:
    text = (files("app.domain.invoicing") / "data" / "rejections.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["code"]: (row["cause"], row["mend"], row["place"]) for row in rows}
