"""Cash that moves by hand."""

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.domain.cash.counter import Admin, add_register, open_at
from tests.shop import Shop


async def expected_cash(shop: Shop, session_id: str) -> str:
    tenders = (await shop.get(f"/v1/cash/sessions/{session_id}")).json()["tenders"]
    return str(next(tender["expected"] for tender in tenders if tender["method"] == "cash"))


async def two_drawers(shop: Shop, admin: Admin) -> tuple[str, str]:
    return await shop.open_drawer("50000"), await open_at(shop, await add_register(shop, admin), "20000")


async def test_cash_goes_in_and_out_with_its_reason(shop: Shop) -> None:
    session_id = await shop.open_drawer("100000")
    path = f"/v1/cash/sessions/{session_id}/movements"
    gone = await shop.post(
        path, {"kind": "out", "amount": "30000.25", "reason": "  Recibo del agua ", "category": "expense"}
    )
    assert gone.status_code == 201
    movement = gone.json()
    assert {name: movement[name] for name in ("sessionId", "kind", "method", "amount", "category", "reason")} == {
        "sessionId": session_id,
        "kind": "out",
        "method": "cash",
        "amount": "30000.25",
        "category": "expense",
        "reason": "Recibo del agua",
    }
    come = await shop.post(path, {"kind": "in", "amount": 5000, "reason": "Sencillo"})
    assert (come.status_code, come.json()["category"]) == (201, "other")
    assert await expected_cash(shop, session_id) == "74999.75"
    listed = (await shop.get(path)).json()["items"]
    assert [(row["kind"], row["amount"]) for row in listed] == [
        ("opening", "100000.00"),
        ("out", "30000.25"),
        ("in", "5000.00"),
    ]


async def test_no_more_leaves_than_the_drawer_holds(shop: Shop) -> None:
    session_id = await shop.open_drawer("1000")
    path = f"/v1/cash/sessions/{session_id}/movements"
    short = await shop.post(path, {"kind": "out", "amount": "1000.01", "reason": "x"})
    assert (short.status_code, short.json()["code"], short.json()["available"]) == (422, "drawer-short", "1000.00")
    assert await expected_cash(shop, session_id) == "1000.00"
    assert (await shop.post(path, {"kind": "out", "amount": "1000", "reason": "x"})).status_code == 201
    assert await expected_cash(shop, session_id) == "0.00"


async def test_of_ten_hands_taking_at_once_only_what_is_there_goes(shop: Shop) -> None:
    session_id = await shop.open_drawer("3000")
    body = {"kind": "out", "amount": "1000", "reason": "x"}
    answers = await asyncio.gather(*(shop.post(f"/v1/cash/sessions/{session_id}/movements", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 422, 422, 422]
    assert await expected_cash(shop, session_id) == "0.00"


async def test_a_movement_sent_twice_moves_once(shop: Shop) -> None:
    session_id = await shop.open_drawer("10000")
    path = f"/v1/cash/sessions/{session_id}/movements"
    body = {"id": str(uuid4()), "kind": "out", "amount": "4000", "reason": "Almuerzo"}
    key = uuid4().hex
    first = await shop.post(path, body, key=key)
    same_key = await shop.post(path, body, key=key)
    same_id = await shop.post(path, body)
    assert [answer.status_code for answer in (first, same_key, same_id)] == [201, 201, 200]
    assert first.json() == same_key.json() == same_id.json()
    other = await shop.post(path, body | {"amount": "4001"})
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")
    assert await expected_cash(shop, session_id) == "6000.00"


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"amount": "0"}, 422, "/amount"),
        ({"amount": "-5"}, 422, "/amount"),
        ({"amount": "1.001"}, 400, "/amount"),
        ({"reason": "   "}, 422, "/reason"),
        ({"reason": ""}, 400, "/reason"),
        ({"kind": "sale"}, 400, "/kind"),
        ({"category": "party"}, 400, "/category"),
        ({"method": "nequi"}, 400, "/method"),
    ],
    ids=["zero", "negative", "millicent", "blank", "no reason", "kind", "category", "unknown field"],
)
async def test_a_movement_that_says_nothing_useful_is_refused(
    shop: Shop, change: dict[str, str], status: int, pointer: str
) -> None:
    session_id = await shop.open_drawer("10000")
    body = {"kind": "out", "amount": "1", "reason": "x"} | change
    answer = await shop.post(f"/v1/cash/sessions/{session_id}/movements", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer), answer.text
    assert await expected_cash(shop, session_id) == "10000.00"


async def test_moving_cash_needs_its_key(shop: Shop) -> None:
    session_id = await shop.open_drawer()
    body = {"kind": "in", "amount": "1", "reason": "x"}
    for path in (f"/v1/cash/sessions/{session_id}/movements", "/v1/cash/transfers"):
        assert (await shop.http.post(path, json=body, headers=shop.headers)).status_code == 428


async def test_cash_is_carried_between_two_drawers(shop: Shop, admin: Admin) -> None:
    going, coming = await two_drawers(shop, admin)
    body = {"fromSessionId": going, "toSessionId": coming, "amount": "15000", "reason": "Sencillo"}
    answer = await shop.post("/v1/cash/transfers", body)
    assert answer.status_code == 201
    transfer = answer.json()
    assert (transfer["fromSessionId"], transfer["toSessionId"], transfer["amount"]) == (going, coming, "15000.00")
    assert [await expected_cash(shop, session_id) for session_id in (going, coming)] == ["35000.00", "35000.00"]
    for session_id, kind in ((going, "transfer-out"), (coming, "transfer-in")):
        rows = (await shop.get(f"/v1/cash/sessions/{session_id}/movements")).json()["items"]
        assert (rows[1]["kind"], rows[1]["amount"], rows[1]["documentId"]) == (kind, "15000.00", transfer["id"])


async def test_a_transfer_sent_twice_carries_once(shop: Shop, admin: Admin) -> None:
    going, coming = await two_drawers(shop, admin)
    body = {"id": str(uuid4()), "fromSessionId": going, "toSessionId": coming, "amount": "1", "reason": "x"}
    key = uuid4().hex
    first = await shop.post("/v1/cash/transfers", body, key=key)
    same_key = await shop.post("/v1/cash/transfers", body, key=key)
    same_id = await shop.post("/v1/cash/transfers", body)
    assert [answer.status_code for answer in (first, same_key, same_id)] == [201, 201, 200]
    assert first.json() == same_key.json() == same_id.json()
    assert (await shop.post("/v1/cash/transfers", body | {"reason": "y"})).json()["code"] == "id-taken"
    assert await expected_cash(shop, coming) == "20001.00"


async def test_a_transfer_wants_two_open_drawers_and_enough_money(shop: Shop, other_shop: Shop, admin: Admin) -> None:
    going, coming = await two_drawers(shop, admin)
    foreign = await other_shop.open_drawer()
    body = {"fromSessionId": going, "toSessionId": coming, "amount": "1", "reason": "x"}

    async def refused(**change: str) -> tuple[int, str]:
        answer = await shop.post("/v1/cash/transfers", body | change)
        return answer.status_code, answer.json()["code"]

    assert await refused(toSessionId=going) == (422, "same-session")
    assert await refused(amount="50001") == (422, "drawer-short")
    assert await refused(amount="0") == (422, "not-positive")
    assert await refused(toSessionId=foreign) == (422, "unknown-reference")
    assert await refused(fromSessionId=str(uuid4())) == (422, "unknown-reference")
    await shop.post(f"/v1/cash/sessions/{coming}/close", {"counted": [{"method": "cash", "amount": "20000"}]})
    assert await refused() == (409, "session-closed")
    assert await expected_cash(shop, going) == "50000.00"


async def test_crossing_transfers_do_not_wait_for_each_other_forever(shop: Shop, admin: Admin) -> None:
    one, other = await two_drawers(shop, admin)
    there = {"fromSessionId": one, "toSessionId": other, "amount": "10", "reason": "x"}
    back = {"fromSessionId": other, "toSessionId": one, "amount": "10", "reason": "x"}
    answers = await asyncio.gather(*(shop.post("/v1/cash/transfers", body) for body in [there, back] * 4))
    assert {answer.status_code for answer in answers} == {201}
    assert [await expected_cash(shop, session_id) for session_id in (one, other)] == ["50000.00", "20000.00"]


async def test_every_drawer_equals_the_sum_of_its_movements(shop: Shop, admin: Admin) -> None:
    one, other = await two_drawers(shop, admin)
    for body in ({"kind": "in", "amount": "333.33"}, {"kind": "out", "amount": "0.01"}):
        await shop.post(f"/v1/cash/sessions/{one}/movements", body | {"reason": "x"})
    await shop.post("/v1/cash/transfers", {"fromSessionId": one, "toSessionId": other, "amount": "7.07", "reason": "x"})
    rows = await admin.fetch(
        "SELECT d.cash, (SELECT sum(amount) FROM cash_movement m WHERE m.session_id = d.session_id) AS moved "
        "FROM cash_drawer d WHERE d.tenant_id = $1",
        UUID(shop.tenant_id),
    )
    assert [row["cash"] - row["moved"] for row in rows] == [Decimal("0.00")] * 2


async def test_hand_movements_are_in_the_audit_trail(shop: Shop, admin: Admin) -> None:
    one, other = await two_drawers(shop, admin)
    await shop.post(f"/v1/cash/sessions/{one}/movements", {"kind": "out", "amount": "9", "reason": "Tinto"})
    await shop.post("/v1/cash/transfers", {"fromSessionId": one, "toSessionId": other, "amount": "8", "reason": "x"})
    rows = await admin.fetch(
        "SELECT action, content FROM audit_entry WHERE tenant_id = $1 AND action LIKE 'cash-%' ORDER BY seq",
        UUID(shop.tenant_id),
    )
    assert [row["action"] for row in rows[2:]] == ["cash-movement.made", "cash-transfer.made"]
    assert '"reason":"Tinto"' in rows[2]["content"]
    assert f'"toSessionId":"{other}"' in rows[3]["content"]
