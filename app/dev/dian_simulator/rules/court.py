"""Gathers what is held against one document."""

import csv
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app.dev.dian_simulator.reading import Paper
from app.dev.dian_simulator.registry import Registry
from app.dev.dian_simulator.replies import Rule

FOLDER = Path(__file__).parents[1]


class Valid(NamedTuple):
    """A document that was accepted before."""

    number: str
    issuer: str
    date: str
    kind: str
    is_credit: bool
    """Paid later; also one of which only the key is known."""


class Known(NamedTuple):
    """What the rules may ask besides the document."""

    registry: Registry
    now: datetime
    find: Callable[[str], Valid | None]
    """A valid document by its UUID."""
    events: Callable[[str], set[str]]
    """Codes of the events about a document."""


class Court:
    def __init__(self, paper: Paper, known: Known) -> None:
        self.paper = paper
        self.known = known
        self.rules: list[Rule] = []

    def reject(self, *common: str) -> None:
        """By the common part of the code; the letters before it are the document's."""
        for code in common:
            self.exactly(self.paper.letters + code)

    def note(self, common: str) -> None:
        self.exactly(self.paper.letters + common, rejects=False)

    def exactly(self, code: str, *, rejects: bool = True) -> None:
        """Once each: DIAN does not repeat itself."""
        if all(rule.code != code for rule in self.rules):
            self.rules.append(Rule(code, message_of(code), rejects))


@cache
def _messages() -> dict[str, str]:
    text = (FOLDER / "rules.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter=";")
    return {row["code"]: row["message"] or row["meaning"] for row in rows}


def message_of(code: str) -> str:
    """DIAN's words for a rule, as far as they are known."""
    messages = _messages()
    if code in messages:
        return messages[code]
    for letters in ("NAD", "NA", "DE", "DS", "NS", "F", "C", "D", "A"):
        if code.startswith(letters) and (text := messages.get("F" + code.removeprefix(letters))):
            return text
    return "No cumple la regla."


@cache
def listed(file: str) -> frozenset[str]:
    """Codes of one of DIAN's lists."""
    with (FOLDER / file).open(encoding="utf-8") as lines:
        return frozenset(row["code"] for row in csv.DictReader(lines))


def check_digit(nit: str) -> str:
    """DV of a NIT; empty for what is not one."""
    if not nit.isdigit() or len(nit) > 15:
        return ""
    weights = (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)
    rest = sum(int(digit) * weight for digit, weight in zip(reversed(nit), weights, strict=False)) % 11
    return str(rest if rest < 2 else 11 - rest)
