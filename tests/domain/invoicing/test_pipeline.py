"""From pending to decided, whatever DIAN does meanwhile: nothing twice, nothing lost, nothing stuck."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.dev.dian_simulator.faults import Fault
from app.dev.dian_simulator.registry import Contingency
from app.domain.invoicing import transmit
from app.domain.invoicing.transmit import Transmission
from app.lib import clock
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold

SOON = timedelta(minutes=16)
"""Ahead of every repetition of a document."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transmit, "PATIENCE", 1.0)


@pytest.fixture
def moved(company: Company) -> Iterator[Any]:
    """Moves our clock and DIAN's together; both run again at the end."""

    def to(instant: datetime) -> None:
        clock.stand_at(instant)
        company.server.clock.stand_at(instant)

    yield to
    clock.stand_at(None)
    company.server.clock.run_from(clock.now())


async def states(company: Company) -> list[Any]:
    return await company.rows(
        "SELECT d.number, d.uuid AS printed, s.* FROM document_state s JOIN document d ON d.tenant_id = s.tenant_id "
        "AND d.id = s.document_id WHERE s.tenant_id = :t ORDER BY d.issued_at, d.id"
    )


async def state(company: Company) -> Any:
    (only,) = await states(company)
    return only


async def events(company: Company) -> list[str]:
    return [row.kind for row in await company.rows("SELECT kind FROM document_event WHERE tenant_id = :t ORDER BY id")]


async def test_a_silence_after_processing_sends_nothing_twice(company: Company) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="timeout-after-processing", operation="SendBillSync", seconds=3))
    await company.work()
    assert (await state(company)).status == "unknown"
    await company.work(ahead=SOON)
    found = await state(company)
    assert found.status == "accepted"
    assert company.server.service.store.sent[sale["document"]["uuid"]] == 1
    assert await events(company) == ["signed", "sent", "unknown", "accepted", "wrapped"]


@pytest.mark.parametrize("kind", ["garbage", "truncated", "doctype", "huge", "timeout-before-processing", "in-process"])
async def test_whatever_comes_back_it_is_asked_about_and_decided(company: Company, kind: Any) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind=kind, operation="SendBillSync", seconds=3))
    await company.work()
    assert (await state(company)).status in {"unknown", "sent"}
    await company.work(ahead=SOON)
    assert (await state(company)).status == "accepted"
    assert company.server.service.store.sent[sale["document"]["uuid"]] == 1
    xml = await company.rows("SELECT version FROM document_file WHERE tenant_id = :t AND kind = 'xml'")
    assert [row.version for row in xml] == [1]


async def test_a_killed_worker_leaves_a_document_that_is_asked_about_first(company: Company) -> None:
    sale = await sold(company)
    context = JobContext(
        database=company.database, tenant_id=company.tenant_id, job_id=uuid7(), attempt=1, request_id=""
    )
    run = Transmission(context, UUID(sale["document"]["id"]))
    company.server.faults.plant(Fault(kind="timeout-before-processing", operation="SendBillSync", seconds=3))
    killed = asyncio.create_task(run.run())
    while company.server.faults.all() or (await state(company)).status != "sent":
        await asyncio.sleep(0.02)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    left = await state(company)
    assert left.claimed_until > clock.now()
    # Whoever comes while the claim holds leaves it alone.
    await company.work()
    assert (await state(company)).status == "sent"
    await company.rows(
        "UPDATE document_state SET claimed_until = now() - interval '1 second' WHERE tenant_id = :t RETURNING 1"
    )
    await Transmission(context, UUID(sale["document"]["id"])).run()
    assert (await state(company)).status == "accepted"
    assert company.server.service.store.sent[sale["document"]["uuid"]] == 1


async def test_two_workers_never_have_one_document(company: Company) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="slow", operation="SendBillSync", seconds=0.5))
    contexts = [
        JobContext(database=company.database, tenant_id=company.tenant_id, job_id=uuid7(), attempt=1, request_id="")
        for _ in range(4)
    ]
    called = await asyncio.gather(*(Transmission(each, UUID(sale["document"]["id"])).run() for each in contexts))
    assert sorted(called) == [False, False, False, True]
    assert company.server.service.store.sent[sale["document"]["uuid"]] == 1
    assert (await state(company)).status == "accepted"


async def test_rule_90_is_success_only_with_our_own_key(company: Company) -> None:
    session = await company.shop.open_drawer()
    sale = await sold(company, session=session)
    store = company.server.service.store
    await company.work()
    uuid = sale["document"]["uuid"]
    # DIAN forgets by UUID what it knows by number: the answer to a second sending is rule 90 with our key.
    del store.by_uuid[uuid]
    await company.rows(
        "UPDATE document_state SET status = 'unknown', decided_at = NULL WHERE tenant_id = :t RETURNING 1"
    )
    context = JobContext(
        database=company.database, tenant_id=company.tenant_id, job_id=uuid7(), attempt=1, request_id=""
    )
    await Transmission(context, UUID(sale["document"]["id"])).run()
    assert store.sent[uuid] == 2
    assert (await state(company)).status == "accepted"
    # Another document behind the number is a rejection.
    second = await sold(company, session=session)
    first = next(each for each in store.by_key.values() if each.uuid == uuid)
    key = (first.key[0], first.key[1], second["document"]["number"])
    store.by_key[key] = first
    await company.work()
    found = await company.document(second["document"]["id"])
    assert found["status"] == "rejected"
    assert [rule["code"] for rule in found["rules"]] == ["90"]
    again = await company.shop.post(f"/v1/dian/documents/{second['document']['id']}/resend")
    assert again.json()["code"] == "number-taken"


async def test_a_rejected_document_is_explained_mended_and_sent_under_its_number(company: Company) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAJ44a"))
    await company.work()
    found = await company.document(sale["document"]["id"])
    assert found["status"] == "rejected"
    assert found["hasResponse"]
    (why,) = [rule for rule in found["rules"] if rule["rejects"]]
    assert why["mend"]
    assert why["place"] == "company"
    told = await company.shop.patch("/v1/company", {"address": "Carrera 7 # 1 - 1"})
    assert told.status_code == 200, told.text
    again = await company.shop.post(f"/v1/dian/documents/{found['id']}/resend")
    assert again.status_code == 200, again.text
    assert (again.json()["status"], again.json()["version"]) == ("pending", 2)
    await company.work()
    mended = await company.document(found["id"])
    assert mended["status"] == "accepted"
    assert mended["number"] == found["number"]
    xml = await company.shop.get(f"/v1/dian/documents/{found['id']}/xml")
    assert b"Carrera 7 # 1 - 1" in xml.content
    twice = await company.shop.post(f"/v1/dian/documents/{found['id']}/resend")
    assert twice.json()["code"] == "document-accepted"


async def test_a_notification_is_no_error(company: Company) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="notification", operation="SendBillSync", code="DEAJ40"))
    await company.work()
    found = await company.document(sale["document"]["id"])
    assert found["status"] == "accepted"
    assert "DEAJ40" in [rule["code"] for rule in found["rules"]]


async def test_what_dian_does_not_take_waits_for_somebody(company: Company) -> None:
    await sold(company)
    registry = company.server.service.registry
    programs = [each for each in registry.issuers if each.nit == company.nit]
    await company.rows("UPDATE dian_certificate SET sealed = NULL, retired_at = now() WHERE tenant_id = :t RETURNING 1")
    await company.work()
    found = await state(company)
    assert (found.status, found.message) == ("pending", "Falta el certificado digital (.p12).")
    assert programs
    await company.install_certificate()
    await company.work(ahead=SOON)
    # The sweep looks after it once its time has come.
    await company.rows("UPDATE document_state SET next_at = now() WHERE tenant_id = :t RETURNING 1")
    await company.sweep()
    await company.work(ahead=SOON)
    assert (await state(company)).status == "accepted"


async def test_the_circuit_opens_after_three_repetitions_and_closes_by_itself(company: Company, moved: Any) -> None:
    session = await company.shop.open_drawer()
    for _ in range(5):
        await sold(company, session=session)
    begun = clock.now()
    company.server.faults.plant(Fault(kind="status", status=503, times=100))
    moved(begun)
    calls = 0
    while True:
        await company.work(1)
        (circuit,) = await company.rows("SELECT * FROM dian_circuit WHERE tenant_id = :t")
        calls += 1
        if circuit.opened_at is not None:
            break
        assert calls < 20
        moved(clock.now() + timedelta(seconds=5))
    assert circuit.opened_at - begun <= timedelta(seconds=80)
    taken = 100 - (company.server.faults.all()[0].times or 0)
    assert taken <= 5
    # While it is open one probe a minute is all that DIAN sees.
    moved(clock.now() + timedelta(seconds=61))
    await company.work()
    assert 100 - (company.server.faults.all()[0].times or 0) <= taken + 1
    (finding,) = await company.rows(
        "SELECT count(*) AS n FROM dian_circuit WHERE tenant_id = :t AND opened_at IS NOT NULL"
    )
    assert finding.n == 1
    company.server.faults.clear()
    moved(clock.now() + timedelta(seconds=61))
    await company.work()
    assert {each.status for each in await states(company)} == {"accepted"}
    (circuit,) = await company.rows("SELECT * FROM dian_circuit WHERE tenant_id = :t")
    assert (circuit.opened_at, circuit.failures) == (None, 0)
    sent = company.server.service.store.sent
    assert {sent[each.uuid] for each in await states(company)} == {1}


async def test_after_midnight_it_is_dated_anew_once_dian_says_that_it_has_nothing(company: Company, moved: Any) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="timeout-before-processing", operation="SendBillSync", seconds=3))
    await company.work()
    moved(clock.now() + timedelta(days=1))
    await company.work()
    found = await state(company)
    assert found.status == "accepted"
    assert found.version == 2
    assert found.uuid != sale["document"]["uuid"]
    assert found.uuid in company.server.service.store.by_uuid
    assert sale["document"]["uuid"] not in company.server.service.store.by_uuid
    assert "redated" in await events(company)


async def test_what_was_processed_before_midnight_keeps_its_date(company: Company, moved: Any) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="timeout-after-processing", operation="SendBillSync", seconds=3))
    await company.work()
    moved(clock.now() + timedelta(days=1))
    await company.work()
    found = await state(company)
    assert (found.status, found.version, found.uuid) == ("accepted", 1, sale["document"]["uuid"])


@pytest.mark.parametrize(("wanted", "kind"), [("invoice", "04"), ("pos", "08")])
async def test_a_declared_contingency_changes_the_type_and_nothing_that_was_printed(
    company: Company, moved: Any, wanted: str, kind: str
) -> None:
    start = clock.now() - timedelta(minutes=5)
    declared = await company.shop.post(
        "/v1/dian/contingencies", {"reason": "La DIAN lo anunció", "startedAt": start.isoformat()}
    )
    assert declared.status_code == 201, declared.text
    company.server.faults.plant(Fault(kind="status", status=503, times=100))
    sale = await sold(company, document=wanted)
    await company.work()
    ended = await company.shop.post(f"/v1/dian/contingencies/{declared.json()['id']}/end")
    assert ended.json()["pending"] == 1
    assert ended.json()["deadline"] is not None
    company.server.service.registry.contingencies.append(Contingency(start=start, end=clock.now()))
    company.server.faults.clear()
    moved(clock.now() + timedelta(hours=30))
    await company.sweep()
    await company.work()
    found = await state(company)
    assert (found.status, found.kind) == ("accepted", kind)
    assert found.uuid == sale["document"]["uuid"] == found.printed
    company.server.service.registry.contingencies.clear()


async def test_a_long_silence_declares_the_contingency_when_the_shop_wants_it(company: Company, moved: Any) -> None:
    kept = await company.put("/v1/dian/settings", company.settings(contingencyAfter=30))
    assert kept.status_code == 200, kept.text
    await sold(company)
    company.server.faults.plant(Fault(kind="status", status=503, times=1000))
    moved(clock.now())
    for _ in range(60):
        await company.work(1)
        moved(clock.now() + timedelta(minutes=1))
    (open_one,) = await company.rows("SELECT * FROM dian_contingency WHERE tenant_id = :t")
    assert open_one.is_automatic
    assert open_one.ended_at is None
    company.server.faults.clear()
    company.server.service.registry.contingencies.append(
        Contingency(start=open_one.started_at - timedelta(minutes=1), end=clock.now() + timedelta(hours=1))
    )
    moved(clock.now() + timedelta(minutes=2))
    await company.sweep()
    await company.work()
    (ended,) = await company.rows("SELECT * FROM dian_contingency WHERE tenant_id = :t")
    assert ended.ended_at is not None
    assert (await state(company)).status == "accepted"
    company.server.service.registry.contingencies.clear()
