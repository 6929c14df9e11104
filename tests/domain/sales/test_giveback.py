"""Returns and voids: what came in goes back, to the cent, once."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from tests.domain.inventory.race import until_blocked
from tests.shop import Shop


async def _sold(shop: Shop, session: str, *, quantity: str = "3", price: str = "10000", **body: Any) -> dict[str, Any]:
    product = await shop.product(price=price, stock="10", cost="3333")
    answer = await shop.sell(session, [{"productId": product["id"], "quantity": quantity}], "1000000", **body)
    assert answer.status_code == 201, answer.text
    sale: dict[str, Any] = answer.json()
    return sale


async def _give_back(shop: Shop, sale: dict[str, Any], quantity: str, cash: str, **body: Any) -> Any:
    return await shop.post(
        "/v1/returns",
        {
            "saleId": sale["id"],
            "lines": [{"saleLineId": sale["lines"][0]["id"], "quantity": quantity}],
            "refunds": [{"method": "cash", "amount": cash}],
            "reason": "no era la talla",
        }
        | body,
    )


async def test_pieces_of_a_return_add_up_to_the_line(shop: Shop) -> None:
    session = await shop.open_drawer("100000")
    sale = await _sold(shop, session, quantity="3", price="3333.33", discount="0.01")
    assert sale["total"] == "9999.98"
    pieces = [(await _give_back(shop, sale, "1", cash)).json() for cash in ("3333.33", "3333.32", "3333.33")]
    assert [piece["number"] for piece in pieces] == ["D-1", "D-2", "D-3"]
    for field, whole in (("total", "total"), ("subtotal", "subtotal"), ("taxTotal", "taxTotal")):
        assert sum(Decimal(piece[field]) for piece in pieces) == Decimal(sale[whole])
    read = (await shop.get(f"/v1/sales/{sale['id']}")).json()
    assert (read["status"], read["lines"][0]["returned"]) == ("returned", "3.000")
    stock = (await shop.get("/v1/inventory/stock", productId=sale["lines"][0]["productId"])).json()["items"][0]
    assert (stock["quantity"], stock["averageCost"]) == ("10.000", "3333.00")


async def test_more_than_was_sold_does_not_come_back(shop: Shop) -> None:
    session = await shop.open_drawer()
    sale = await _sold(shop, session)
    answer = await _give_back(shop, sale, "4", "40000")
    assert (answer.status_code, answer.json()["code"]) == (422, "return-above-sold")


async def test_two_returns_of_the_last_piece_cannot_race(shop: Shop) -> None:
    session = await shop.open_drawer()
    sale = await _sold(shop, session, quantity="1")
    answers = await asyncio.gather(*(_give_back(shop, sale, "1", "10000") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422, 422]


async def test_twins_of_a_return_are_one_return(shop: Shop, admin: asyncpg.Connection) -> None:
    session = await shop.open_drawer()
    sale = await _sold(shop, session)
    body = {"id": str(uuid4())}
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute("SELECT 1 FROM sale_line WHERE id = $1 FOR UPDATE", UUID(sale["lines"][0]["id"]))
    racing = [asyncio.create_task(_give_back(shop, sale, "1", "10000", **body)) for _ in range(3)]
    await until_blocked(admin, 3)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201], [a.text for a in answers]
    assert len({answer.text for answer in answers}) == 1
    other = await _give_back(shop, sale, "2", "20000", **body)
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")


async def test_refunds_must_add_up_and_stay_within_what_each_tender_paid(shop: Shop) -> None:
    session = await shop.open_drawer()
    sale = await _sold(shop, session)
    short = await _give_back(shop, sale, "1", "9999.99")
    assert (short.status_code, short.json()["code"]) == (422, "refund-mismatch")
    other = await _give_back(shop, sale, "1", "1", refunds=[{"method": "nequi", "amount": "10000"}])
    assert (other.status_code, other.json()["code"]) == (422, "refund-above-paid")


async def test_a_void_undoes_what_remains(shop: Shop) -> None:
    session = await shop.open_drawer("5000")
    sale = await _sold(shop, session)
    assert (await _give_back(shop, sale, "1", "10000")).status_code == 201
    void = await shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error de digitación"})
    assert void.status_code == 201, void.text
    assert (void.json()["number"], void.json()["total"]) == ("A-1", "20000.00")
    assert void.json()["refunds"] == [{"method": "cash", "amount": "20000.00", "reference": ""}]
    read = (await shop.get(f"/v1/sales/{sale['id']}")).json()
    assert read["status"] == "voided"
    again = await shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "otra vez"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing-to-void")


async def test_a_void_gives_every_tender_and_the_rounding_back(shop: Shop) -> None:
    await shop.patch("/v1/company", {"cashRounding": 50})
    product = await shop.product(price="10020")
    session = await shop.open_drawer("0")
    sale = (
        await shop.post(
            "/v1/sales",
            {
                "sessionId": session,
                "lines": [{"productId": product["id"], "quantity": "1"}],
                "payments": [{"method": "nequi", "amount": "3000"}, {"method": "cash", "amount": "8000"}],
            },
        )
    ).json()
    assert (sale["rounding"], sale["change"]) == ("20.00", "1000.00")
    void = (await shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error"})).json()
    assert {row["method"]: row["amount"] for row in void["refunds"]} == {
        "rounding": "20.00",
        "cash": "7000.00",
        "nequi": "3000.00",
    }


async def test_without_an_open_session_nothing_goes_back(shop: Shop) -> None:
    session = await shop.open_drawer("0")
    sale = await _sold(shop, session)
    closed = await shop.post(f"/v1/cash/sessions/{session}/close", {"counted": [{"method": "cash", "amount": "30000"}]})
    assert closed.status_code == 200, closed.text
    refused = await _give_back(shop, sale, "1", "10000")
    assert (refused.status_code, refused.json()["code"]) == (409, "no-open-session")
    late = await shop.sell(session, [{"productId": sale["lines"][0]["productId"], "quantity": "1"}], "10000")
    assert (late.status_code, late.json()["code"]) == (409, "session-closed")
    await shop.open_drawer("20000")
    assert (await _give_back(shop, sale, "1", "10000")).status_code == 201


async def test_a_retry_of_a_return_gives_back_once(shop: Shop) -> None:
    session = await shop.open_drawer()
    sale = await _sold(shop, session)
    body = {
        "saleId": sale["id"],
        "lines": [{"saleLineId": sale["lines"][0]["id"], "quantity": "1"}],
        "refunds": [{"method": "cash", "amount": "10000"}],
        "reason": "se dañó",
    }
    first, again = [await shop.post("/v1/returns", body, key="again") for _ in range(2)]
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert (await shop.get(f"/v1/sales/{sale['id']}")).json()["lines"][0]["returned"] == "1.000"


async def test_a_drawer_gives_no_more_cash_than_it_holds(shop: Shop) -> None:
    session = await shop.open_drawer("0")
    sale = await _sold(shop, session)
    out = await shop.post(
        f"/v1/cash/sessions/{session}/movements", {"kind": "out", "amount": "25000", "reason": "consignación"}
    )
    assert out.status_code == 201, out.text
    answer = await _give_back(shop, sale, "1", "10000")
    assert (answer.status_code, answer.json()["code"]) == (422, "drawer-short")


async def test_a_stranger_gives_nothing_back(shop: Shop, other_shop: Shop) -> None:
    session = await shop.open_drawer()
    sale = await _sold(shop, session)
    await other_shop.open_drawer()
    assert (await other_shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "x"})).status_code == 404
    answer = await _give_back(other_shop, sale, "1", "10000")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")


async def test_a_held_ticket_is_taken_up_by_one_till(shop: Shop, other_shop: Shop) -> None:
    product = await shop.product()
    register = (await shop.get("/v1/cash/registers")).json()["items"][0]["id"]
    held = await shop.post(
        "/v1/held-tickets",
        {"registerId": register, "label": "señora de azul", "lines": [{"productId": product["id"], "quantity": "2.5"}]},
    )
    assert held.status_code == 201, held.text
    assert (await other_shop.post(f"/v1/held-tickets/{held.json()['id']}/resume")).status_code == 404
    answers = await asyncio.gather(*(shop.post(f"/v1/held-tickets/{held.json()['id']}/resume") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert (await shop.get("/v1/held-tickets")).json()["items"] == []
