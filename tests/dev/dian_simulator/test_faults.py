"""Each misbehaviour, seen by the product's client over HTTP, and what the document's state is behind it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.dev.dian_desk import DianDesk
from app.dev.fault_file import Fault, Misbehaviour, forget_fault, write_fault
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.model import Document
from app.integrations.dian import soap
from app.integrations.dian.answers import Answer, Outcome
from tests.dev.dian_simulator.house import Sender, teach
from tests.dian import DianProcess
from tests.domain.invoicing.papers import KEYS, NOW, document

PAPER = document()
UUID = identify(PAPER, KEYS).uuid


@pytest.fixture
def shop(dian: DianDesk) -> Sender:
    return teach(dian)


def state(shop: Sender, uuid: str = UUID) -> Answer:
    got = shop.ask(lambda client: client.status(uuid))
    assert isinstance(got, Answer)
    return got


@pytest.mark.parametrize(
    ("fault", "outage"),
    [
        ({"kind": "timeout-after-processing"}, True),
        ({"kind": "hang-up"}, True),
        ({"kind": "slow", "seconds": 3}, True),
        ({"kind": "truncated"}, True),
        ({"kind": "status", "status": 500, "processed": True}, True),
        ({"kind": "garbage"}, False),
        ({"kind": "doctype"}, False),
        ({"kind": "huge"}, False),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_an_answer_that_got_lost_is_found_again_by_its_key(
    fault: dict[str, Any], outage: bool, dian: DianDesk, shop: Sender
) -> None:
    dian.break_(**fault)
    xml = shop.signed(PAPER)
    lost = shop.post(xml, seconds=1)
    assert (lost.outcome, lost.is_outage) == (Outcome.UNKNOWN, outage)
    assert lost.response is None
    assert state(shop).accepts(UUID)
    again = shop.post(xml)
    assert again.is_duplicate
    assert again.accepts(UUID)
    assert again.response == state(shop).response
    assert dian.arrivals(UUID) == 2


@pytest.mark.parametrize(
    ("fault", "outcome", "outage"),
    [
        ({"kind": "timeout-before-processing"}, Outcome.UNKNOWN, True),
        ({"kind": "status", "status": 500}, Outcome.UNKNOWN, True),
        ({"kind": "status", "status": 503}, Outcome.UNKNOWN, True),
        ({"kind": "status", "status": 508}, Outcome.UNKNOWN, True),
        ({"kind": "status", "status": 403}, Outcome.UNKNOWN, True),
        ({"kind": "internal"}, Outcome.UNKNOWN, False),
        ({"kind": "not-authorised"}, Outcome.REFUSED, False),
        ({"kind": "rule", "code": "FAU14"}, Outcome.REJECTED, False),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_was_not_taken_can_be_sent_again(
    fault: dict[str, Any], outcome: Outcome, outage: bool, dian: DianDesk, shop: Sender
) -> None:
    dian.break_(**fault)
    xml = shop.signed(PAPER)
    got = shop.post(xml, seconds=1)
    assert (got.outcome, got.is_outage) == (outcome, outage)
    assert [rule.code for rule in got.rules if rule.rejects] == ([fault["code"]] if fault["kind"] == "rule" else [])
    assert state(shop).outcome is (Outcome.REJECTED if fault["kind"] == "rule" else Outcome.ABSENT)
    assert dian.valid() == []
    again = shop.post(xml)
    assert again.accepts(UUID)
    assert not again.is_duplicate
    assert state(shop).accepts(UUID)


def test_a_document_may_be_in_process_for_a_while(dian: DianDesk, shop: Sender) -> None:
    dian.break_("in-process", times=3)
    assert shop.send(PAPER).outcome is Outcome.PENDING
    assert [state(shop).outcome for _ in range(3)] == [Outcome.PENDING, Outcome.PENDING, Outcome.ACCEPTED]


def test_a_notification_does_not_stop_a_document(dian: DianDesk, shop: Sender) -> None:
    dian.break_("notification", code="RUT01")
    got = shop.send(PAPER)
    assert got.accepts(UUID)
    assert ("RUT01", False) in {(rule.code, rule.rejects) for rule in got.rules}


def test_a_slow_answer_is_an_answer(dian: DianDesk, shop: Sender) -> None:
    dian.break_("slow", seconds=0.6)
    began = time.monotonic()
    assert shop.send(PAPER).accepts(UUID)
    assert time.monotonic() - began >= 0.6


def test_an_answer_in_drops_is_an_answer_until_patience_ends(
    dian: DianDesk, shop: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    dian.break_("trickle", seconds=1.5, times=2)
    xml = shop.signed(PAPER)
    # No single silence is as long as the client's limit for one.
    assert shop.post(xml, seconds=1).accepts(UUID)
    monkeypatch.setattr(soap, "_LONGEST", 0.5)
    began = time.monotonic()
    got = shop.post(xml, seconds=1)
    assert (got.outcome, got.is_outage) == (Outcome.UNKNOWN, True)
    assert time.monotonic() - began < 1.4


def test_a_frozen_dian_answers_nobody_and_then_everybody(dian: DianDesk, shop: Sender) -> None:
    dian.break_("freeze", seconds=2)
    began = time.monotonic()
    assert state(shop).outcome is Outcome.ABSENT
    assert time.monotonic() - began >= 1.8
    dian.break_("freeze", seconds=60)
    assert shop.ask(lambda client: client.status(UUID), seconds=0.3).outcome is Outcome.UNKNOWN
    dian.mend()
    assert state(shop).outcome is Outcome.ABSENT


def _numbered(last: int) -> Document:
    return document(number=f"SETP9900000{last}")


def test_a_fault_is_chosen_by_number_operation_and_count(dian: DianDesk, shop: Sender) -> None:
    dian.break_("status", number="SETP990000021", times=2)
    assert shop.send(_numbered(20)).outcome is Outcome.ACCEPTED
    outcomes = [shop.send(_numbered(21)).outcome for _ in range(3)]
    assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.ACCEPTED]
    dian.break_("status", operation="GetStatus")
    assert shop.send(_numbered(22)).outcome is Outcome.ACCEPTED
    assert [state(shop).outcome for _ in range(2)] == [Outcome.UNKNOWN, Outcome.ABSENT]
    dian.break_("status", after=2)
    assert [state(shop).outcome for _ in range(4)] == [
        Outcome.ABSENT, Outcome.ABSENT, Outcome.UNKNOWN, Outcome.ABSENT
    ]  # fmt: skip
    dian.break_("status", times=0)
    assert {state(shop).outcome for _ in range(5)} == {Outcome.UNKNOWN}
    dian.mend()
    assert state(shop).outcome is Outcome.ABSENT


def test_an_outage_has_its_window_and_allows_contingency_documents(dian: DianDesk, shop: Sender) -> None:
    change = dian.ask("GET", "registry")
    dian.ask("PUT", "registry", {**change, "contingencies": []})
    begins, ends = NOW - timedelta(minutes=5), NOW + timedelta(hours=3)
    paper = document(Kind.DIAN_CONTINGENCY)
    assert [rule.code for rule in shop.send(paper).rules if rule.rejects] == ["CTG01"]
    dian.outage(begins, ends)
    assert (state(shop).outcome, state(shop).is_outage) == (Outcome.UNKNOWN, True)
    assert shop.send(paper).http_status == 503
    dian.stand_at(ends)
    # Signed while DIAN was away, sent when it is back: later the same day, or on the next two.
    dian.stand_at(ends + timedelta(hours=20))
    assert shop.send(paper).outcome is Outcome.ACCEPTED


def test_an_undeclared_outage_is_no_contingency(dian: DianDesk, shop: Sender) -> None:
    dian.change(contingencies=[])
    dian.outage(NOW - timedelta(minutes=5), NOW + timedelta(minutes=1), declared=False, status=500)
    assert state(shop).http_status == 500
    dian.stand_at(NOW + timedelta(minutes=2))
    assert [rule.code for rule in shop.send(document(Kind.DIAN_CONTINGENCY)).rules if rule.rejects] == ["CTG01"]


def test_of_many_at_once_one_is_first(dian: DianDesk, shop: Sender) -> None:
    xml = shop.signed(PAPER)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: shop.post(xml), range(8)))
    assert sorted(each.outcome for each in got) == [Outcome.ACCEPTED] + [Outcome.REJECTED] * 7
    assert all(each.accepts(UUID) for each in got)
    assert len({each.response for each in got}) == 1
    assert dian.arrivals(UUID) == 8


@pytest.fixture
def spoil(dian_process: DianProcess) -> Iterator[DianProcess]:
    yield dian_process
    forget_fault(dian_process.folder)


@pytest.mark.parametrize(
    ("how", "outcome", "behind"),
    [
        ("error", Outcome.UNKNOWN, Outcome.ABSENT),
        ("garbage", Outcome.UNKNOWN, Outcome.ACCEPTED),
        ("timeout-after-processing", Outcome.UNKNOWN, Outcome.ACCEPTED),
        ("slow", Outcome.UNKNOWN, Outcome.ACCEPTED),
    ],
)
def test_it_misbehaves_as_the_launcher_asks_and_outlives_a_kill(
    how: Misbehaviour, outcome: Outcome, behind: Outcome, spoil: DianProcess, shop: Sender
) -> None:
    write_fault(spoil.folder, Fault(how))
    spoil.restart()
    spoil.desk.stand_at(NOW)
    assert shop.ask(lambda client: client.send_bill(*shop.packed(PAPER)), 1.0).outcome is outcome
    forget_fault(spoil.folder)
    assert state(shop).outcome is behind


def test_a_misbehaviour_ends_with_its_time(spoil: DianProcess, shop: Sender) -> None:
    write_fault(spoil.folder, Fault("error", until=time.time() + 0.5))
    assert state(shop).http_status == 503
    time.sleep(0.6)
    assert state(shop).outcome is Outcome.ABSENT


def test_a_fault_that_makes_no_sense_is_refused(dian: DianDesk) -> None:
    senseless: list[object] = [
        {"kind": "nothing"},
        {"kind": "slow", "seconds": -1},
        {"kind": "status", "status": 200},
        {"kind": "slow", "start": "2026-11-20T10:00:00"},
        {"kind": "slow", "colour": "red"},
        [],
    ]
    for wrong in senseless:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            dian.ask("POST", "faults", wrong)
        assert refused.value.response.status_code == 400
    assert dian.ask("GET", "faults") == []
