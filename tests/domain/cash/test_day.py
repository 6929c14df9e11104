"""A whole day at the counter through the API: the drawer, its Z and its tickets say what the sales said."""

import asyncio
import re
from decimal import Decimal
from typing import Any

from app.lib.pesos import format_amount, format_pesos
from tests.paper import text_of
from tests.shop import Shop


def total_of(answers: list[dict[str, Any]], field: str) -> Decimal:
    return sum((Decimal(answer[field]) for answer in answers), start=Decimal("0.00"))


async def sell(shop: Shop, session_id: str, product_id: str, quantity: str, **payments: str) -> dict[str, Any]:
    answer = await shop.post(
        "/v1/sales",
        {
            "sessionId": session_id,
            "lines": [{"productId": product_id, "quantity": quantity}],
            "payments": [{"method": method.replace("_", "-"), "amount": amount} for method, amount in payments.items()],
        },
    )
    assert answer.status_code == 201, answer.text
    sale: dict[str, Any] = answer.json()
    return sale


async def test_a_day_of_sales_returns_and_voids_closes_to_the_cent(shop: Shop) -> None:
    session_id = await shop.open_drawer("50000")
    cement = await shop.product(price="34900.00", name="Cemento")
    machete = await shop.product(price="21900.00", name="Machete", taxClass="iva5")
    sales = [
        await sell(shop, session_id, cement["id"], "3", cash="110000"),
        await sell(shop, session_id, machete["id"], "2", nequi="40000", cash="5000"),
        await sell(shop, session_id, cement["id"], "1", debit_card="34900"),
    ]
    given_back = await shop.post(
        "/v1/returns",
        {
            "saleId": sales[0]["id"],
            "lines": [{"saleLineId": sales[0]["lines"][0]["id"], "quantity": "1"}],
            "refunds": [{"method": "cash", "amount": "34900"}],
            "reason": "Salió húmedo",
        },
    )
    assert given_back.status_code == 201, given_back.text
    undone = await shop.post(f"/v1/sales/{sales[2]['id']}/void", {"reason": "Se arrepintió"})
    assert undone.status_code == 201, undone.text

    body = {"counted": [{"method": "cash", "amount": "123600"}, {"method": "nequi", "amount": "40000"}]}
    closed = (await shop.post(f"/v1/cash/sessions/{session_id}/close", body)).json()
    assert {row["method"]: (row["expected"], row["difference"]) for row in closed["tenders"]} == {
        "cash": ("123600.00", "0.00"),
        "nequi": ("40000.00", "0.00"),
    }
    report = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()["totals"]
    for field, name in (("total", "total"), ("subtotal", "subtotal"), ("taxTotal", "taxTotal")):
        assert Decimal(report["sales"][field]) == total_of(sales, name)
    assert [report["sales"][field] for field in ("count", "firstNumber", "lastNumber")] == [
        3,
        sales[0]["number"],
        sales[2]["number"],
    ]
    assert (report["returns"]["count"], report["returns"]["total"]) == (1, given_back.json()["total"])
    assert (report["voids"]["count"], report["voids"]["total"]) == (1, sales[2]["total"])
    assert report["net"] == "113600.00"
    for field, name in (("base", "subtotal"), ("tax", "taxTotal"), ("total", "total")):
        assert total_of(report["taxes"], field) == Decimal(report["sales"][name])
        assert total_of(report["returnedTaxes"], field) == sum(
            Decimal(report[kind][name]) for kind in ("returns", "voids")
        )


async def test_the_ticket_says_what_the_sale_answered(shop: Shop) -> None:
    session_id = await shop.open_drawer("0")
    product = await shop.product(price="7333.33", name="Azadón de acero")
    sale = await sell(shop, session_id, product["id"], "2.5", cash="50000")
    for width in ("58", "80", "letter"):
        answer = await shop.get(f"/v1/sales/{sale['id']}/ticket.pdf", width=width)
        text = re.sub(r"\s+", " ", text_of(answer.content))
        assert sale["number"] in text
        assert "Azadón de acero" in text
        for field in ("subtotal", "taxTotal"):
            assert format_amount(Decimal(sale[field])) in text, field
        for field in ("total", "change"):
            assert format_pesos(Decimal(sale[field])) in text, field
        line = sale["lines"][0]
        for field in ("base", "tax", "total"):
            assert format_amount(Decimal(line[field])) in text, field


async def test_sales_that_race_a_close_are_in_the_z_or_refused(shop: Shop) -> None:
    session_id = await shop.open_drawer("0")
    product = await shop.product(price="1000.00", stock="100")

    async def sale() -> Any:
        return await shop.sell(session_id, [{"productId": product["id"], "quantity": "1"}], "1000")

    async def close() -> Any:
        await asyncio.sleep(0.05)
        return await shop.post(f"/v1/cash/sessions/{session_id}/close", {"counted": []})

    closing, *answers = await asyncio.gather(close(), *(sale() for _ in range(30)))
    assert closing.status_code == 200, closing.text
    posted = sum(answer.status_code == 201 for answer in answers)
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {answer.status_code for answer in refused} <= {409}
    assert closing.json()["tenders"][0]["expected"] == f"{posted * 1000}.00"
    report = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()["totals"]
    assert (report["sales"]["count"], report["sales"]["total"]) == (posted, f"{posted * 1000}.00")
    late = await sale()
    assert late.status_code == 409, late.text
