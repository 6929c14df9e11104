"""Goods and money go back also while no note can be issued; what DIAN rejected for good is withdrawn."""

from datetime import timedelta
from typing import Any

from app.dev.dian_simulator.faults import Fault
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold
from tests.domain.invoicing.test_secrets_replaced import lose_pin

SOON = timedelta(minutes=20)


async def standing(company: Company) -> list[tuple[str, str]]:
    rows = await company.rows(
        "SELECT d.kind, s.status FROM document d JOIN document_state s ON s.tenant_id = :t AND s.document_id = d.id "
        "WHERE d.tenant_id = :t ORDER BY d.id"
    )
    return [(row.kind, row.status) for row in rows]


async def owed(company: Company) -> list[str]:
    rows = await company.rows("SELECT reason FROM owed_note WHERE tenant_id = :t AND outcome = '' ORDER BY created_at")
    return [row.reason for row in rows]


async def void(company: Company, sale: dict[str, Any]) -> None:
    voided = await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})
    assert voided.status_code == 201, voided.text
    assert (await company.shop.get(f"/v1/sales/{sale['id']}")).json()["status"] == "voided"


async def warned(company: Company) -> bool:
    items = (await company.shop.get("/v1/dian/readiness")).json()["items"]
    return not next(each for each in items if each["code"] == "owed-notes")["isReady"]


async def rejected_sale(company: Company) -> dict[str, Any]:
    sale = await sold(company)
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAD06"))
    await company.work()
    assert await standing(company) == [("20", "rejected")]
    return sale


async def test_a_company_that_stopped_issuing_takes_goods_back_and_issues_the_note_later(company: Company) -> None:
    sale = await sold(company)
    await company.work()
    assert (await company.put("/v1/dian/settings", company.settings(is_enabled=False))).status_code == 200
    await void(company, sale)
    assert await owed(company) == ["not-enabled"]
    assert await warned(company)
    assert (await company.put("/v1/dian/settings", company.settings())).status_code == 200
    await company.work(ahead=SOON)
    assert await owed(company) == []
    assert not await warned(company)
    assert await standing(company) == [("20", "accepted"), ("94", "accepted")]
    # Once is enough.
    assert (await company.put("/v1/dian/settings", company.settings())).status_code == 200
    await company.work(ahead=SOON)
    assert len(await standing(company)) == 2


async def test_goods_come_back_while_the_secrets_are_lost(company: Company) -> None:
    sale = await sold(company)
    await company.work()
    await lose_pin(company)
    await void(company, sale)
    assert await owed(company) == ["secrets-unreadable"]
    assert (await company.put("/v1/dian/settings", company.settings())).status_code == 200
    await company.work(ahead=SOON)
    assert await standing(company) == [("20", "accepted"), ("94", "accepted")]


async def test_a_rejected_sale_that_comes_back_spends_no_number_and_is_withdrawn(company: Company) -> None:
    sale = await rejected_sale(company)
    document = sale["document"]["id"]
    early = await company.shop.post(f"/v1/dian/documents/{document}/withdraw", {"reason": "no va más"})
    assert (early.status_code, early.json()["code"]) == (409, "sale-stands"), early.text
    await void(company, sale)
    assert await owed(company) == ["document-rejected"]
    assert await standing(company) == [("20", "rejected")]
    gone = await company.shop.post(f"/v1/dian/documents/{document}/withdraw", {"reason": "se anuló la venta"})
    assert (gone.status_code, gone.json()["status"]) == (200, "withdrawn"), gone.text
    assert "se anuló la venta" in gone.json()["message"]
    assert await owed(company) == []
    again = await company.shop.post(f"/v1/dian/documents/{document}/resend")
    assert (again.status_code, again.json()["code"]) == (409, "document-withdrawn")
    await company.work(ahead=SOON)
    assert await standing(company) == [("20", "withdrawn")]
    listed = (await company.shop.get("/v1/dian/documents", status="withdrawn")).json()["items"]
    assert [each["id"] for each in listed] == [document]


async def test_a_rejected_sale_that_is_sent_anew_gets_its_note(company: Company) -> None:
    sale = await rejected_sale(company)
    await void(company, sale)
    company.server.faults.clear()
    sent = await company.shop.post(f"/v1/dian/documents/{sale['document']['id']}/resend")
    assert sent.status_code == 200, sent.text
    await company.work(ahead=timedelta(hours=2))
    assert await standing(company) == [("20", "accepted"), ("94", "accepted")]
    assert await owed(company) == []


async def test_a_note_that_waits_for_what_was_rejected_says_so_and_goes_with_it(company: Company) -> None:
    sale = await sold(company)
    await void(company, sale)
    company.server.faults.plant(Fault(kind="rule", operation="SendBillSync", code="DEAD06"))
    await company.work(ahead=SOON)
    assert await standing(company) == [("20", "rejected"), ("94", "pending")]
    (waits,) = await company.rows(
        "SELECT document_id, message FROM document_state WHERE tenant_id = :t AND kind = '94'"
    )
    await company.rows("UPDATE document_state SET next_at = now() WHERE tenant_id = :t AND kind = '94' RETURNING 1")
    await company.sweep()
    await company.work(ahead=SOON)
    (waits,) = await company.rows(
        "SELECT document_id, message FROM document_state WHERE tenant_id = :t AND kind = '94'"
    )
    assert "retírelo" in waits.message
    gone = await company.shop.post(
        f"/v1/dian/documents/{sale['document']['id']}/withdraw", {"reason": "se anuló la venta"}
    )
    assert gone.status_code == 200, gone.text
    assert await standing(company) == [("20", "withdrawn"), ("94", "withdrawn")]


async def test_what_stands_cannot_be_withdrawn(company: Company) -> None:
    sale = await sold(company)
    for _ in range(2):
        refused = await company.shop.post(
            f"/v1/dian/documents/{sale['document']['id']}/withdraw", {"reason": "no va más"}
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "not-rejected")
        await company.work()
