"""What a person may not do by hand: take more than there is, transcribe a paper twice, export without terms."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold

LINE = {"description": "Yuca", "code": "Y", "quantity": "1", "unitPrice": "10000.00"}


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


async def seller(company: Company) -> str:
    made = await company.shop.post(
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
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def support(company: Company) -> str:
    await company.add_range(kind="05", prefix="DS", first=1, last=1000)
    made = await company.shop.post(
        "/v1/dian/documents", {"kind": "05", "customerId": await seller(company), "lines": [LINE]}
    )
    assert made.status_code == 201, made.text
    await company.work()
    return str(made.json()["id"])


def note(corrects: str, price: str = "10000.00", concept: str = "3") -> dict[str, Any]:
    return {"kind": "95", "correctsId": corrects, "concept": concept, "lines": [LINE | {"unitPrice": price}]}


async def test_notes_never_take_more_than_the_document(company: Company) -> None:
    bought = await support(company)
    for body in (note(bought, "10000.01"), note(bought, "10000000.00", "2")):
        refused = await company.shop.post("/v1/dian/documents", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "note-above-document"), refused.text
    assert (await company.shop.post("/v1/dian/documents", note(bought, "6000.00"))).status_code == 201
    rest = await company.shop.post("/v1/dian/documents", note(bought, "4000.01"))
    assert (rest.status_code, rest.json()["left"]) == (422, "4000.00"), rest.text
    assert (await company.shop.post("/v1/dian/documents", note(bought, "4000.00"))).status_code == 201
    await company.work()
    states = await company.rows("SELECT status FROM document_state WHERE tenant_id = :t")
    assert [row.status for row in states] == ["accepted"] * 3


async def test_two_notes_at_once_take_it_once(company: Company) -> None:
    bought = await support(company)
    answers = await asyncio.gather(
        *(company.shop.post("/v1/dian/documents", note(bought, "6000.00")) for _ in range(4))
    )
    assert sorted(each.status_code for each in answers) == [201, 422, 422, 422]


async def test_nothing_corrects_what_was_annulled(company: Company) -> None:
    bought = await support(company)
    assert (await company.shop.post("/v1/dian/documents", note(bought, concept="2"))).status_code == 201
    refused = await company.shop.post("/v1/dian/documents", note(bought, "0.01"))
    assert (refused.status_code, refused.json()["code"]) == (409, "document-annulled"), refused.text
    sale = await sold(company)
    await company.work()
    assert (await company.shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})).status_code == 201
    more = {"kind": "93", "correctsId": sale["document"]["id"], "concept": "4", "lines": [LINE]}
    refused = await company.shop.post("/v1/dian/documents", more)
    assert (refused.status_code, refused.json()["code"]) == (409, "document-annulled"), refused.text


def paper(number: str, day: str) -> dict[str, Any]:
    return {"kind": "03", "paper": {"number": number, "issuedOn": day}, "lines": [LINE]}


async def test_a_paper_is_transcribed_once(company: Company) -> None:
    await company.add_range(kind="03", prefix="CT", first=1, last=1000)
    first = await company.shop.post("/v1/dian/documents", paper("T-55", days_ago(1)))
    assert first.status_code == 201, first.text
    answers = await asyncio.gather(
        *(
            company.shop.post("/v1/dian/documents", paper(number, days_ago(1)))
            for number in ("T-55", "t-55", "T-56", "T-56")
        )
    )
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"paper-taken"}
    assert len(await company.rows("SELECT 1 FROM document WHERE tenant_id = :t")) == 2
    # One that DIAN rejected for good is withdrawn, and its paper written again.
    await company.rows("UPDATE document_state SET status = 'rejected' WHERE tenant_id = :t RETURNING 1")
    gone = await company.shop.post(f"/v1/dian/documents/{first.json()['id']}/withdraw", {"reason": "mal digitado"})
    assert (gone.status_code, gone.json()["status"]) == (200, "withdrawn"), gone.text
    assert (await company.shop.post("/v1/dian/documents", paper("T-55", days_ago(1)))).status_code == 201


async def test_an_old_paper_is_a_typing_error_and_a_late_one_is_said(company: Company) -> None:
    await company.add_range(kind="03", prefix="CT", first=1, last=1000)
    refused = await company.shop.post("/v1/dian/documents", paper("T-1", "2020-01-01"))
    assert (refused.status_code, refused.json()["code"]) == (422, "paper-too-old"), refused.text
    for number, days, late in (("T-2", 1, False), ("T-3", 5, True)):
        made = await company.shop.post("/v1/dian/documents", paper(number, days_ago(days)))
        assert made.status_code == 201, made.text
        events = (await company.shop.get(f"/v1/dian/documents/{made.json()['id']}/events")).json()["items"]
        assert any(each["kind"] == "late-paper" for each in events) is late


@pytest.mark.parametrize(
    ("more", "code"),
    [({}, "delivery-required"), ({"delivery": {"incoterm": "FOB"}, "taxed": True}, "export-with-tax")],
)
async def test_an_export_names_its_terms_and_has_no_tax(company: Company, more: dict[str, Any], code: str) -> None:
    buyer = await company.shop.post(
        "/v1/customers", {"identificationType": "42", "identification": "X9Y8", "name": "ACME Inc"}
    )
    line = LINE | ({"taxClass": "iva19"} if more.pop("taxed", False) else {})
    body = {
        "kind": "02",
        "customerId": buyer.json()["id"],
        "address": {"line": "1 St", "city": "NY", "countryCode": "US"},
        "lines": [line],
        **more,
    }
    refused = await company.shop.post("/v1/dian/documents", body)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
