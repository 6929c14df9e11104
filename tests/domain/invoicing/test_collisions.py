"""Two at once, and midnight: nothing is sent twice, nothing waits for ever, no note names what is no longer."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app.db.jobs import JobContext
from app.dev.dian_simulator.faults import Fault
from app.domain.invoicing import transmit
from app.domain.invoicing.circuit import count_failure, count_success, take_probe
from app.domain.invoicing.claims import claim_document
from app.domain.invoicing.model import BOGOTA
from app.domain.invoicing.transmit import Transmission
from app.domain.invoicing.vault import Vault
from app.lib import clock
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold

SOON = timedelta(minutes=16)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transmit, "PATIENCE", 2.0)


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
        "SELECT d.number, d.id, d.kind AS printed_kind, s.* FROM document_state s JOIN document d "
        "ON d.tenant_id = s.tenant_id AND d.id = s.document_id WHERE s.tenant_id = :t ORDER BY d.issued_at, d.id"
    )


async def events(company: Company) -> list[str]:
    return [row.kind for row in await company.rows("SELECT kind FROM document_event WHERE tenant_id = :t ORDER BY id")]


def context(company: Company) -> JobContext:
    return JobContext(database=company.database, tenant_id=company.tenant_id, job_id=uuid7(), attempt=1, request_id="")


async def open_circuit(company: Company) -> None:
    for _ in range(4):
        async with company.database.job_transaction(company.tenant_id) as work:
            now = clock.now()
            await count_failure(work, began=now, now=now, silent=False, error="503")
    (row,) = await company.rows("SELECT opened_at FROM dian_circuit WHERE tenant_id = :t")
    assert row.opened_at is not None


def midnight() -> datetime:
    """The next one in Bogotá."""
    tomorrow = clock.now().astimezone(BOGOTA).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), BOGOTA)


async def test_what_arrives_a_second_after_midnight_is_dated_anew_by_itself(company: Company, moved: Any) -> None:
    last = midnight() - timedelta(seconds=2)
    moved(last)
    session = await company.shop.log_in()
    company.shop.token = session.json()["accessToken"]
    sale = await sold(company)
    # It takes DIAN's door over midnight to look at the message.
    company.server.clock.stand_at(last + timedelta(seconds=3))
    company.server.faults.plant(Fault(kind="slow", operation="SendBillSync", seconds=0.6))

    async def strike() -> None:
        while company.server.faults.all():
            await asyncio.sleep(0.02)
        clock.stand_at(last + timedelta(seconds=3))

    await asyncio.gather(company.work(1), strike())
    await company.work()
    (found,) = await states(company)
    assert (found.status, found.version) == ("accepted", 2), found.message
    assert found.uuid != sale["document"]["uuid"]
    assert found.number == sale["document"]["number"]
    assert await events(company) == ["signed", "sent", "rejected", "redated", "signed", "sent", "accepted", "wrapped"]
    valid = [each.uuid for each in company.server.service.store.by_key.values() if each.key[0] == company.nit]
    assert valid == [found.uuid]


async def test_a_rejection_for_its_date_on_the_same_day_is_a_rejection(company: Company) -> None:
    await sold(company)
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAD09e"))
    await company.work()
    assert [each.status for each in await states(company)] == ["rejected"]


async def test_closing_the_circuit_waits_for_nobody(company: Company) -> None:
    sale = await sold(company)
    await open_circuit(company)
    vault = Vault(company.database.settings)
    async with company.database.job_transaction(company.tenant_id) as at_work:
        claimed = await claim_document(at_work, vault, UUID(sale["document"]["id"]), uuid7(), clock.now())
        assert claimed is not None

        async def close() -> None:
            async with company.database.job_transaction(company.tenant_id) as work:
                await count_success(work, began=clock.now(), now=clock.now())

        # The run holds its document and will ask for the circuit next: whoever holds that must not want the document.
        async with asyncio.timeout(5):
            await close()
        assert await take_probe(at_work, clock.now())


async def test_while_only_a_note_waits_it_is_what_dian_is_probed_with(company: Company, moved: Any) -> None:
    sale = await sold(company)
    await company.work()
    moved(clock.now())
    await open_circuit(company)
    void = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "se equivocó"})
    assert void.status_code == 201, void.text
    await company.work()
    assert [each.status for each in await states(company)] == ["accepted", "pending"]
    for _ in range(8):
        moved(clock.now() + timedelta(minutes=1))
        await company.sweep()
        await company.work()
    assert [each.status for each in await states(company)] == ["accepted", "accepted"]


async def test_a_note_that_waits_for_another_day_names_what_was_dated_anew(company: Company, moved: Any) -> None:
    sale = await sold(company, document="invoice")
    company.server.faults.plant(Fault(kind="timeout-before-processing", operation="SendBillSync", seconds=3))
    await company.work(1)
    void = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "se equivocó"})
    assert void.status_code == 201, void.text
    await company.work(1)
    assert [each.status for each in await states(company)] == ["unknown", "pending"]
    moved(clock.now() + timedelta(days=1))
    await company.sweep()
    await company.work()
    invoice, note = await states(company)
    assert (invoice.status, invoice.version) == ("accepted", 2)
    assert (note.status, note.version) == ("accepted", 2), note.message
    stored = company.server.service.store.by_uuid[note.uuid]
    assert stored.reference == invoice.uuid != sale["document"]["uuid"]


async def test_a_double_click_on_send_again_makes_one_version_and_sends_it_once(company: Company) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAJ44a"))
    await company.work()
    path = f"/v1/dian/documents/{sale['document']['id']}/resend"
    answers = await asyncio.gather(*(company.shop.post(path) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert {answer.json()["version"] for answer in answers} == {2}
    company.server.faults.plant(Fault(kind="slow", operation="SendBillSync", seconds=0.3))
    runs = [Transmission(context(company), UUID(sale["document"]["id"])) for _ in range(4)]
    called = await asyncio.gather(*(run.run() for run in runs))
    assert sorted(called) == [False, False, False, True]
    await company.work()
    (found,) = await states(company)
    assert (found.status, found.version) == ("accepted", 2)
    # Within one second the second version has the first one's identity: both arrivals are counted together.
    sent = company.server.service.store.sent
    assert sum(sent[uuid] for uuid in {found.uuid, sale["document"]["uuid"]}) == 2


async def test_sending_again_while_a_worker_has_it_sends_once(company: Company) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="slow", operation="SendBillSync", seconds=0.6))
    running = asyncio.create_task(Transmission(context(company), UUID(sale["document"]["id"])).run())
    while company.server.faults.all():
        await asyncio.sleep(0.02)
    again = await company.shop.post(f"/v1/dian/documents/{sale['document']['id']}/resend")
    assert again.status_code == 200, again.text
    await company.work()
    await running
    await company.work(ahead=SOON)
    (found,) = await states(company)
    assert found.status == "accepted"
    assert company.server.service.store.sent[found.uuid] == 1


async def test_a_worker_that_was_frozen_past_its_claim_changes_nothing(company: Company) -> None:
    """It wakes up after another has sent and settled: the same bytes, rule 90 with our key, and a claim that is gone."""
    sale = await sold(company)
    document_id = UUID(sale["document"]["id"])
    company.server.faults.plant(Fault(kind="slow", operation="SendBillSync", seconds=1.0))
    frozen = asyncio.create_task(Transmission(context(company), document_id).run())
    while company.server.faults.all():
        await asyncio.sleep(0.02)
    await company.rows(
        "UPDATE document_state SET claimed_until = now() - interval '1 second' WHERE tenant_id = :t RETURNING 1"
    )
    assert await Transmission(context(company), document_id).run()
    before = await states(company)
    assert before[0].status == "accepted"
    await frozen
    assert await states(company) == before
    accepted = [kind for kind in await events(company) if kind == "accepted"]
    assert accepted == ["accepted"]


@pytest.mark.parametrize(("wanted", "kind"), [("invoice", "01"), ("pos", "20")])
async def test_a_contingency_that_dian_does_not_know_gives_an_ordinary_document(
    company: Company, wanted: str, kind: str
) -> None:
    """Also while the shop goes on believing in it."""
    declared = await company.shop.post(
        "/v1/dian/contingencies",
        {"reason": "Alguien lo dijo", "startedAt": (clock.now() - timedelta(minutes=5)).isoformat()},
    )
    assert declared.status_code == 201, declared.text
    sale = await sold(company, document=wanted)
    await company.work()
    (found,) = await states(company)
    assert (found.status, found.kind, found.version) == ("accepted", kind, 3), found.message
    assert found.number == sale["document"]["number"]
    history = await events(company)
    assert history == ["contingency", "signed", "sent", "rejected", "corrected", "signed", "sent", "accepted", "wrapped"]
