"""The golden samples: read into the model, identified, built again, and equal to the last attribute."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from app.domain.invoicing.identify import Keys, event_uuid, figures_of, identify, qr_text, security_code, uuid_of
from app.domain.invoicing.model import FREEZER, thaw
from app.domain.invoicing.totals import add_taxes, total
from app.domain.invoicing.xml.documents import build
from tests.domain.invoicing.reading import NS, read

EXAMPLES = Path(__file__).parents[2] / "data" / "dian" / "examples"
FACTS = json.loads((EXAMPLES / "facts.json").read_text("utf-8"))
DOCUMENTS = [name for name in FACTS["documents"] if not name.startswith("event")]
EVENTS = [name for name in FACTS["documents"] if name.startswith("event")]
KEYS = Keys(pin="12345", technical_key="fc8eac422eba16e22ffd8c6f94b3f40a6e38162c")


def example(name: str) -> bytes:
    return (EXAMPLES / f"{name}.xml").read_bytes()


def comparable(xml: Any) -> bytes:
    """Canonical, without the signature and without the blanks between elements."""
    root = etree.fromstring(xml, etree.XMLParser(remove_blank_text=True))
    for signature in root.iterfind(".//ds:Signature", NS):
        parent = signature.getparent()
        assert parent is not None
        parent.remove(signature)
    return etree.tostring(root, method="c14n")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_digest_of_every_example_is_recomputed(name: str) -> None:
    number, date, time, net, taxes, payable, first, second, key, environment, digest = FACTS["documents"][name]
    figures = figures_of(read(example(name)))
    assert uuid_of(number, figures, key) == digest
    # And from the facts themselves, without a document.
    assert (figures.date, figures.time, figures.environment) == (date, time, environment)
    assert (figures.net, figures.payable) == (Decimal(net), Decimal(payable))
    assert (figures.seller, figures.buyer) == (first, second)
    assert [figures.iva, figures.inc, figures.ica][: len(taxes)] == [Decimal(tax) for tax in taxes.values()]


@pytest.mark.parametrize("name", EVENTS)
def test_the_digest_of_every_event_is_recomputed(name: str) -> None:
    number, (date, time), sender, receiver, code, reference, kind, pin, digest = FACTS["documents"][name]
    computed = event_uuid(
        number=number,
        date=date,
        time=time,
        sender=sender,
        receiver=receiver,
        event=code,
        reference=reference,
        reference_type=kind,
        pin=pin,
    )
    assert computed == digest


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_example_is_built_again_to_the_letter(name: str) -> None:
    original = example(name)
    document = read(original)
    identity = identify(document, KEYS)
    built = etree.tostring(build(document, identity).root)
    assert comparable(built).replace(b"><", b">\n<") == comparable(original).replace(b"><", b">\n<")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_security_code_of_every_example_is_recomputed(name: str) -> None:
    root = etree.fromstring(example(name))
    document = read(example(name))
    printed = root.findtext(".//sts:SoftwareSecurityCode", namespaces=NS)
    assert security_code(document.number, document.software.id, "12345") == printed


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_totals_of_every_example_are_recomputed(name: str) -> None:
    document = read(example(name))
    withheld = [rate for each in document.totals.withholdings for rate in each.rates]
    assert total(document.lines, document.allowances, withholdings=withheld) == document.totals


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_frozen_copy_thaws_to_the_same_document(name: str) -> None:
    document = read(example(name))
    assert thaw(FREEZER.encode(document)) == document


def test_the_qr_of_an_invoice_says_what_the_law_wants() -> None:
    document = read(example("invoice_01_natural_cash"))
    figures = figures_of(document)
    uuid = identify(document, KEYS).uuid
    assert qr_text(document.number, figures, uuid) == "\n".join(
        [
            "NumFac: SETP990000011",
            "FecFac: 2026-11-20",
            "HorFac: 10:15:30-05:00",
            "NitFac: 999888777",
            "DocAdq: 1000000001",
            "ValFac: 58001.00",
            "ValIva: 2470.19",
            "ValOtroIm: 3600.00",
            "ValTolFac: 65811.22",
            f"CUFE: {uuid}",
            f"QRCode: https://catalogo-vpfe-hab.dian.gov.co/document/searchqr?documentkey={uuid}",
        ]
    )


def test_the_qr_of_a_documento_soporte_has_names_of_its_own() -> None:
    document = read(example("support_05"))
    lines = identify(document, KEYS).qr.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "NumDS", "FecDS", "HorDS", "NumSNO", "DocAdq", "ValDS", "ValIva", "ValTolDS", "CUDS", "QRCode",
    ]  # fmt: skip
    assert lines[3:5] == ["NumSNO: 1000000002", "DocAdq: 999888777"]


def test_taxes_are_grouped_by_code_in_the_order_dian_reads() -> None:
    document = read(example("invoice_01_natural_cash"))
    lines = [tax for line in document.lines for tax in line.taxes]
    assert [each.code for each in lines] == ["04", "01"]
    assert [each.code for each in add_taxes(lines)] == ["01", "04"]
