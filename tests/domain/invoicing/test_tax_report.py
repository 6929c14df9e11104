"""Taxes by electronic document: by the kind it has now, and with a word on what was made by hand."""

from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy import text

from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_by_hand_limits import LINE, support
from tests.domain.invoicing.test_sales import sold


async def tied(company: Company) -> dict[str, Any]:
    answer: httpx.Response = await company.shop.get("/v1/reports/tax-documents")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_note_by_hand_is_told_beside_the_taxes_of_sales(company: Company) -> None:
    sale = await sold(company)
    await support(company)
    before = await tied(company)
    assert before["notes"] == []
    body = {"kind": "93", "correctsId": sale["document"]["id"], "concept": "4", "lines": [LINE]}
    made = await company.shop.post("/v1/dian/documents", body)
    assert made.status_code == 201, made.text
    after = await tied(company)
    assert after["totals"] == before["totals"]
    (told,) = after["notes"]
    assert "1 de Nota de ajuste débito de POS" in told
    assert "10.000" in told


async def test_documents_are_told_by_the_kind_that_they_have_now(company: Company) -> None:
    sale = await sold(company)
    assert [one["kind"] for one in (await tied(company))["items"]] == ["20"]
    async with company.database.job_transaction(company.tenant_id) as work:
        await work.session.execute(text("UPDATE document_state SET kind = '08'"))
    (row,) = (await tied(company))["items"]
    assert (row["kind"], row["kindName"]) == ("08", "Documento equivalente POS por contingencia")
    async with company.database.job_transaction(company.tenant_id) as work:
        await work.session.execute(text("UPDATE document_state SET status = 'withdrawn'"))
    (row,) = (await tied(company))["items"]
    assert row["kind"] == "none"
    assert Decimal(row["total"]) == Decimal(sale["total"])
