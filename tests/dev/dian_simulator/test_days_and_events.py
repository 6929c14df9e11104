"""What depends on the hour and on what came before: days, contingencies, RADIAN events."""

from datetime import datetime, timedelta
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from app.dev.dian_desk import DianDesk
from app.dev.dian_simulator.clock import BOGOTA
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.model import Payment
from app.integrations.dian.answers import Answer, Outcome
from app.integrations.dian.files import pack
from app.integrations.dian.sign import sign
from tests.dev.dian_simulator.house import Sender, teach
from tests.domain.invoicing.papers import KEYS, NOW, document
from tests.domain.invoicing.reading import NS

EXAMPLES = Path(__file__).parents[2] / "data" / "dian" / "examples"
MIDNIGHT = datetime(2026, 11, 21, tzinfo=BOGOTA)
SECOND = timedelta(seconds=1)


@pytest.fixture
def shop(dian: DianDesk) -> Sender:
    return teach(dian)


def rejections(got: Answer) -> list[str]:
    return [rule.code for rule in got.rules if rule.rejects]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Kind.INVOICE, "FAD09e"), (Kind.CREDIT_NOTE, "CAD09e"), (Kind.POS, "DEAD09e"), (Kind.SUPPORT, "DSAD09e")],
)
def test_a_document_arrives_on_its_day_in_bogota(kind: Kind, code: str, dian: DianDesk, shop: Sender) -> None:
    """An hour before midnight there it is tomorrow already by UTC."""
    if KINDS[kind].is_note:
        assert shop.send(document(KINDS[kind].corrects[0])).outcome is Outcome.ACCEPTED
    paper = document(kind, issued_at=MIDNIGHT - SECOND)
    xml = shop.signed(paper)
    dian.stand_at(MIDNIGHT - timedelta(hours=1))
    name = paper.fixed.file
    dian.stand_at(MIDNIGHT)
    assert rejections(shop.post(xml, name)) == [code]
    # The rejected number is free: dated and signed anew it passes, under another key.
    again = document(kind, issued_at=MIDNIGHT)
    assert identify(again, KEYS).uuid != identify(paper, KEYS).uuid
    assert shop.send(again).accepts(identify(again, KEYS).uuid)


def test_a_document_arrives_until_the_last_second_and_not_before_its_day(dian: DianDesk, shop: Sender) -> None:
    dian.stand_at(MIDNIGHT - timedelta(seconds=0.001))
    assert shop.send(document(issued_at=MIDNIGHT - timedelta(hours=20))).outcome is Outcome.ACCEPTED
    tomorrow = document(number="SETP990000011", issued_at=MIDNIGHT)
    assert rejections(shop.send(tomorrow)) == ["FAD09e"]


def test_how_late_it_may_be_can_be_changed(dian: DianDesk, shop: Sender) -> None:
    xml = shop.signed(document())
    dian.change(days_late=20)
    dian.stand_at(NOW + timedelta(days=11))
    assert rejections(shop.post(xml)) == ["FAD09c"]
    dian.stand_at(NOW + timedelta(days=10))
    assert shop.post(xml).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("kind", [Kind.DIAN_CONTINGENCY, Kind.POS_CONTINGENCY])
def test_a_contingency_document_was_signed_in_a_declared_one(kind: Kind, dian: DianDesk, shop: Sender) -> None:
    edge = timedelta(minutes=1)
    for start, end, wanted in (
        (NOW - edge, NOW, []),
        (NOW, NOW + edge, []),
        (NOW - edge, NOW - SECOND, ["CTG01"]),
        (NOW + SECOND, NOW + edge, ["CTG01"]),
    ):
        dian.ask("DELETE", "documents")
        dian.change(contingencies=[{"start": start, "end": end}])
        dian.stand_at(NOW + timedelta(hours=40))
        assert rejections(shop.send(document(kind))) == wanted


def test_paper_of_a_contingency_may_come_late(dian: DianDesk, shop: Sender) -> None:
    xml = shop.signed(document(Kind.PAPER_CONTINGENCY))
    dian.stand_at(NOW + timedelta(hours=40))
    assert shop.post(xml).outcome is Outcome.ACCEPTED


# Events: those of the examples, said anew about an invoice of the test and signed by its company.


class Declarer:
    def __init__(self, shop: Sender) -> None:
        self._shop = shop
        self._number = 0

    def declare(self, code: str, uuid: str, number: str, plant: Any = None, letters: str = "ar") -> Answer:
        """An event about an invoice."""
        self._number += 1
        root: Any = etree.parse(str(EXAMPLES / ("event_031_claim.xml" if code == "031" else "event_030.xml"))).getroot()
        place = root.findall("ext:UBLExtensions/ext:UBLExtension/ext:ExtensionContent", NS)[-1]
        del place[:]
        values = {
            "cbc:ID": f"EV{self._number}",
            "cbc:IssueDate": f"{NOW.astimezone(BOGOTA):%Y-%m-%d}",
            "cac:DocumentResponse/cac:Response/cbc:ResponseCode": code,
            "cac:DocumentResponse/cac:DocumentReference/cbc:ID": number,
            "cac:DocumentResponse/cac:DocumentReference/cbc:UUID": uuid,
            ".//sts:SoftwareSecurityCode": sha384(
                f"11111111-2222-3333-4444-555555555555{KEYS.pin}EV{self._number}".encode()
            ).hexdigest(),
        }
        for path, value in values.items():
            root.find(path, NS).text = value
        parts = [
            *("cbc:ID", "cbc:IssueDate", "cbc:IssueTime"),
            *(f"cac:{side}Party/cac:PartyTaxScheme/cbc:CompanyID" for side in ("Sender", "Receiver")),
            "cac:DocumentResponse/cac:Response/cbc:ResponseCode",
            *(f"cac:DocumentResponse/cac:DocumentReference/cbc:{each}" for each in ("ID", "DocumentTypeCode")),
        ]
        text = "".join(root.findtext(path, "", NS) for path in parts) + KEYS.pin
        root.find("cbc:UUID", NS).text = sha384(text.encode()).hexdigest()
        if plant is not None:
            plant(root)
        xml = sign(root, place, self._shop.credential, NOW)
        archive = pack({f"{self._shop.name(letters)}.xml": xml})
        got = self._shop.ask(lambda client: client.send_event(archive))
        assert isinstance(got, Answer)
        return got


@pytest.fixture
def declarer(dian: DianDesk, shop: Sender) -> Declarer:
    for number in ("FV500", "FV501", "FV502"):
        dian.register("999888666", number, number[-2:].ljust(96, "0"), NOW.date())
    return Declarer(shop)


def about(declarer: Declarer, number: str, *codes: str) -> list[list[str]]:
    return [rejections(declarer.declare(code, number[-2:].ljust(96, "0"), number)) for code in codes]


def test_events_come_in_their_order_and_once(declarer: Declarer) -> None:
    assert about(declarer, "FV500", "032", "033", "030") == [["DC24"], ["DC24"], []]
    assert about(declarer, "FV500", "030", "033", "032", "033") == [["LGC01"], ["DC24"], [], []]
    # Accepted, it is not claimed about any more.
    assert about(declarer, "FV500", "031", "034") == [["DC24"], ["DC24"]]
    assert about(declarer, "FV501", "030", "031", "033") == [[], [], ["DC24"]]
    assert about(declarer, "FV502", "030", "032", "034") == [[], [], []]
    assert about(declarer, "FV509", "030") == [["ABG04a"]]


def test_only_an_invoice_on_credit_has_events(shop: Sender, declarer: Declarer) -> None:
    cash = document(number="SETP990000040")
    credit = document(
        number="SETP990000041",
        payments=(Payment(form="2", means="1", due_on=(NOW + timedelta(days=30)).date()),),
    )
    for paper, wanted in ((cash, ["LGC01"]), (credit, [])):
        assert shop.send(paper).outcome is Outcome.ACCEPTED
        got = declarer.declare("030", identify(paper, KEYS).uuid, paper.number)
        assert rejections(got) == wanted


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("cbc:ProfileID", "DIAN 2.1", "AAD03"),
        ("cbc:UUID", "0" * 96, "AAD06"),
        (".//sts:SoftwareSecurityCode", "0" * 96, "AAB27b"),
        (".//sts:SoftwareID", "0" * 36, "AAB24b"),
    ],
)
def test_a_fault_in_an_event_is_rejected_by_its_rule(path: str, value: str, code: str, declarer: Declarer) -> None:
    def plant(root: Any) -> None:
        root.find(path, NS).text = value

    got = declarer.declare("030", "00".ljust(96, "0"), "FV500", plant)
    assert rejections(got) == [code]


def test_an_event_of_another_day_or_of_no_code_is_rejected(dian: DianDesk, declarer: Declarer) -> None:
    assert about(declarer, "FV500", "999") == [["LGC01"]]
    dian.stand_at(NOW + timedelta(days=1))
    assert about(declarer, "FV500", "030") == [["AAD09e"]]


def test_an_event_is_asked_for_by_its_invoice(dian: DianDesk, shop: Sender, declarer: Declarer) -> None:
    got = declarer.declare("030", "00".ljust(96, "0"), "FV500")
    assert got.outcome is Outcome.ACCEPTED
    assert shop.ask(lambda client: client.status(got.document_key)).accepts(got.document_key)
