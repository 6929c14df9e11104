"""What was printed stays good as long as it can, and what cannot go is mended with what is true today."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from lxml import etree

from app.dev.dian_simulator.faults import Fault
from app.dev.dian_simulator.registry import Software
from app.domain.invoicing import transmit
from app.domain.invoicing.kept import standing
from app.domain.invoicing.model import BOGOTA, Payment
from app.domain.invoicing.setup import renew_secrets
from app.domain.invoicing.vault import Vault
from app.domain.invoicing.versions import redated
from app.integrations.dian import answers, soap
from app.lib import clock
from tests.domain.invoicing.issuer import PIN, Company
from tests.domain.invoicing.papers import NOW, document
from tests.domain.invoicing.test_sales import sold
from tests.paper import text_of

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


async def at(company: Company, moved: Any, instant: datetime) -> None:
    moved(instant)
    company.shop.token = (await company.shop.log_in()).json()["accessToken"]


def midnight() -> datetime:
    tomorrow = clock.now().astimezone(BOGOTA).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), BOGOTA)


async def states(company: Company) -> list[Any]:
    return await company.rows(
        "SELECT d.number, d.id, d.uuid AS printed, s.* FROM document_state s JOIN document d "
        "ON d.tenant_id = s.tenant_id AND d.id = s.document_id WHERE s.tenant_id = :t ORDER BY d.issued_at, d.id"
    )


async def test_a_note_prints_the_document_that_dian_accepted(company: Company, moved: Any) -> None:
    """The invoice was dated anew after midnight; so the note, of the same night, names another CUFE than it was written with."""
    strike = midnight()
    await at(company, moved, strike - timedelta(minutes=5))
    company.server.faults.plant(Fault(kind="status", times=0))
    sale = await sold(company, document="invoice")
    await company.work(1)
    voided = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})
    assert voided.status_code in {200, 201}, voided.text
    company.server.faults.clear()
    await at(company, moved, strike + timedelta(hours=1))
    for _ in range(5):
        await company.work(10, ahead=timedelta(hours=2))
    invoice, note = await states(company)
    assert (invoice.status, invoice.version, note.status) == ("accepted", 2, "accepted"), (invoice, note)
    assert invoice.uuid != sale["document"]["uuid"]
    async with company.database.job_transaction(company.tenant_id) as work:
        kept = await standing(work, note.id)
    assert kept is not None
    assert kept.content.correction is not None
    assert kept.content.correction.reference is not None
    assert kept.content.correction.reference.uuid == invoice.uuid
    xml = await company.shop.get(f"/v1/dian/documents/{note.id}/xml")
    assert etree.fromstring(xml.content).findtext(".//{*}BillingReference//{*}UUID") == invoice.uuid
    pdf = await company.shop.get(f"/v1/dian/documents/{note.id}/pdf")
    printed = "".join(text_of(pdf.content).split())
    assert invoice.uuid in printed
    assert sale["document"]["uuid"] not in printed


async def test_what_was_printed_is_sent_with_the_secrets_it_was_printed_with(company: Company) -> None:
    """The company goes over to another software while documents wait: DIAN knows both."""
    pos = await sold(company)
    invoice = await sold(company, session=pos["session"], document="invoice")
    registry = company.server.service.registry
    other = str(uuid4())
    registry.software.append(Software(id=other, nit=company.nit, pin="99999"))
    changed = await company.put("/v1/dian/settings", company.settings() | {"softwareId": other, "softwarePin": "99999"})
    assert changed.status_code == 200, changed.text
    later = await sold(company, session=pos["session"])
    await company.work()
    found = await states(company)
    assert [each.status for each in found] == ["accepted"] * 3, [each.message for each in found]
    printed = {each["document"]["uuid"] for each in (pos, invoice, later)}
    assert {each.uuid for each in found} == printed
    (kept,) = await company.rows("SELECT * FROM dian_former_secret WHERE tenant_id = :t")
    assert PIN.encode() not in kept.sealed
    # The same PIN again replaces nothing, and the rotation of the installation's key takes the kept one along.
    await company.put("/v1/dian/settings", company.settings() | {"softwareId": other, "softwarePin": "99999"})
    assert len(await company.rows("SELECT 1 FROM dian_former_secret WHERE tenant_id = :t")) == 1
    now = company.database.settings
    rotated = Vault(msgspec.structs.replace(now, secret_key=b"n" * 32, former_secret_keys=(now.secret_key,)))
    async with company.database.job_transaction(company.tenant_id) as work:
        await renew_secrets(work, rotated)
    (renewed,) = await company.rows("SELECT * FROM dian_former_secret WHERE tenant_id = :t")
    assert renewed.sealed != kept.sealed
    assert rotated.open(company.tenant_id, renewed.sealed) == PIN


async def test_rule_90_without_a_key_is_ours_when_dian_knows_our_uuid(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="timeout-after-processing", operation="SendBillSync", seconds=3))
    await company.work(1)
    real = answers.read_document
    asked: list[answers.Outcome] = []

    def spoilt(result: Any) -> answers.Answer:
        """DIAN forgets it for one question, and then says 90 without saying of what."""
        got = real(result)
        asked.append(got.outcome)
        if got.is_duplicate:
            return msgspec.structs.replace(got, document_key="", response=None)
        if got.outcome is answers.Outcome.ACCEPTED and len(asked) == 1:
            return answers.Answer(outcome=answers.Outcome.ABSENT, status_code="66")
        return got

    monkeypatch.setattr(soap, "read_document", spoilt)
    await company.work(3, ahead=SOON)
    (found,) = await states(company)
    assert (found.status, found.uuid) == ("accepted", sale["document"]["uuid"]), found.message
    assert asked == [answers.Outcome.ACCEPTED, answers.Outcome.REJECTED, answers.Outcome.ACCEPTED]


async def test_a_rejection_about_goods_is_mended_by_naming_them(company: Company) -> None:
    shop = company.shop
    sale = await sold(company, product={"name": "Aroz"})
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAZ02"))
    await company.work()
    (line,) = (await shop.get(f"/v1/sales/{sale['id']}")).json()["lines"]
    product = await shop.get(f"/v1/products/{line['productId']}")
    renamed = await shop.http.patch(
        f"/v1/products/{line['productId']}",
        json={"name": "Arroz", "sku": "ARROZ-1"},
        headers=shop.headers | {"If-Match": product.headers["etag"]},
    )
    assert renamed.status_code == 200, renamed.text
    document = sale["document"]["id"]
    again = await shop.post(f"/v1/dian/documents/{document}/resend")
    assert again.status_code == 200, again.text
    await company.work()
    assert (await company.document(document))["status"] == "accepted"
    xml = etree.fromstring((await shop.get(f"/v1/dian/documents/{document}/xml")).content)
    assert xml.findtext(".//{*}InvoiceLine//{*}Item/{*}Description") == "Arroz"
    assert xml.findtext(".//{*}StandardItemIdentification/{*}ID") == "ARROZ-1"


async def test_a_name_that_xml_cannot_hold_is_refused_before_a_number_is_spent(company: Company) -> None:
    shop = company.shop
    made = await shop.post(
        "/v1/products", {"sku": "ZZ1", "name": "\ufffe\ufffe", "price": "11900.00", "taxClass": "iva19"}
    )
    assert made.status_code == 201, made.text
    await shop.stock(made.json()["id"], "10")
    session = await shop.open_drawer()
    answer = await shop.sell(session, [{"productId": made.json()["id"], "quantity": "1"}], "20000")
    assert (answer.status_code, answer.json()["code"]) == (422, "document-invalid"), answer.text
    assert await states(company) == []


def test_no_payment_is_due_before_the_day_of_its_document() -> None:
    paper = document(
        payments=(Payment(means="10"), Payment(means="10", form="2", due_on=NOW.astimezone(BOGOTA).date()))
    )
    later = redated(paper, NOW + timedelta(days=2))
    assert [each.due_on for each in later.payments] == [None, (NOW + timedelta(days=2)).astimezone(BOGOTA).date()]
    assert redated(paper, NOW).payments == paper.payments


async def test_a_credit_that_ends_today_survives_midnight(company: Company, moved: Any) -> None:
    shop = company.shop
    await company.add_range(kind="05", prefix="DS", first=1, last=1000)
    seller = await shop.post(
        "/v1/customers",
        {
            "identificationType": "31",
            "identification": "900123456",
            "name": "Vendedor SAS",
            "organization": "company",
            "address": "Calle 1",
            "municipalityCode": "11001",
        },
    )
    strike = midnight()
    await at(company, moved, strike - timedelta(minutes=5))
    made = await shop.post(
        "/v1/dian/documents",
        {
            "kind": "05",
            "customerId": seller.json()["id"],
            "dueOn": (strike - timedelta(days=1)).date().isoformat(),
            "lines": [{"description": "Yuca", "code": "Y", "quantity": "1", "unitPrice": "10000"}],
        },
    )
    assert made.status_code == 201, made.text
    company.server.faults.plant(Fault(kind="status", operation="SendBillSync", times=1))
    await company.work(1)
    await at(company, moved, strike + timedelta(minutes=5))
    await company.work(10, ahead=SOON)
    found = await company.document(made.json()["id"])
    assert found["status"] == "accepted", found["message"]


async def test_an_answer_that_is_no_xml_is_asked_for_again(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    real = answers._bytes
    spoilt: list[bytes] = []

    def spoil(text: str) -> bytes | None:
        got = real(text)
        if got is None or spoilt:
            return got
        spoilt.append(got)
        return b"\xff\xfe<a/>"

    monkeypatch.setattr(answers, "_bytes", spoil)
    await sold(company)
    await company.work()
    (found,) = await states(company)
    assert found.status == "accepted"
    kept = await company.rows("SELECT kind, content FROM document_file WHERE tenant_id = :t AND kind <> 'xml'")
    assert {row.kind for row in kept} == {"response", "attached", "pdf"}
    assert next(row.content for row in kept if row.kind == "response") == spoilt[0]
