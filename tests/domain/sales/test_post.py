"""Selling: what the ticket says, what the shelf and the drawer say afterwards."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from app.lib import clock
from tests.shop import Shop


async def test_a_ticket_adds_up_and_moves_stock_and_money(shop: Shop) -> None:
    product = await shop.product(price="11900.00", stock="10", cost="5000")
    session = await shop.open_drawer("50000")
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": "3"}], "40000")
    assert sold.status_code == 201, sold.text
    sale = sold.json()
    assert sale["status"] == "posted"
    assert (sale["subtotal"], sale["taxTotal"], sale["total"]) == ("30000.00", "5700.00", "35700.00")
    assert sale["change"] == "4300.00"
    assert (sale["sequence"], sale["number"]) == (1, "V-1")
    assert sale["lines"][0]["unitCost"] == "5000.00"
    assert sale["document"] is None
    stock = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert [item["quantity"] for item in stock] == ["7.000"]
    read = (await shop.get(f"/v1/sales/{sale['id']}")).json()
    assert read == sale


async def test_the_same_key_answers_the_same_ticket(shop: Shop) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    body = {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "20000"}],
    }
    first, again = [await shop.post("/v1/sales", body, key="one") for _ in range(2)]
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    other = await shop.post("/v1/sales", body | {"document": "none"}, key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")


async def test_twenty_equal_requests_have_one_effect(shop: Shop) -> None:
    product = await shop.product(stock="20")
    session = await shop.open_drawer()
    body = {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "11900"}],
    }
    answers = await asyncio.gather(*(shop.post("/v1/sales", body, key="same") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    stock = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert stock[0]["quantity"] == "19.000"


async def test_the_same_chosen_id_answers_200_and_another_body_409(shop: Shop) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    chosen = str(uuid4())
    lines = [{"productId": product["id"], "quantity": "1"}]
    first = await shop.sell(session, lines, "20000", id=chosen)
    again = await shop.sell(session, lines, "20000", id=chosen)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await shop.sell(session, lines, "30000", id=chosen)
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")


async def test_not_enough_stock_changes_nothing(shop: Shop) -> None:
    product = await shop.product(stock="2")
    session = await shop.open_drawer()
    answer = await shop.sell(session, [{"productId": product["id"], "quantity": "3"}], "50000")
    assert answer.status_code == 422
    problem = answer.json()
    assert (problem["code"], problem["productId"], problem["available"]) == (
        "insufficient-stock",
        product["id"],
        "2.000",
    )
    assert (await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "50000")).json()["sequence"] == 1


async def test_an_offline_sale_that_comes_short_is_accepted_and_listed(shop: Shop) -> None:
    product = await shop.product(stock="2", cost="5000")
    session = await shop.open_drawer()
    earlier = (clock.now() - timedelta(hours=1)).isoformat()
    answer = await shop.sell(session, [{"productId": product["id"], "quantity": "5"}], "100000", soldAt=earlier)
    assert answer.status_code == 201, answer.text
    assert answer.json()["conflicts"] == [{"productId": product["id"], "missing": "3.000"}]
    conflicts = (await shop.get("/v1/inventory/conflicts")).json()["items"]
    assert [item["missing"] for item in conflicts] == ["3.000"]
    for moment in (clock.now() + timedelta(hours=1), clock.now() - timedelta(hours=73)):
        refused = await shop.sell(
            session, [{"productId": product["id"], "quantity": "1"}], "100000", soldAt=moment.isoformat()
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "sold-at-out-of-range")


async def test_three_hundred_sales_of_a_hundred_units(shop: Shop) -> None:
    product = await shop.product(stock="100", price="1000")
    session = await shop.open_drawer("0")
    answers = await asyncio.gather(
        *(shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "1000") for _ in range(300))
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * 100 + [422] * 200
    assert sorted(a.json()["sequence"] for a in answers if a.status_code == 201) == list(range(1, 101))
    stock = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert stock[0]["quantity"] == "0.000"


async def test_discounts_are_spread_to_the_cent(shop: Shop) -> None:
    products = [await shop.product(price="100") for _ in range(3)]
    session = await shop.open_drawer()
    answer = await shop.sell(
        session, [{"productId": product["id"], "quantity": "1"} for product in products], "300", discount="100"
    )
    sale = answer.json()
    assert [line["total"] for line in sale["lines"]] == ["66.66", "66.67", "66.67"]
    assert sale["total"] == "200.00"
    assert sale["discountTotal"] == "100.00"
    assert Decimal(sale["subtotal"]) + Decimal(sale["taxTotal"]) == Decimal(sale["total"])


@pytest.mark.parametrize(
    ("payments", "code"),
    [
        ([{"method": "cash", "amount": "11899.99"}], "payment-short"),
        ([{"method": "nequi", "amount": "11900.01"}], "overpaid"),
        ([{"method": "credit", "amount": "11900"}], "tender-not-enabled"),
        ([], "payment-short"),
    ],
    ids=["short", "over", "credit", "nothing"],
)
async def test_payments_that_do_not_match_are_refused(shop: Shop, payments: list[dict[str, str]], code: str) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    answer = await shop.post(
        "/v1/sales",
        {"sessionId": session, "lines": [{"productId": product["id"], "quantity": "1"}], "payments": payments},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_mixed_tenders_and_change(shop: Shop) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    answer = await shop.post(
        "/v1/sales",
        {
            "sessionId": session,
            "lines": [{"productId": product["id"], "quantity": "1"}],
            "payments": [
                {"method": "nequi", "amount": "5000", "reference": "N-1"},
                {"method": "cash", "amount": "10000"},
            ],
        },
    )
    assert answer.json()["change"] == "3100.00"


async def test_a_stranger_cannot_sell_with_our_ids(shop: Shop, other_shop: Shop) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    own = await other_shop.product()
    own_session = await other_shop.open_drawer()
    answer = await other_shop.sell(session, [{"productId": own["id"], "quantity": "1"}], "20000")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
    answer = await other_shop.sell(own_session, [{"productId": product["id"], "quantity": "1"}], "20000")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
    assert answer.json()["errors"][0]["pointer"] == "/lines/0/productId"
    sale = (await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")).json()
    assert (await other_shop.get(f"/v1/sales/{sale['id']}")).status_code == 404
    taken = await other_shop.sell(own_session, [{"productId": own["id"], "quantity": "1"}], "20000", id=sale["id"])
    assert taken.status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"sessionId": 1}', "/sessionId"),
        (b'{"lines": [{"quantity": 2.5}]}', "/lines/0/quantity"),
        (b'{"lines": [{"quantity": "NaN"}]}', "/lines/0/quantity"),
        (b'{"lines": [{"quantity": 1e400}]}', "/lines/0/quantity"),
        (b'{"lines": [{"quantity": "0"}]}', "/lines/0/quantity"),
        (b'{"payments": [{"method": "cash", "amount": -5}]}', "/payments/0/amount"),
        (b'{"extra": 1}', "/extra"),
        (b'{"lines": []}', "/lines"),
    ],
    ids=["type", "fraction", "nan", "huge", "zero", "negative", "unknown", "empty"],
)
async def test_a_malformed_ticket_is_refused_with_a_pointer(shop: Shop, body: bytes, pointer: str) -> None:
    answer = await shop.http.post(
        "/v1/sales", content=body, headers=shop.headers | {"Idempotency-Key": "x", "Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'"\\u0000"', b"[" * 100_000, b"null"])
async def test_a_broken_body_is_refused(shop: Shop, body: bytes) -> None:
    answer = await shop.http.post("/v1/sales", content=body, headers=shop.headers | {"Idempotency-Key": "x"})
    assert answer.status_code == 400, answer.text


async def test_a_sale_without_a_key_is_refused(shop: Shop) -> None:
    answer = await shop.http.post("/v1/sales", json={}, headers=shop.headers)
    assert answer.status_code == 428


async def test_cash_rounding_is_a_tender_and_never_a_price(shop: Shop) -> None:
    assert (await shop.patch("/v1/company", {"cashRounding": 50})).status_code == 200
    product = await shop.product(price="10020")
    session = await shop.open_drawer("0")
    sale = (await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")).json()
    assert (sale["total"], sale["rounding"], sale["change"]) == ("10020.00", "20.00", "10000.00")


async def test_a_bag_carries_its_tax_by_the_unit(shop: Shop) -> None:
    product = await shop.product(price="100", taxClass="inc-bag")
    session = await shop.open_drawer()
    line = (await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "200")).json()["lines"][0]
    assert (line["base"], line["tax"], line["total"]) == ("45.38", "154.62", "200.00")


async def test_an_offline_ticket_that_is_retried_for_days_was_in_time_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await shop.product()
    body = {
        "id": str(uuid4()),
        "sessionId": await shop.open_drawer(),
        "soldAt": clock.now().isoformat(),
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "20000"}],
    }
    first = await shop.post("/v1/sales", body, key="offline")
    assert first.status_code == 201, first.text
    monkeypatch.setattr("app.domain.sales.post._MAX_AGE", timedelta(0))
    again = await shop.post("/v1/sales", body, key="offline")
    assert (again.status_code, again.content) == (201, first.content)
    assert (await shop.post("/v1/sales", body, key="other")).status_code == 200
    for never in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        refused = await shop.post("/v1/sales", body | {"id": str(uuid4()), "soldAt": never})
        assert (refused.status_code, refused.json()["code"]) == (422, "sold-at-out-of-range")
