"""Faults planted in valid documents before they are signed: each is rejected by its own rule."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from msgspec import structs

from app.dev.dian_simulator.registry import Range
from app.dev.dian_simulator.server import Simulator
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.xml.documents import build
from app.integrations.dian.answers import Outcome
from app.integrations.dian.certificate import Credential, open_p12
from tests.dev.dian_simulator.house import Sender, registry, simulator
from tests.dev.dian_simulator.plants import PLANTED
from tests.dian_keys import END, PASSWORD, START, authorities, p12
from tests.domain.invoicing.papers import KEYS, NOW, PERSON, document


@pytest.fixture(scope="module")
def credential() -> Credential:
    return open_p12(p12(), PASSWORD)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("dian")) as server:
        _trust(server)
        yield server


@pytest.fixture(scope="module")
def shop(simulated: Simulator, credential: Credential) -> Sender:
    sender = Sender(simulated.url, simulated.clock.now, credential)
    for kind in (Kind.INVOICE, Kind.POS, Kind.SUPPORT):
        assert sender.send(document(kind)).outcome is Outcome.ACCEPTED
    return sender


def _trust(server: Simulator, **changed: Any) -> None:
    pem = [each.public_bytes(Encoding.PEM).decode() for each in authorities()]
    server.service.registry = registry(trusted=pem, **changed)


def test_there_are_enough() -> None:
    assert len(PLANTED) >= 60


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_rejected_by_its_rule(name: str, shop: Sender) -> None:
    kind, codes, plant = PLANTED[name]
    paper = document(kind)
    if not paper.fixed.is_note:
        # The module's first documents are valid already.
        last = paper.number[-1]
        paper = structs.replace(paper, number=f"{paper.number[:-1]}{(int(last) + 5) % 10}")
    built = build(paper, identify(paper, KEYS))
    plant(built.root)
    got = shop.post(shop.sign(built, paper), paper.fixed.file)
    assert got.outcome is Outcome.REJECTED
    assert {rule.code for rule in got.rules if rule.rejects} == set(codes.split())


def test_without_a_plant_the_same_documents_pass(simulated: Simulator, shop: Sender) -> None:
    """Otherwise the cases above would prove nothing."""
    for kind in {kind for kind, _, _ in PLANTED.values()}:
        paper = document(kind)
        got = simulated.service.validate(_received(shop.signed(paper)), {"999888777"})
        assert got.is_valid or [rule.code for rule in got.rules] == ["90"], kind


def _received(xml: bytes) -> Any:
    from app.dev.dian_simulator.transport import Received

    return Received("fv0999888777000260000ffff", xml)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b"<cbc:Note>Gracias", b"<cbc:Note>Gracia", "ZE02"),
        (b"dMoMvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y=", b"AAAAvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y=", "ZE02"),
        (b"politicadefirmav2.pdf", b"politicadefirmav1.pdf", "ZE02"),
        (b"<ds:X509Certificate>", b"<ds:X509Certificate>AAAA", "ZD06"),
    ],
    ids=["content", "policy hash", "policy", "certificate"],
)
def test_a_changed_signature_is_seen(before: bytes, after: bytes, code: str, shop: Sender) -> None:
    xml = shop.signed(document(number="SETP990000050"))
    assert before in xml
    assert [rule.code for rule in shop.post(xml.replace(before, after, 1)).rules] == [code]


def test_no_signature_and_a_formatted_document_are_seen(shop: Sender) -> None:
    paper = document(number="SETP990000051")
    unsigned = etree.tostring(build(paper, identify(paper, KEYS)).root, encoding="UTF-8")
    # The empty place is not even valid under the schema.
    assert [rule.code for rule in shop.post(unsigned).rules] == ["ZB01"]
    tree = etree.fromstring(shop.signed(paper))
    etree.indent(tree)
    assert [rule.code for rule in shop.post(etree.tostring(tree, encoding="UTF-8")).rules] == ["ZE02"]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (p12("800197268"), "ZE03"),
        (p12(end=NOW - timedelta(days=1)), "ZD07"),
        (p12(start=NOW + timedelta(days=1)), "ZD07"),
    ],
    ids=["another NIT", "expired", "not yet"],
)
def test_a_wrong_certificate_in_the_document_is_seen(
    file: bytes, code: str, shop: Sender, simulated: Simulator
) -> None:
    paper = document(number="SETP990000052")
    built = build(paper, identify(paper, KEYS))
    wrong = Sender(simulated.url, simulated.clock.now, open_p12(file, PASSWORD))
    assert [rule.code for rule in shop.post(wrong.sign(built, paper)).rules] == [code]


def test_a_stranger_and_a_revoked_certificate_are_seen(credential: Credential, tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        shop = Sender(server.url, server.clock.now, credential)
        server.service.registry = registry()
        got = shop.send(document())
        assert (got.outcome, got.http_status) == (Outcome.REFUSED, 500)
        assert "did not specify a Reason" in got.message
        _trust(server, revoked=[str(credential.certificate.serial_number)])
        assert shop.send(document()).outcome is Outcome.REFUSED
        verdict = server.service.validate(_received(shop.signed(document())), {"999888777"})
        assert [rule.code for rule in verdict.rules] == ["ZD04"]
        _trust(server)
        assert shop.send(document()).outcome is Outcome.ACCEPTED


def test_what_only_the_registers_know(credential: Credential, tmp_path: Path) -> None:
    paper = document()
    assert paper.range is not None
    usual = registry().ranges
    bound = [structs.replace(each, software_id="other") for each in usual]
    short = [_shorter(each) for each in usual]
    inactive = [structs.replace(each, is_active=False) for each in registry().software]
    other_pin = [structs.replace(each, pin="54321") for each in registry().software]
    other_key = [structs.replace(each, technical_key="f" * 40) for each in usual]
    for changed, code in (
        ({"ranges": bound}, "FAB05c"),
        ({"ranges": short}, "FAD05d"),
        ({"ranges": []}, "FAB05b"),
        ({"ranges": other_key}, "FAD06"),
        ({"software": inactive}, "FAB24c"),
        ({"software": other_pin}, "FAB27b"),
        ({"issuers": []}, "FAJ44a"),
        ({"environment": "1"}, "FAD04"),
    ):
        with simulator(tmp_path / code) as server:
            _trust(server, **changed)
            got = Sender(server.url, server.clock.now, credential).send(paper)
            assert code in {rule.code for rule in got.rules if rule.rejects}


def _shorter(numbering: Range) -> Range:
    return structs.replace(numbering, last=numbering.first)


def test_a_contingency_needs_a_declared_one(credential: Credential, tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        _trust(server, contingencies=[])
        got = Sender(server.url, server.clock.now, credential).send(document(Kind.DIAN_CONTINGENCY))
        assert [rule.code for rule in got.rules if rule.rejects] == ["CTG01"]


def test_notifications_do_not_block(shop: Sender) -> None:
    got = shop.send(document(number="SETP990000060", counterpart=structs.replace(PERSON, email="")))
    assert got.outcome is Outcome.ACCEPTED
    assert {rule.code for rule in got.rules} == {"FAB19b", "FAK55"}


def test_certificates_of_the_tests_are_valid_now() -> None:
    assert START < NOW < END
