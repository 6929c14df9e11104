"""Going to production, and back from it, is said twice."""

from tests.dev.dian_simulator.house import TEST_KEY
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold


async def ready_for_production(company: Company) -> None:
    """Numbering is of one environment: written while it is set and nothing is issued."""
    off = await company.put("/v1/dian/settings", company.settings(environment="production", is_enabled=False))
    assert off.status_code == 200, off.text
    await company.add_range(kind="01", prefix="SETP", first=990000000, last=995000000, technicalKey=TEST_KEY)
    await company.add_range(kind="20", prefix="EPOS", first=1, last=5000)


async def accept_a_test_set(company: Company) -> None:
    await company.rows(
        "INSERT INTO dian_test_set (tenant_id, id, family, code, status, invoices, credit_notes, debit_notes, user_id) "
        "SELECT :t, gen_random_uuid(), 'invoice', 'x', 'accepted', 1, 0, 0, user_id FROM membership "
        "WHERE tenant_id = :t LIMIT 1 RETURNING 1"
    )


async def test_production_begins_and_ends_with_a_confirmation(company: Company) -> None:
    await ready_for_production(company)
    real = company.settings(environment="production")
    refused = await company.put("/v1/dian/settings", real)
    assert (refused.status_code, refused.json()["code"]) == (422, "environment-unconfirmed"), refused.text
    assert "set de pruebas" in refused.json()["detail"]
    assert (await company.shop.get("/v1/dian/settings")).json()["isEnabled"] is False
    items = (await company.shop.get("/v1/dian/readiness")).json()["items"]
    assert next(each for each in items if each["code"] == "test-set")["isReady"] is False

    await accept_a_test_set(company)
    items = (await company.shop.get("/v1/dian/readiness")).json()["items"]
    assert next(each for each in items if each["code"] == "test-set")["isReady"] is True
    refused = await company.put("/v1/dian/settings", real)
    assert refused.status_code == 422
    assert "set de pruebas" not in refused.json()["detail"]

    assert (await company.put("/v1/dian/settings", real | {"confirmEnvironment": True})).status_code == 200
    sale = await sold(company)
    assert sale["warnings"] == []
    # What goes on as it is needs no word.
    assert (await company.put("/v1/dian/settings", real | {"saleDocument": "invoice"})).status_code == 200
    back = await company.put("/v1/dian/settings", company.settings())
    assert (back.status_code, back.json()["code"]) == (422, "environment-unconfirmed"), back.text
    again = await company.put("/v1/dian/settings", company.settings(confirmEnvironment=True))
    assert again.status_code == 200, again.text
    trial = await sold(company, session=sale["session"])
    assert [each["code"] for each in trial["warnings"]] == ["dian-test-environment"]
