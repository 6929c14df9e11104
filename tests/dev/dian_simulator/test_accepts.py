"""The simulator accepts the golden samples and everything that the product makes, and answers like DIAN."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs

from app.dev.dian_simulator.server import Simulator
from app.dev.dian_simulator.service import Service
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.model import Correction
from app.integrations.dian.answers import Outcome
from app.integrations.dian.certificate import Credential, open_p12
from tests.dev.dian_simulator.house import NIT, Sender, control, registry, simulator
from tests.dian_keys import PASSWORD, authorities, p12
from tests.dian_verify import certificate_in, schema_errors, verify_with_signxml, verify_with_xmlsec
from tests.domain.invoicing.papers import KEYS, NOW, document, reference_to

EXAMPLES = Path(__file__).parents[2] / "data" / "dian" / "examples"


@pytest.fixture(scope="module")
def credential() -> Credential:
    return open_p12(p12(), PASSWORD)


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Simulator]:
    with simulator(tmp_path) as server:
        pem = [each.public_bytes(Encoding.PEM).decode() for each in authorities()]
        server.service.registry = registry(trusted=pem)
        yield server


@pytest.fixture
def shop(simulated: Simulator, credential: Credential) -> Sender:
    return Sender(simulated.url, simulated.clock.now, credential)


@pytest.mark.parametrize("kind", [kind for kind in Kind if not KINDS[kind].is_note])
def test_every_kind_is_accepted_at_first(kind: Kind, shop: Sender) -> None:
    paper = document(kind)
    got = shop.send(paper)
    assert [rule for rule in got.rules if rule.rejects] == []
    assert got.accepts(identify(paper, KEYS).uuid)


@pytest.mark.parametrize("kind", [kind for kind in Kind if KINDS[kind].is_note])
def test_every_note_is_accepted_after_what_it_corrects(kind: Kind, shop: Sender) -> None:
    corrected = document(KINDS[kind].corrects[0])
    note = document(kind, correction=Correction(concept="1", reference=reference_to(corrected)))
    early = shop.send(note)
    assert [rule.code for rule in early.rules if rule.rejects] == [f"{KINDS[kind].rules}BG04a"]
    assert shop.send(corrected).outcome is Outcome.ACCEPTED
    got = shop.send(note)
    assert [rule for rule in got.rules if rule.rejects] == []
    assert got.outcome is Outcome.ACCEPTED


def test_its_response_is_valid_and_verified_twice(shop: Sender) -> None:
    for got in (shop.send(document()), shop.send(document(issuer=structs.replace(document().issuer, dv="7")))):
        assert got.response is not None
        assert schema_errors(got.response) == []
        assert verify_with_xmlsec(got.response) == 3
        assert verify_with_signxml(got.response, certificate_in(got.response)) == 3


def test_a_duplicate_answers_with_the_first_one(shop: Sender) -> None:
    paper = document()
    xml, uuid = shop.signed(paper), identify(paper, KEYS).uuid
    first, again = shop.post(xml), shop.post(xml)
    assert (first.outcome, again.outcome) == (Outcome.ACCEPTED, Outcome.REJECTED)
    assert again.is_duplicate
    assert again.accepts(uuid)
    assert again.response == first.response
    # Another document under the same number is not a success.
    other = document(notes=(), payments=document().payments, lines=document().lines[:2])
    taken = shop.send(other)
    assert taken.is_duplicate
    assert not taken.accepts(identify(other, KEYS).uuid)


def test_the_same_number_as_a_contingency_is_a_duplicate_too(shop: Sender) -> None:
    assert shop.send(document(Kind.INVOICE)).outcome is Outcome.ACCEPTED
    assert shop.send(document(Kind.DIAN_CONTINGENCY)).is_duplicate


def test_a_rejected_number_is_not_consumed(shop: Sender) -> None:
    paper = document()
    wrong = structs.replace(paper, totals=structs.replace(paper.totals, payable=paper.totals.payable + 5))
    assert shop.send(wrong).outcome is Outcome.REJECTED
    assert shop.send(paper).outcome is Outcome.ACCEPTED


def test_what_became_of_a_document(shop: Sender) -> None:
    paper = document()
    uuid = identify(paper, KEYS).uuid
    assert shop.ask(lambda client: client.status(uuid)).outcome is Outcome.ABSENT
    assert shop.ask(lambda client: client.status("corto")).outcome is Outcome.REFUSED
    accepted = shop.send(paper)
    got = shop.ask(lambda client: client.status(uuid))
    assert got.accepts(uuid)
    assert got.response == accepted.response


def test_a_test_set_is_followed_to_its_end(shop: Sender) -> None:
    for number, wanted in ((10, Outcome.PENDING), (11, Outcome.PENDING), (12, Outcome.SET_ACCEPTED)):
        paper = document(number=f"SETP9900000{number}")
        archive = _zip(f"{shop.name('fv')}.xml", shop.signed(paper))
        sent = shop.ask(lambda client, archive=archive: client.send_test_set(f"{shop.name('z')}.zip", archive, "set-1"))
        assert sent.outcome is wanted
        if wanted is Outcome.PENDING:
            key = sent.zip_key
            states = [shop.ask(lambda client, key=key: client.status_of_zip(key)) for _ in range(3)]
            assert [state[0].outcome for state in states] == [Outcome.PENDING, Outcome.ACCEPTED, Outcome.ACCEPTED]


def test_its_ranges_are_imported(shop: Sender) -> None:
    software = "11111111-2222-3333-4444-555555555555"
    got = shop.ask(lambda client: client.numbering_ranges(NIT, NIT, software))
    assert got.code == "100"
    assert {each.prefix for each in got.ranges} == {"SETP", "EPOS", "DS", "CT", "CP"}
    assert shop.ask(lambda client: client.numbering_ranges(NIT, NIT, "otro")).code == "303"
    assert shop.ask(lambda client: client.numbering_ranges("800197268", NIT, software)).code == "401"


def test_it_forgets_nothing_over_a_restart(simulated: Simulator, shop: Sender, tmp_path: Path) -> None:
    paper = document()
    assert shop.send(paper).outcome is Outcome.ACCEPTED
    again = Service(tmp_path, simulated.clock)
    assert list(again.store.by_uuid) == [identify(paper, KEYS).uuid]
    assert again.authority.own == simulated.service.authority.own


def test_its_own_entity_makes_certificates_that_it_trusts(simulated: Simulator) -> None:
    import base64

    made = control(simulated, "POST", "certificates", {"nit": NIT, "name": "Tienda", "password": "clave"})
    own = open_p12(base64.b64decode(made["p12"]), "clave")
    assert own.is_chain_complete
    simulated.service.registry.trusted = []
    assert Sender(simulated.url, simulated.clock.now, own).send(document()).outcome is Outcome.ACCEPTED


def _zip(name: str, xml: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, xml)
    return packed.getvalue()


def test_the_clock_of_the_tests_is_the_documents(simulated: Simulator) -> None:
    assert simulated.clock.now() == NOW
