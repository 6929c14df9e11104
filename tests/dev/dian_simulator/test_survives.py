"""Whatever is missing in a document that the schema lets pass, the rules answer; they do not break."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import etree

from app.dev.dian_simulator.reading import Paper
from app.dev.dian_simulator.rules import Known, judge
from app.dev.dian_simulator.service import schema
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.xml.documents import build
from app.integrations.dian.certificate import open_p12
from app.integrations.dian.sign import sign
from tests.dev.dian_simulator.house import registry
from tests.dian_keys import PASSWORD, p12
from tests.domain.invoicing.papers import KEYS, NOW, document


def _damaged(whole: Any) -> Iterator[Any]:
    """Without each element, and with each emptied of text and attributes."""
    for number in range(1, len(list(whole.iter()))):
        removed, emptied = copy.deepcopy(whole), copy.deepcopy(whole)
        element = list(removed.iter())[number]
        element.getparent().remove(element)
        yield removed
        element = list(emptied.iter())[number]
        element.text = ""
        element.attrib.clear()
        yield emptied


@pytest.mark.parametrize("kind", [Kind.INVOICE, Kind.POS, Kind.SUPPORT, Kind.CREDIT_NOTE, Kind.DEBIT_NOTE])
def test_the_rules_survive_whatever_is_missing(kind: Kind) -> None:
    known = Known(registry(), NOW, lambda _: None, lambda _: set())
    paper = document(kind)
    built = build(paper, identify(paper, KEYS))
    whole = etree.fromstring(sign(built.root, built.place, open_p12(p12(), PASSWORD), NOW))
    official = schema(etree.QName(whole).localname)
    assert official.validate(whole)
    judged = 0
    for damaged in _damaged(whole):
        if official.validate(damaged):
            judge(Paper(damaged), known)
            judged += 1
    assert judged > 100
