"""The process itself: what survives its end, whose clock it has, how a company enrols, what its control door refuses."""

import signal
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import structs

from app.dev.dian_desk import DianDesk, Numbering, Taxpayer
from app.domain.invoicing.identify import Keys, identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.model import Document, NumberingRange, Party
from app.domain.invoicing.xml.documents import build
from app.integrations.dian.answers import Answer, Outcome
from app.integrations.dian.certificate import open_p12
from app.integrations.dian.files import pack
from app.integrations.dian.sign import sign
from tests.dev.dian_simulator.house import NIT, Sender, teach
from tests.dian import DianProcess
from tests.domain.invoicing.papers import ISSUER, KEYS, NOW, SOFTWARE, document

PAPER = document()
UUID = identify(PAPER, KEYS).uuid


def _decided(shop: Sender, zip_key: str) -> Answer:
    """The answer about a batch of one, which is not ready at the first question."""
    first, second = (shop.ask(lambda client: client.status_of_zip(zip_key)) for _ in range(2))
    assert first[0].outcome is Outcome.PENDING
    (answer,) = second
    assert isinstance(answer, Answer)
    return answer


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[DianProcess]:
    """A process that no other test knows."""
    process = DianProcess(tmp_path / "dian", str(tmp_path / "clock.json"))
    yield process
    process.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_restart_forgets_nothing(number: signal.Signals, alone: DianProcess) -> None:
    shop = teach(alone.desk)
    accepted = shop.send(PAPER)
    wrong = document(number="SETP990000011", totals=structs.replace(PAPER.totals, payable=PAPER.totals.payable + 5))
    rejected = shop.send(wrong)
    batch = shop.ask(lambda client: client.send_test_set(*shop.packed(document(number="SETP990000012")), "set-1"))
    decided = shop.ask(lambda client: client.send_test_set(*shop.packed(document(number="SETP990000013")), "set-1"))
    before = _decided(shop, decided.zip_key)
    taught = alone.desk.ask("GET", "registry")
    assert taught["test_sets"][0]["accepted_by_kind"] == {"01": 1}
    seen = alone.desk.ask("GET", "documents")

    alone.restart(number)
    assert alone.desk.ask("GET", "registry") == taught
    assert alone.desk.ask("GET", "documents") == seen
    alone.desk.stand_at(NOW)
    status = shop.ask(lambda client: client.status(UUID))
    assert (status.accepts(UUID), status.response) == (True, accepted.response)
    assert shop.send(PAPER).is_duplicate
    again = shop.ask(lambda client: client.status(identify(wrong, KEYS).uuid))
    assert (again.outcome, again.rules) == (Outcome.REJECTED, rejected.rules)
    # Decided batches answer as before; one that was waiting is still there.
    states = [shop.ask(lambda client: client.status_of_zip(decided.zip_key))[0] for _ in range(2)]
    assert states[-1] == before
    states = [shop.ask(lambda client: client.status_of_zip(batch.zip_key))[0].outcome for _ in range(2)]
    assert states == [Outcome.PENDING, Outcome.ACCEPTED]


def test_a_write_that_a_kill_cut_off_is_forgotten_and_no_more(alone: DianProcess) -> None:
    shop = teach(alone.desk)
    assert shop.send(PAPER).outcome is Outcome.ACCEPTED
    alone.stop(signal.SIGKILL)
    journal = alone.folder / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"type":"valid","key":["999')
    alone.start()
    assert journal.read_bytes() == whole
    alone.desk.stand_at(NOW)
    assert shop.send(PAPER).is_duplicate
    assert shop.send(document(number="SETP990000011")).outcome is Outcome.ACCEPTED
    alone.restart()
    assert [each["number"] for each in alone.desk.valid()] == ["SETP990000010", "SETP990000011"]


def test_its_clock_is_the_launchers_unless_it_is_moved(alone: DianProcess, tmp_path: Path) -> None:
    assert abs(alone.desk.now() - datetime.now(UTC)) < timedelta(seconds=30)
    (tmp_path / "clock.json").write_bytes(msgspec.json.encode({"offset_seconds": 86_400}))
    assert abs(alone.desk.now() - datetime.now(UTC) - timedelta(days=1)) < timedelta(seconds=30)
    alone.desk.stand_at(NOW)
    assert [alone.desk.now(), alone.desk.now()] == [NOW, NOW]
    alone.desk.run_from(NOW)
    assert NOW < alone.desk.now() < NOW + timedelta(seconds=30)
    alone.desk.reset()
    assert alone.desk.now() > datetime.now(UTC) + timedelta(hours=23)


def test_a_reset_forgets_everything_but_its_certificates(alone: DianProcess) -> None:
    taxpayer = alone.desk.enrol(NIT, ISSUER.name)
    shop = teach(alone.desk)
    assert shop.send(PAPER).outcome is Outcome.ACCEPTED
    alone.desk.break_("status", times=0)
    alone.desk.reset()
    for _ in range(2):
        assert alone.desk.valid() == []
        assert alone.desk.ask("GET", "registry")["ranges"] == []
        assert alone.desk.ask("GET", "faults") == []
        alone.restart()
    own = Sender(alone.desk.url, alone.desk.now, open_p12(taxpayer.p12, taxpayer.password))
    assert own.ask(lambda client: client.status(UUID)).outcome is Outcome.ABSENT


def _paper(kind: Kind, taxpayer: Taxpayer, at: datetime) -> Document:
    """A document of an enrolled company, with nothing but what it was given."""
    given = taxpayer.numbering(kind)
    issuer: Party = structs.replace(ISSUER, identification=taxpayer.nit, dv="3", name="Tienda Nueva S.A.S.")
    return document(
        kind,
        issuer=issuer,
        issued_at=at,
        prefix=given.prefix,
        number=f"{given.prefix}{given.first}",
        range=_range(given),
        software=structs.replace(
            SOFTWARE, id=taxpayer.software_id, provider_nit=taxpayer.nit, provider_dv="3", maker="Mostrador"
        ),
    )


def _range(given: Numbering) -> NumberingRange:
    return NumberingRange(
        authorization=given.authorization,
        prefix=given.prefix,
        first=given.first,
        last=given.last,
        valid_from=date.fromisoformat(given.valid_from),
        valid_to=date.fromisoformat(given.valid_to),
    )


def test_an_enrolled_company_may_issue_every_kind(dian: DianDesk) -> None:
    """In real time, with the certificate, the program and the ranges of the desk."""
    taxpayer = dian.enrol("900373115", "Tienda Nueva S.A.S.", mail=ISSUER.email)
    credential = open_p12(taxpayer.p12, taxpayer.password)
    assert credential.is_chain_complete
    shop = Sender(dian.url, dian.now, credential)
    now = dian.now()
    dian.add(contingencies=[{"start": now - timedelta(hours=1), "end": now + timedelta(hours=1)}])
    for kind in (kind for kind in Kind if KINDS[kind].is_numbered and kind is not Kind.DIAN_CONTINGENCY):
        paper = _paper(kind, taxpayer, now)
        if kind is Kind.EXPORT:
            paper = structs.replace(paper, number=f"{paper.prefix}990000001")
        key = taxpayer.numbering(kind).technical_key
        built = build(paper, identify(paper, Keys(pin=taxpayer.pin, technical_key=key)))
        got = shop.post(sign(built.root, built.place, credential, now), paper.fixed.file)
        assert [str(rule) for rule in got.rules if rule.rejects] == [], kind
        assert got.outcome is Outcome.ACCEPTED
    ranges = shop.ask(lambda client: client.numbering_ranges(taxpayer.nit, taxpayer.nit, taxpayer.software_id))
    assert {each.prefix for each in ranges.ranges} == {each.prefix for each in taxpayer.ranges}


def test_who_enrols_twice_keeps_its_program_its_set_and_its_documents(dian: DianDesk) -> None:
    first, second = dian.enrol("900373115", "Tienda"), dian.enrol("900373115", "Tienda", pin="54321")
    assert (first.software_id, first.test_set_id) == (second.software_id, second.test_set_id)
    assert (first.pin, second.pin) == ("12345", "54321")
    registry = dian.ask("GET", "registry")
    assert [len(registry[name]) for name in ("issuers", "software", "test_sets", "ranges")] == [1, 1, 1, 5]
    assert registry["software"][0]["pin"] == "54321"
    assert dian.enrol("800197268", "Otra").software_id != first.software_id


def test_a_test_set_asks_for_its_kinds(dian: DianDesk) -> None:
    shop = teach(dian)
    dian.add(test_sets=[{"id": "kinds", "nit": NIT, "needed": 2, "needed_by_kind": {"01": 1, "91": 1}}])

    def send(paper: Document) -> Any:
        sent = shop.ask(lambda client: client.send_test_set(*shop.packed(paper), "kinds"))
        if sent.outcome is Outcome.PENDING:
            return _decided(shop, sent.zip_key)
        return sent

    assert send(PAPER).outcome is Outcome.ACCEPTED
    # The same number again is no second document of the set.
    assert send(PAPER).is_duplicate
    assert send(document(number="SETP990000011")).outcome is Outcome.ACCEPTED
    assert dian.ask("GET", "registry")["test_sets"][-1]["accepted_by_kind"] == {"01": 2}
    waiting = shop.ask(lambda client: client.send_test_set(*shop.packed(document(number="SETP990000012")), "kinds"))
    assert send(document(Kind.CREDIT_NOTE)).outcome is Outcome.ACCEPTED
    # Accepted as a whole, it takes nothing more, not even what was on its way.
    assert send(document(number="SETP990000013")).outcome is Outcome.SET_ACCEPTED
    late = _decided(shop, waiting.zip_key)
    assert (late.outcome, late.status_code) == (Outcome.SET_ACCEPTED, "2")
    assert "se encuentra Aceptado" in late.message
    unknown = shop.ask(lambda client: client.send_test_set(*shop.packed(PAPER), "no-such-set"))
    assert unknown.outcome is Outcome.REFUSED
    dian.change(environment="1")
    refused = shop.ask(lambda client: client.send_test_set(*shop.packed(PAPER), "kinds"))
    assert "no disponible en producción" in refused.message


def test_a_batch_brings_a_verdict_for_each_document(dian: DianDesk) -> None:
    shop = teach(dian)
    dian.ask("PUT", "batches", {"pendingCalls": 2})
    wrong = document(number="SETP990000011", totals=structs.replace(PAPER.totals, payable=PAPER.totals.payable + 5))
    files = {f"{shop.name('fv')}.xml": shop.signed(each) for each in (PAPER, wrong)}
    files[f"{shop.name('nc')}.xml"] = shop.signed(document(Kind.CREDIT_NOTE))
    sent = shop.ask(lambda client: client.send_bills(f"{shop.name('z')}.zip", pack(files)))
    states = [shop.ask(lambda client: client.status_of_zip(sent.zip_key)) for _ in range(4)]
    assert [[each.outcome for each in state] for state in states] == [
        [Outcome.PENDING],
        [Outcome.PENDING],
        *([[Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]] * 2),
    ]
    assert states[2] == states[3]
    # Asking for the verdict again decides nothing again.
    assert dian.arrivals(identify(wrong, KEYS).uuid) == 1
    assert shop.ask(lambda client: client.status_of_zip("none-such"))[0].outcome is Outcome.ABSENT


def test_a_document_of_a_batch_can_be_asked_for_by_its_key(dian: DianDesk) -> None:
    shop = teach(dian)
    shop.ask(lambda client: client.send_bills(*shop.packed(PAPER)))
    states = [shop.ask(lambda client: client.status(UUID)) for _ in range(3)]
    assert [each.outcome for each in states] == [Outcome.PENDING, Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert states[-1].accepts(UUID)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("DELETE", "registry", None, 404),
        ("PUT", "clock", {"now": "2026-11-20T10:00:00"}, 400),
        ("PUT", "clock", {}, 400),
        ("PUT", "registry", {"issuers": [{}]}, 400),
        ("POST", "companies", {"nit": "900373115"}, 400),
        ("POST", "companies", {"nit": "900373115", "name": "T", "colour": "red"}, 400),
        ("POST", "outages", {"start": "2026-11-20T10:00:00Z"}, 400),
    ],
)
def test_its_control_door_refuses_what_it_does_not_understand(
    method: str, path: str, body: object, status: int, dian: DianDesk
) -> None:
    with pytest.raises(httpx.HTTPStatusError) as refused:
        dian.ask(method, path, body)
    assert refused.value.response.status_code == status
    assert dian.ask("GET", "registry")["issuers"] == []


def test_a_request_without_a_length_or_with_a_huge_one_is_refused(dian_process: DianProcess) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"{}"

    url = dian_process.desk.url
    assert httpx.post(url, content=chunks(), trust_env=False).status_code == 411
    with socket.create_connection(("127.0.0.1", dian_process.port), timeout=5) as line:
        line.sendall(b"POST /WcfDianCustomerServices.svc HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 413")
