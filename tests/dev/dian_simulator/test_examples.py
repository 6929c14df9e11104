"""The examples of the specification, at the hour it says: documents over HTTP to the process, and their requests as they are."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.dev.dian_desk import DianDesk
from app.integrations.dian.answers import Answer, Outcome
from app.integrations.dian.certificate import open_p12
from app.integrations.dian.files import pack
from app.integrations.dian.soap import HABILITATION
from tests.dev.dian_simulator.house import Sender
from tests.dian_verify import certificate_in, verify_with_signxml, verify_with_xmlsec

EXAMPLES = Path(__file__).parents[2] / "data" / "dian" / "examples"
NIT = "999888777"
AT = datetime.fromisoformat("2026-11-20T10:16:00-05:00")
LATER = datetime.fromisoformat("2026-11-21T09:00:30-05:00")
INVOICES_AND_NOTES = (
    "invoice_01_credit", "invoice_01_natural_cash", "invoice_01_final_consumer", "invoice_03_contingency",
    "creditnote_91", "debitnote_92", "pos_20", "pos_adjustment_94", "support_05", "support_adjustment_95",
)  # fmt: skip
EVENTS = ("event_030", "event_031_claim")


@pytest.fixture
def taught(dian: DianDesk) -> DianDesk:
    """It knows what `facts.json` says."""
    facts: dict[str, Any] = json.loads((EXAMPLES / "facts.json").read_text("utf-8"))
    names = ("authorization", "valid_from", "valid_to", "prefix", "first", "last", "technical_key")
    dian.add(
        issuers=[{"nit": NIT, "name": "Comercial de Ejemplo S.A.S."}],
        software=[{"id": "11111111-2222-3333-4444-555555555555", "nit": NIT, "pin": "12345"}],
        ranges=[{"nit": NIT, **dict(zip(names, each, strict=True))} for each in facts["ranges"]],
        trusted=[(EXAMPLES / "certs" / f"issuer-{name}.pem").read_text() for name in ("root", "sub")],
        aliases=[HABILITATION],
    )
    dian.register("999888666", "FV500", "ab" * 48, AT.date())
    dian.stand_at(AT)
    return dian


@pytest.fixture
def sender(taught: DianDesk) -> Sender:
    """The examples' keys were not kept: the envelopes are signed with another certificate of the same company."""
    made = taught.ask("POST", "certificates", {"nit": NIT, "name": "Comercial de Ejemplo", "password": "clave"})
    import base64

    return Sender(taught.url, taught.now, open_p12(base64.b64decode(made["p12"]), "clave"))


def test_every_example_is_accepted_in_its_order(taught: DianDesk, sender: Sender) -> None:
    for name in INVOICES_AND_NOTES:
        _accepted(sender.post((EXAMPLES / f"{name}.xml").read_bytes()), name)
    taught.stand_at(LATER)
    for name in EVENTS:
        archive = pack({f"{sender.name('ar')}.xml": (EXAMPLES / f"{name}.xml").read_bytes()})
        _accepted(sender.ask(lambda client, archive=archive: client.send_event(archive)), name)
    assert len(taught.valid()) == len(INVOICES_AND_NOTES) + len(EVENTS) + 1


def _accepted(got: Answer, name: str) -> None:
    assert [str(rule) for rule in got.rules if rule.rejects] == [], name
    assert got.outcome is Outcome.ACCEPTED, (name, got.message)
    assert got.response is not None
    assert verify_with_xmlsec(got.response) == 3
    assert verify_with_signxml(got.response, certificate_in(got.response)) == 3


@pytest.mark.parametrize(
    ("name", "code"),
    [("creditnote_91", "CBG04a"), ("debitnote_92", "DBG04a"), ("pos_adjustment_94", "NABG04a")],
)
def test_a_note_before_its_invoice_is_not(name: str, code: str, sender: Sender) -> None:
    got = sender.post((EXAMPLES / f"{name}.xml").read_bytes())
    assert [rule.code for rule in got.rules if rule.rejects] == [code]


@pytest.mark.parametrize("name", ["attached_document", "ar_accepted", "ar_rejected", "event_030"])
def test_what_is_no_invoice_is_not_taken_as_one(name: str, sender: Sender) -> None:
    got = sender.post((EXAMPLES / f"{name}.xml").read_bytes())
    assert [rule.code for rule in got.rules] == ["ZB01"]


@pytest.mark.parametrize(
    "file", sorted((EXAMPLES / "soap").glob("*.request.xml")), ids=lambda file: file.name.partition(".")[0]
)
def test_the_example_requests_pass_its_door(file: Path, taught: DianDesk) -> None:
    """With the address they were signed for as an alias."""
    operation = file.name.partition(".")[0]
    body = file.read_bytes()
    created = datetime.fromisoformat(body.partition(b"Created>")[2].partition(b"<")[0].decode())
    taught.stand_at(created + timedelta(seconds=10))
    answer = _post(taught.url, operation, body)
    assert answer.status_code == 200
    assert f"<{operation}Result".encode() in answer.content
    # Six minutes later, or earlier, the same message is not in its time.
    for minutes in (6, -6):
        taught.stand_at(created + timedelta(minutes=minutes))
        assert _post(taught.url, operation, body).status_code == 500


def _post(url: str, operation: str, body: bytes) -> httpx.Response:
    action = f"http://wcf.dian.colombia/IWcfDianCustomerServices/{operation}"
    headers = {"Content-Type": f'application/soap+xml;charset=UTF-8;action="{action}"'}
    return httpx.post(url, content=body, headers=headers, trust_env=False)
