"""A lost SECRET_KEY is said and mended secret by secret; a replaced PIN or key still serves what was made with it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.dev.dian_simulator.registry import Software
from app.domain.invoicing.vault import Vault
from tests.dev.dian_simulator.house import TEST_KEY
from tests.domain.invoicing.issuer import PIN, Company
from tests.domain.invoicing.test_sales import sold

SOON = timedelta(minutes=20)


def lost_vault(company: Company) -> Vault:
    """As if another SECRET_KEY had sealed everything."""
    return Vault(msgspec.structs.replace(company.database.settings, secret_key=b"x" * 32))


async def lose_pin(company: Company) -> None:
    await company.rows(
        "UPDATE dian_setting SET software_pin = :sealed WHERE tenant_id = :t RETURNING 1",
        sealed=lost_vault(company).seal(company.tenant_id, PIN),
    )


async def lose_key(company: Company) -> None:
    await company.rows(
        "UPDATE document_range SET technical_key = :sealed WHERE tenant_id = :t AND kind = '01' RETURNING 1",
        sealed=lost_vault(company).seal(company.tenant_id, TEST_KEY),
    )


async def unready(company: Company) -> set[str]:
    answer = (await company.shop.get("/v1/dian/readiness")).json()
    return {item["code"] for item in answer["items"] if item["blocks"] and not item["isReady"]}


async def sale(company: Company, session: str, document: str = "auto") -> Any:
    product = await company.shop.product()
    return await company.shop.sell(
        session, [{"productId": product["id"], "quantity": "1"}], "100000", document=document
    )


async def test_secrets_that_do_not_open_are_named_and_can_all_be_written_again(company: Company) -> None:
    before = await sold(company)
    await company.work()
    session = before["session"]
    await lose_pin(company)
    await lose_key(company)
    for document in ("auto", "invoice"):
        refused = await sale(company, session, document)
        assert (refused.status_code, refused.json()["code"]) == (503, "dian-secrets-unreadable"), refused.text
        assert "PIN" in refused.json()["detail"]
    voided = await company.shop.post(f"/v1/sales/{before['id']}/void", {"reason": "error"})
    assert voided.status_code in (200, 201, 503), voided.text
    note = {
        "kind": "93",
        "correctsId": before["document"]["id"],
        "concept": "4",
        "lines": [{"description": "Y", "code": "Y", "quantity": "1", "unitPrice": "10"}],
    }
    by_hand = await company.shop.post("/v1/dian/documents", note)
    assert by_hand.status_code in (409, 503), by_hand.text
    assert await unready(company) == {"software-pin-unreadable", "range-key-unreadable"}

    again = await company.put("/v1/dian/settings", company.settings())
    assert again.status_code == 200, again.text
    assert await unready(company) == {"range-key-unreadable"}
    assert (await sale(company, session)).status_code == 201
    refused = await sale(company, session, "invoice")
    assert (refused.status_code, refused.json()["code"]) == (503, "dian-secrets-unreadable")
    assert "SETP" in refused.json()["detail"]

    await company.shop.post("/v1/dian/ranges/import", {"kinds": [{"prefix": "EPOS", "kind": "20"}]})
    await company.work()
    assert await unready(company) == set()
    assert (await sale(company, session, "invoice")).status_code == 201
    await company.work(ahead=SOON)
    states = await company.rows("SELECT status FROM document_state WHERE tenant_id = :t")
    assert {row.status for row in states} == {"accepted"}


async def test_a_technical_key_that_does_not_open_is_written_again_by_hand(company: Company) -> None:
    await lose_key(company)
    page = (await company.shop.get("/v1/dian/ranges")).json()
    mine = next(each for each in page["items"] if each["kind"] == "01")
    changed = await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"technicalKey": TEST_KEY})
    assert changed.status_code == 200, changed.text
    assert await unready(company) == set()
    assert (await company.rows("SELECT 1 FROM dian_former_secret WHERE tenant_id = :t")) == []


@pytest.mark.parametrize("document", ["pos", "invoice"])
async def test_what_waits_goes_with_the_software_and_pin_it_was_made_with(company: Company, document: str) -> None:
    waits = await sold(company, document=document)
    other = str(uuid4())
    company.server.service.registry.software.append(Software(id=other, nit=company.nit, pin="99999"))
    changed = await company.put("/v1/dian/settings", company.settings(softwareId=other, softwarePin="99999"))
    assert changed.status_code == 200, changed.text
    later = await sold(company, document=document, session=waits["session"])
    await company.work(ahead=SOON)
    for each in (waits, later):
        now = await company.document(each["document"]["id"])
        assert (now["status"], now["uuid"]) == ("accepted", each["document"]["uuid"]), now


async def test_what_waits_goes_with_the_technical_key_it_was_made_with(company: Company) -> None:
    """DIAN knows the key that the range had; a typing error meanwhile must not touch what was printed."""
    waits = await sold(company, document="invoice")
    page = (await company.shop.get("/v1/dian/ranges")).json()
    mine = next(each for each in page["items"] if each["kind"] == "01")
    assert (await company.shop.patch(f"/v1/dian/ranges/{mine['id']}", {"technicalKey": "0" * 40})).status_code == 200
    await company.work(ahead=SOON)
    now = await company.document(waits["document"]["id"])
    assert (now["status"], now["uuid"]) == ("accepted", waits["document"]["uuid"])
