"""Opening a drawer, and who sees what of it."""

import asyncio
from uuid import UUID, uuid4

from litestar import Litestar

from tests.domain.cash.counter import Admin, add_register, cashier_of, open_at
from tests.shop import Shop


async def first_register(shop: Shop) -> str:
    return str((await shop.get("/v1/cash/registers")).json()["items"][0]["id"])


async def test_a_new_shop_has_one_till_and_nobody_on_it(shop: Shop) -> None:
    answer = (await shop.get("/v1/cash/registers")).json()
    assert answer["nextCursor"] is None
    (register,) = answer["items"]
    assert register["name"] == "Caja 1"
    assert register["openSession"] is None
    session_id = await shop.open_drawer()
    (register,) = (await shop.get("/v1/cash/registers")).json()["items"]
    assert register["openSession"]["id"] == session_id
    assert register["openSession"]["openedByName"] == "Dueña de Prueba"


async def test_a_drawer_opens_with_its_money_and_says_who_opened_it(shop: Shop) -> None:
    register_id = await first_register(shop)
    answer = await shop.post("/v1/cash/sessions", {"registerId": register_id, "openingAmount": "120000.50"})
    assert answer.status_code == 201
    opened = answer.json()
    assert opened["status"] == "open"
    assert opened["registerId"] == register_id
    assert opened["openedBy"] == shop.user["id"]
    assert opened["openingAmount"] == "120000.50"
    assert opened["zNumber"] is None
    assert opened["tenders"] == [{"method": "cash", "expected": "120000.50", "counted": None, "difference": None}]
    assert (await shop.get(f"/v1/cash/sessions/{opened['id']}")).json() == opened
    movements = (await shop.get(f"/v1/cash/sessions/{opened['id']}/movements")).json()["items"]
    assert [(row["kind"], row["method"], row["amount"]) for row in movements] == [("opening", "cash", "120000.50")]


async def test_a_till_has_one_open_drawer(shop: Shop) -> None:
    register_id = await first_register(shop)
    await open_at(shop, register_id)
    again = await shop.post("/v1/cash/sessions", {"registerId": register_id, "openingAmount": "0"})
    assert (again.status_code, again.json()["code"]) == (409, "register-busy")


async def test_of_six_people_opening_one_till_at_once_one_does(shop: Shop) -> None:
    register_id = await first_register(shop)
    body = {"registerId": register_id, "openingAmount": "1000"}
    answers = await asyncio.gather(*(shop.post("/v1/cash/sessions", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"register-busy"}
    assert len((await shop.get("/v1/cash/sessions")).json()["items"]) == 1


async def test_an_opening_sent_twice_opens_once(shop: Shop) -> None:
    register_id = await first_register(shop)
    body = {"id": str(uuid4()), "registerId": register_id, "openingAmount": "1000"}
    key = uuid4().hex
    first = await shop.post("/v1/cash/sessions", body, key=key)
    same_key = await shop.post("/v1/cash/sessions", body, key=key)
    same_id = await shop.post("/v1/cash/sessions", body)
    other_body = await shop.post("/v1/cash/sessions", body | {"openingAmount": "2000"})
    assert [answer.status_code for answer in (first, same_key, same_id)] == [201, 201, 200]
    assert first.json() == same_key.json() == same_id.json()
    assert same_key.headers["idempotency-replayed"] == "true"
    assert (other_body.status_code, other_body.json()["code"]) == (409, "id-taken")


async def test_an_opening_needs_its_key_a_known_till_and_no_debt(shop: Shop) -> None:
    register_id = await first_register(shop)
    body = {"registerId": register_id, "openingAmount": "1000"}
    keyless = await shop.http.post("/v1/cash/sessions", json=body, headers=shop.headers)
    assert keyless.status_code == 428
    unknown = await shop.post("/v1/cash/sessions", body | {"registerId": str(uuid4())})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown-reference")
    assert unknown.json()["errors"][0]["pointer"] == "/registerId"
    negative = await shop.post("/v1/cash/sessions", body | {"openingAmount": "-1"})
    assert (negative.status_code, negative.json()["errors"][0]["pointer"]) == (422, "/openingAmount")
    float_amount = await shop.post("/v1/cash/sessions", body | {"openingAmount": 10.5})
    assert float_amount.status_code == 400


async def test_a_stranger_finds_no_till_and_no_drawer(shop: Shop, other_shop: Shop) -> None:
    register_id = await first_register(shop)
    session_id = await open_at(shop, register_id)
    strange = await other_shop.post("/v1/cash/sessions", {"registerId": register_id, "openingAmount": "0"})
    assert (strange.status_code, strange.json()["code"]) == (422, "unknown-reference")
    for path in ("", "/report", "/movements"):
        assert (await other_shop.get(f"/v1/cash/sessions/{session_id}{path}")).status_code == 404
    for path, body in (
        ("movements", {"kind": "in", "amount": "1", "reason": "x"}),
        ("close", {"counted": []}),
    ):
        assert (await other_shop.post(f"/v1/cash/sessions/{session_id}/{path}", body)).status_code == 404
    assert (await other_shop.get("/v1/cash/sessions")).json()["items"] == []
    assert session_id not in (await other_shop.get("/v1/cash/registers")).text


async def test_shifts_are_listed_newest_first_in_pages(shop: Shop, admin: Admin) -> None:
    registers = [await first_register(shop), *[await add_register(shop, admin, f"Caja {n}") for n in (2, 3, 4)]]
    opened = [await open_at(shop, register_id) for register_id in registers]
    closed = opened.pop(1)
    await shop.post(f"/v1/cash/sessions/{closed}/close", {"counted": [{"method": "cash", "amount": "49000"}]})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await shop.get("/v1/cash/sessions", limit=3, **cursor)).json()
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == [opened[2], opened[1], closed, opened[0]]
    listed = (await shop.get("/v1/cash/sessions", status="open")).json()["items"]
    assert [item["id"] for item in listed] == [opened[2], opened[1], opened[0]]
    (item,) = (await shop.get("/v1/cash/sessions", status="closed")).json()["items"]
    assert (item["id"], item["zNumber"], item["difference"]) == (closed, 1, "-1000.00")
    (item,) = (await shop.get("/v1/cash/sessions", registerId=registers[3])).json()["items"]
    assert item["id"] == opened[2]
    assert (await shop.get("/v1/cash/sessions", status="ajar")).status_code == 400


async def test_registers_come_in_pages_too(shop: Shop, admin: Admin) -> None:
    await add_register(shop, admin, "Caja 2")
    first = (await shop.get("/v1/cash/registers", limit=1)).json()
    second = (await shop.get("/v1/cash/registers", limit=1, cursor=first["nextCursor"])).json()
    assert [page["items"][0]["name"] for page in (first, second)] == ["Caja 1", "Caja 2"]
    assert second["nextCursor"] is None


async def test_a_cashier_counts_blind(shop: Shop, admin: Admin, app: Litestar) -> None:
    cashier = await cashier_of(shop, admin, app)
    register_id = await first_register(cashier)
    opening = await cashier.post("/v1/cash/sessions", {"registerId": register_id, "openingAmount": "50000"})
    session_id = opening.json()["id"]
    await cashier.post(f"/v1/cash/sessions/{session_id}/movements", {"kind": "in", "amount": "777", "reason": "x"})
    unseen = [opening, await cashier.get(f"/v1/cash/sessions/{session_id}")]
    for answer in unseen:
        assert answer.json()["tenders"] == [{"method": "cash", "expected": None, "counted": None, "difference": None}]
    report = await cashier.get(f"/v1/cash/sessions/{session_id}/report")
    assert "50777" not in report.text
    assert report.json()["totals"]["sales"] is None
    short = await cashier.post(
        f"/v1/cash/sessions/{session_id}/movements", {"kind": "out", "amount": "999999", "reason": "x"}
    )
    assert (short.status_code, short.json()["code"]) == (422, "drawer-short")
    assert "available" not in short.json()
    assert (await cashier.get(f"/v1/cash/sessions/{session_id}/movements")).status_code == 403
    owner_sees = (await shop.get(f"/v1/cash/sessions/{session_id}")).json()["tenders"]
    assert owner_sees[0]["expected"] == "50777.00"
    closing = await cashier.post(
        f"/v1/cash/sessions/{session_id}/close", {"counted": [{"method": "cash", "amount": "50777"}]}
    )
    assert closing.json()["tenders"] == [
        {"method": "cash", "expected": "50777.00", "counted": "50777.00", "difference": "0.00"}
    ]


async def test_opening_is_in_the_audit_trail(shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("4321")
    content = await admin.fetchval(
        "SELECT content FROM audit_entry WHERE tenant_id = $1 AND subject_id = $2 AND action = 'cash-session.opened'",
        UUID(shop.tenant_id),
        UUID(session_id),
    )
    assert '"openingAmount":"4321.00"' in str(content)
