"""DIAN away: what the buyer gets meanwhile, what stays as printed, and whose failure it is."""

import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from lxml import etree

from app.db.session import Database
from app.dev.dian_simulator.faults import Fault
from app.dev.dian_simulator.registry import Contingency
from app.domain.invoicing import transmit
from app.integrations.dian import soap
from app.lib import clock
from tests.dian_verify import schema_errors, verify_with_xmlsec
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_delivery import bought
from tests.domain.invoicing.test_sales import sold
from tests.sink import Sink

SOON = timedelta(minutes=16)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transmit, "PATIENCE", 2.0)


@pytest.fixture
def moved(company: Company) -> Iterator[Any]:
    def to(instant: datetime) -> None:
        clock.stand_at(instant)
        company.server.clock.stand_at(instant)

    yield to
    clock.stand_at(None)
    company.server.clock.run_from(clock.now())
    company.server.service.registry.contingencies.clear()


@pytest.fixture
async def posted(company: Company, sink: Sink) -> AsyncIterator[Company]:
    """The company with a mail server."""
    before = company.database
    settings = msgspec.structs.replace(
        before.settings,
        smtp_host="127.0.0.1",
        smtp_port=sink.settings.smtp_port,
        smtp_tls="none",
        smtp_user=None,
        smtp_pass=None,
        mail_from=sink.settings.mail_from,
    )
    company.database = Database(settings, before.bell)
    yield company
    await before.close()


async def declare(company: Company) -> str:
    start = (clock.now() - timedelta(minutes=5)).isoformat()
    made = await company.shop.post("/v1/dian/contingencies", {"reason": "Anunciada", "startedAt": start})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def states(company: Company) -> list[Any]:
    return await company.rows(
        "SELECT d.number, d.id, d.uuid AS printed, s.* FROM document_state s JOIN document d "
        "ON d.tenant_id = s.tenant_id AND d.id = s.document_id WHERE s.tenant_id = :t ORDER BY d.issued_at, d.id"
    )


async def test_the_buyer_waits_for_no_dian_that_is_away(
    company: Company, posted: Company, sink: Sink, moved: Any
) -> None:
    """Signed and delivered without DIAN's answer, one by one even while the circuit is open; and with it afterwards."""
    start = clock.now() - timedelta(minutes=6)
    contingency = await declare(posted)
    company.server.faults.plant(Fault(kind="status", status=503, times=0))
    session = await posted.shop.open_drawer()
    sales = [
        await bought(posted, f"compras{number}@cliente.test", document="invoice", session=session)
        for number in range(6)
    ]
    begun = clock.now()
    for second in (0, 5, 10, 15, 20, 60, 120):
        moved(begun + timedelta(seconds=second))
        await posted.sweep()
        await posted.work(3)
    found = await states(posted)
    assert {(each.kind, each.version) for each in found} == {("04", 2)}, found
    assert not {each.status for each in found} & {"accepted", "rejected", "pending"}, found
    assert [each.uuid for each in found] == [each.printed for each in found]
    document = sales[-1]["document"]["id"]
    container = await posted.shop.get(f"/v1/dian/documents/{document}/attached-document")
    assert container.status_code == 200, container.text
    root = etree.fromstring(container.content)
    assert schema_errors(container.content) == []
    verify_with_xmlsec(container.content)
    assert root.find("{*}ParentDocumentLineReference") is None
    assert b"<Invoice" in container.content
    (mail,) = sink.received("compras5@cliente.test")
    (part,) = list(mail.iter_attachments())
    with zipfile.ZipFile(io.BytesIO(part.get_content())) as opened:
        assert [opened.read(name) for name in opened.namelist()] == [container.content]
    # DIAN is back: the complete one follows, once.
    await posted.shop.post(f"/v1/dian/contingencies/{contingency}/end")
    company.server.service.registry.contingencies.append(Contingency(start=start, end=clock.now()))
    company.server.faults.clear()
    moved(begun + timedelta(minutes=10))
    for _ in range(4):
        await posted.sweep()
        await posted.work(40, ahead=SOON)
    assert {each.status for each in await states(posted)} == {"accepted"}
    posted.shop.token = (await posted.shop.log_in()).json()["accessToken"]
    whole = await posted.shop.get(f"/v1/dian/documents/{document}/attached-document")
    assert etree.fromstring(whole.content).find("{*}ParentDocumentLineReference") is not None
    assert len(sink.received("compras5@cliente.test")) == 2
    kinds = await posted.rows("SELECT kind FROM document_file WHERE tenant_id = :t AND document_id = :d", d=document)
    assert sorted(row.kind for row in kinds) == ["attached", "pdf", "provisional", "response", "xml"]


async def test_what_is_not_signed_yet_is_not_delivered(company: Company) -> None:
    sale = await sold(company, document="invoice")
    answer = await company.shop.post(f"/v1/dian/documents/{sale['document']['id']}/deliver", {"to": "a@b.test"})
    assert (answer.status_code, answer.json()["code"]) == (409, "document-not-accepted")


@pytest.mark.parametrize("wanted", ["invoice", "pos"])
async def test_a_contingency_that_dian_knows_nothing_of_leaves_the_printed_code_good(
    company: Company, moved: Any, wanted: str
) -> None:
    await declare(company)
    sale = await sold(company, document=wanted)
    moved(clock.now() + timedelta(minutes=2))
    await company.work(10, ahead=SOON)
    (found,) = await states(company)
    assert (found.status, found.kind) == ("accepted", {"invoice": "01", "pos": "20"}[wanted]), found.message
    assert found.uuid == sale["document"]["uuid"]


async def test_our_own_broken_line_is_no_contingency_of_dian(
    company: Company, moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.put("/v1/dian/settings", company.settings(contingencyAfter=5))

    async def unreachable(*_: Any) -> Any:
        raise httpx.ConnectError("Network is unreachable")

    real = soap.DianClient._exchange
    monkeypatch.setattr(soap.DianClient, "_exchange", unreachable)
    sale = await sold(company)
    begun = clock.now()
    for minutes in (0, 1, 2, 3, 4, 10, 20, 21):
        moved(begun + timedelta(minutes=minutes))
        await company.sweep()
        await company.work(3)
    (circuit,) = await company.rows("SELECT * FROM dian_circuit WHERE tenant_id = :t")
    assert (circuit.opened_at is not None, circuit.theirs_since) == (True, None)
    assert await company.rows("SELECT 1 FROM dian_contingency WHERE tenant_id = :t") == []
    monkeypatch.setattr(soap.DianClient, "_exchange", real)
    moved(begun + timedelta(minutes=30))
    await company.sweep()
    await company.work(10)
    (found,) = await states(company)
    assert (found.status, found.uuid) == ("accepted", sale["document"]["uuid"])


async def test_a_contingency_that_ends_by_itself_is_in_the_trail(company: Company, moved: Any) -> None:
    await company.put("/v1/dian/settings", company.settings(contingencyAfter=5))
    company.server.faults.plant(Fault(kind="status", status=503, times=0))
    await sold(company)
    begun = clock.now()
    for second in (0, 5, 10, 15, 20, 120, 240, 400, 500):
        moved(begun + timedelta(seconds=second))
        await company.sweep()
        await company.work(3)
    assert len(await company.rows("SELECT 1 FROM dian_contingency WHERE tenant_id = :t AND ended_at IS NULL")) == 1
    company.server.faults.clear()
    company.server.service.registry.contingencies.append(Contingency(start=begun, end=begun + timedelta(hours=1)))
    moved(begun + timedelta(minutes=11))
    await company.sweep()
    await company.work(10)
    actions = [
        row.action
        for row in await company.rows(
            "SELECT action FROM audit_entry WHERE tenant_id = :t AND action LIKE 'dian.%contingency%' "
            "OR tenant_id = :t AND action = 'dian.back' ORDER BY seq"
        )
    ]
    assert actions == ["dian.contingency-declared", "dian.contingency-ended", "dian.back"]
