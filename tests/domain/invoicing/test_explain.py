"""No rejection reaches a shop without a way to mend it."""

import csv
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from app.domain.invoicing.explain import explain
from tests.domain.invoicing.test_preflight import WRONG

RULES = Path(__file__).parents[3] / "app" / "dev" / "dian_simulator" / "rules.csv"
CODES = [row["code"] for row in csv.DictReader(RULES.read_text("utf-8").splitlines(), delimiter=";")]
PLACES = {
    "company", "customer", "product", "range", "software", "certificate", "register", "sale", "note", "payment", "document",
    "settings", "habilitation", "contingency", "support", "none",
}  # fmt: skip


@pytest.mark.parametrize("code", sorted({*CODES, *(code for code, _ in WRONG.values())}))
def test_every_rule_is_explained(code: str) -> None:
    explained = explain(code)
    assert explained.code == code
    assert "regla nueva" not in explained.cause
    assert explained.cause.endswith(".")
    assert explained.mend.endswith(".")
    assert explained.place in PLACES


def test_a_rule_of_tomorrow_still_says_where_to_turn() -> None:
    assert explain("FZZ99").place == "support"
    assert explain("").place == "support"


def test_the_letters_of_a_kind_do_not_change_the_meaning() -> None:
    assert {explain(code).cause for code in ("FAU14", "CAU14", "DAU14", "DEAU14", "DSAU14", "NSAU14", "NAAU14")} == {
        explain("AU14").cause
    }


def test_no_rule_is_explained_twice() -> None:
    text = (files("app.domain.invoicing") / "data" / "rejections.tsv").read_text("utf-8")
    counted = Counter(line.partition("\t")[0] for line in text.splitlines())
    assert [code for code, count in counted.items() if count > 1] == []
