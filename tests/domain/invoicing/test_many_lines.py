"""Cents rounded off many lines do not add up to more than DIAN tolerates."""

from decimal import Decimal

import pytest

from app.domain.sales.pricing import LineToPrice, price_lines
from tests.domain.invoicing.issuer import Company


@pytest.mark.parametrize("count", [51, 440, 2_000])
@pytest.mark.parametrize(
    ("price", "rate"), [("1000.00", "0.19"), ("333.33", "0.05"), ("50.01", "0.19"), ("0.01", "0.19")]
)
def test_the_tax_of_a_rate_is_that_of_its_whole_base(count: int, price: str, rate: str) -> None:
    line = LineToPrice(
        quantity=Decimal(1),
        base_units=Decimal(1),
        unit_price=Decimal(price),
        discount=Decimal("0.00"),
        rate=Decimal(rate),
        nominal=Decimal(0),
    )
    priced = price_lines([line] * count, Decimal(0))
    base = sum(each.base for each in priced)
    assert abs(base * Decimal(rate) - sum(each.tax for each in priced)) <= 1
    alone = price_lines([line], Decimal(0))[0]
    for each in priced:
        assert each.base + each.tax == each.total == alone.total
        assert each.base >= 0
        assert each.tax >= 0
        assert abs(each.base - alone.base) <= Decimal("0.01")


def test_an_ordinary_ticket_is_priced_line_by_line() -> None:
    line = LineToPrice(Decimal(1), Decimal(1), Decimal("1000.00"), Decimal("0.00"), Decimal("0.19"), Decimal(0))
    assert {each.base for each in price_lines([line] * 50, Decimal(0))} == {Decimal("840.34")}


async def test_a_sale_of_many_equal_lines_is_accepted_and_comes_back_whole(company: Company) -> None:
    shop = company.shop
    product = await shop.product(price="1000.00", stock="2000")
    session = await shop.open_drawer()
    lines = [{"productId": product["id"], "quantity": "1"}] * 440
    sold = await shop.sell(session, lines, "10000000", document="invoice")
    assert sold.status_code == 201, sold.text
    await company.work()
    assert (await company.document(sold.json()["document"]["id"]))["status"] == "accepted"
    voided = await shop.post(f"/v1/sales/{sold.json()['id']}/void", {"reason": "error"})
    assert voided.status_code in (200, 201), voided.text
    await company.work()
    states = await company.rows("SELECT status FROM document_state WHERE tenant_id = :t")
    assert [row.status for row in states] == ["accepted", "accepted"]


async def test_a_document_by_hand_of_many_lines_is_accepted(company: Company) -> None:
    await company.add_range(kind="05", prefix="DS", first=1, last=1000)
    seller = await company.shop.post(
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
    assert seller.status_code == 201, seller.text
    line = {"description": "Yuca", "code": "Y", "quantity": "1", "unitPrice": "100.02", "taxClass": "iva19"}
    made = await company.shop.post(
        "/v1/dian/documents", {"kind": "05", "customerId": seller.json()["id"], "lines": [line] * 700}
    )
    assert made.status_code == 201, made.text
    await company.work()
    assert (await company.document(made.json()["id"]))["status"] == "accepted"
