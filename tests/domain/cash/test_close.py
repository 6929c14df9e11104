"""The end of a shift: counted against expected, a numbered Z, and nothing after it."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from litestar import Litestar

from app.db.session import Database, system_actor
from app.domain.cash.close import CloseService
from app.domain.cash.schemas import CloseSession, Counted
from app.lib.money import Pesos
from tests.domain.cash.counter import Admin, add_register, cashier_of, move, open_at
from tests.shop import Shop


def cash(amount: str) -> dict[str, Any]:
    return {"counted": [{"method": "cash", "amount": amount}]}


async def close(shop: Shop, session_id: str, body: dict[str, Any]) -> Any:
    return await shop.post(f"/v1/cash/sessions/{session_id}/close", body)


async def test_a_drawer_that_agrees_closes_with_its_first_z(shop: Shop) -> None:
    session_id = await shop.open_drawer("100000")
    answer = await close(shop, session_id, cash("100000"))
    assert answer.status_code == 200
    closed = answer.json()
    assert (closed["id"], closed["status"], closed["zNumber"]) == (session_id, "closed", 1)
    assert closed["tenders"] == [
        {"method": "cash", "expected": "100000.00", "counted": "100000.00", "difference": "0.00"}
    ]
    assert closed["closedBy"] == shop.user["id"]
    assert closed["approvedBy"] is None
    assert (await shop.get(f"/v1/cash/sessions/{session_id}")).json() == closed


async def test_z_numbers_follow_each_other_per_till(shop: Shop, admin: Admin) -> None:
    first = str((await shop.get("/v1/cash/registers")).json()["items"][0]["id"])
    second = await add_register(shop, admin)
    numbers = []
    for register_id in (first, first, second, first, second):
        session_id = await open_at(shop, register_id, "0")
        assert (await close(shop, session_id, cash("-1"))).status_code == 422
        numbers.append((await close(shop, session_id, cash("0"))).json()["zNumber"])
    assert numbers == [1, 2, 1, 3, 2]


async def test_every_tender_is_counted_and_a_forgotten_one_counts_as_nothing(shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("10000")
    for method, amount in (("nequi", "25000"), ("credit-card", "80000.50"), ("check", "7000"), ("rounding", "20")):
        await move(admin, session_id, "sale", method, amount, uuid4())
    body = {
        "counted": [
            {"method": "check", "amount": "7000"},
            {"method": "credit-card", "amount": "80000"},
            {"method": "cash", "amount": "12000"},
            {"method": "voucher", "amount": "500"},
        ]
    }
    tenders = (await close(shop, session_id, body)).json()["tenders"]
    assert [(row["method"], row["expected"], row["counted"], row["difference"]) for row in tenders] == [
        ("cash", "10000.00", "12000.00", "2000.00"),
        ("credit-card", "80000.50", "80000.00", "-0.50"),
        ("nequi", "25000.00", "0.00", "-25000.00"),
        ("check", "7000.00", "7000.00", "0.00"),
        ("voucher", "0.00", "500.00", "500.00"),
    ]


async def test_notes_and_coins_must_add_up_to_the_counted_cash(shop: Shop) -> None:
    session_id = await shop.open_drawer("100000")
    notes = [{"value": 20000, "count": 3}, {"value": 50, "count": 4}, {"value": 50000, "count": 1}]
    short = await close(shop, session_id, cash("110000") | {"denominations": notes})
    assert (short.status_code, short.json()["code"]) == (422, "denominations-mismatch")
    uncounted = await close(shop, session_id, {"counted": [], "denominations": notes})
    assert uncounted.json()["code"] == "denominations-mismatch"
    odd = await close(shop, session_id, cash("110000") | {"denominations": [{"value": 30000, "count": 1}]})
    assert (odd.json()["code"], odd.json()["errors"][0]["pointer"]) == (
        "unknown-denomination",
        "/denominations/0/value",
    )
    twice = await close(shop, session_id, cash("40000") | {"denominations": notes[:1] + notes[:1]})
    assert (twice.json()["code"], twice.json()["errors"][0]["pointer"]) == (
        "unknown-denomination",
        "/denominations/1/value",
    )
    assert (await shop.get(f"/v1/cash/sessions/{session_id}")).json()["status"] == "open"
    good = (await close(shop, session_id, cash("110200") | {"denominations": notes})).json()
    assert good["denominations"] == [
        {"value": 50000, "count": 1},
        {"value": 20000, "count": 3},
        {"value": 50, "count": 4},
    ]
    assert good["tenders"][0]["difference"] == "10200.00"


async def test_a_tender_is_counted_once(shop: Shop) -> None:
    session_id = await shop.open_drawer()
    twice = await close(shop, session_id, {"counted": cash("1")["counted"] * 2})
    assert (twice.status_code, twice.json()["code"]) == (422, "repeated-method")
    unknown = await close(shop, session_id, {"counted": [{"method": "credit", "amount": "1"}]})
    assert unknown.status_code == 400


@pytest.mark.parametrize("counted", ["94999.99", "105000.01", "0"])
async def test_beyond_the_tolerance_a_cashier_needs_a_supervisor(
    shop: Shop, admin: Admin, app: Litestar, counted: str
) -> None:
    cashier = await cashier_of(shop, admin, app)
    session_id = await cashier.open_drawer("100000")
    refused = await close(cashier, session_id, cash(counted))
    assert (refused.status_code, refused.json()["code"]) == (422, "approval-required")
    # What they counted is repeated to them, for the approval; what the books say is not.
    told = refused.text.replace(f'"{Decimal(counted):.2f}"', "")
    for secret in ("100000", "5000.01", "-5000.01"):
        assert secret not in told
    assert (await shop.get(f"/v1/cash/sessions/{session_id}")).json()["status"] == "open"
    for kind in ("in", "out"):
        later = await cashier.post(
            f"/v1/cash/sessions/{session_id}/movements", {"kind": kind, "amount": "1", "reason": "sigue abierta"}
        )
        assert later.status_code == 201
    approved = await close(shop, session_id, cash(counted))
    assert (approved.status_code, approved.json()["zNumber"]) == (200, 1)
    assert approved.json()["approvedBy"] == shop.user["id"]


@pytest.mark.parametrize("counted", ["95000", "105000"])
async def test_up_to_the_tolerance_a_cashier_closes_alone(
    shop: Shop, admin: Admin, app: Litestar, counted: str
) -> None:
    cashier = await cashier_of(shop, admin, app)
    session_id = await cashier.open_drawer("100000")
    closed = await close(cashier, session_id, cash(counted))
    assert (closed.status_code, closed.json()["approvedBy"]) == (200, None)


async def test_the_owner_sets_the_tolerance(shop: Shop, admin: Admin, app: Litestar) -> None:
    changed = await shop.patch("/v1/company", {"cashTolerance": "0"})
    assert changed.status_code == 200
    cashier = await cashier_of(shop, admin, app)
    session_id = await cashier.open_drawer("100000")
    assert (await close(cashier, session_id, cash("99999"))).json()["code"] == "approval-required"
    assert (await close(cashier, session_id, cash("100000"))).status_code == 200


async def test_a_cashier_closes_only_what_it_opened(shop: Shop, admin: Admin, app: Litestar) -> None:
    cashier, colleague = [await cashier_of(shop, admin, app, name) for name in ("Ana", "Luis")]
    session_id = await cashier.open_drawer("1000")
    refused = await close(colleague, session_id, cash("1000"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not-your-session")
    closed = await close(shop, session_id, cash("1000"))
    assert (closed.status_code, closed.json()["openedByName"], closed.json()["closedByName"]) == (
        200,
        "Ana",
        "Dueña de Prueba",
    )


async def test_nothing_is_posted_after_the_close(shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("1000")
    other = await open_at(shop, await add_register(shop, admin))
    closed = (await close(shop, session_id, cash("1000"))).json()
    for path, body in (
        (f"sessions/{session_id}/close", cash("1000")),
        (f"sessions/{session_id}/movements", {"kind": "in", "amount": "1", "reason": "x"}),
        (f"sessions/{session_id}/movements", {"kind": "out", "amount": "1", "reason": "x"}),
        ("transfers", {"fromSessionId": other, "toSessionId": session_id, "amount": "1", "reason": "x"}),
    ):
        answer = await shop.post(f"/v1/cash/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "session-closed"), path
    assert (await shop.get(f"/v1/cash/sessions/{session_id}")).json() == closed
    assert await shop.open_drawer("500") != session_id


async def test_the_database_itself_keeps_a_closed_drawer_closed(shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("1000")
    await close(shop, session_id, cash("1000"))
    for change in ("cash = cash + 1", "nequi = 5", "closed_total = NULL", "closed_total = closed_total + 1"):
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(f"UPDATE cash_drawer SET {change} WHERE session_id = $1", UUID(session_id))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await admin.execute(
            "UPDATE cash_drawer SET is_open = true, closed_total = NULL WHERE session_id = $1", UUID(session_id)
        )


async def test_a_close_sent_twice_with_its_key_closes_once(shop: Shop) -> None:
    session_id = await shop.open_drawer("1000")
    key = uuid4().hex
    answers = [await shop.post(f"/v1/cash/sessions/{session_id}/close", cash("1000"), key=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"


async def test_of_five_closes_at_once_one_counts(shop: Shop) -> None:
    session_id = await shop.open_drawer("1000")
    answers = await asyncio.gather(*(close(shop, session_id, cash(str(1000 + n))) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"session-closed"}
    again = await shop.open_drawer("0")
    assert (await close(shop, again, cash("0"))).json()["zNumber"] == 2


async def waiting(admin: Admin, statement: str) -> None:
    """Until a statement of the application stands in front of a lock."""
    for _ in range(200):
        if await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() "
            "AND query ILIKE $1",
            f"%{statement}%",
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"nothing waits with {statement}")


async def test_a_sale_under_way_is_in_the_close_that_waits_for_it(
    shop: Shop, admin: Admin, environ: dict[str, str]
) -> None:
    session_id = await shop.open_drawer("1000")
    sale = admin.transaction()
    await sale.start()
    await move(admin, session_id, "sale", "cash", "11900", uuid4())
    closing = asyncio.create_task(close(shop, session_id, cash("12900")))
    monitor = await asyncpg.connect(environ["DATABASE_ADMIN_URL"])
    try:
        await waiting(monitor, "UPDATE cash_drawer SET is_open")
    finally:
        await monitor.close()
    await sale.commit()
    closed = (await closing).json()
    assert closed["tenders"][0] == {
        "method": "cash",
        "expected": "12900.00",
        "counted": "12900.00",
        "difference": "0.00",
    }
    report = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()
    assert report["totals"]["tenders"][0]["sales"] == "11900.00"


async def test_a_movement_that_waits_for_a_close_finds_the_drawer_shut(
    shop: Shop, admin: Admin, database: Database
) -> None:
    session_id = await shop.open_drawer("1000")
    owner = msgspec.structs.replace(
        system_actor(UUID(shop.tenant_id)),
        user_id=UUID(shop.user["id"]),
        permissions=frozenset({"cash:approve"}),
    )
    async with database.tenant_transaction(owner) as work:
        await CloseService(work).close(
            UUID(session_id), CloseSession(counted=[Counted(method="cash", amount=Pesos("1000"))])
        )
        late = asyncio.create_task(
            shop.post(f"/v1/cash/sessions/{session_id}/movements", {"kind": "in", "amount": "5", "reason": "tarde"})
        )
        await waiting(admin, "UPDATE cash_drawer SET cash")
    answer = await late
    assert (answer.status_code, answer.json()["code"]) == (409, "session-closed")
    assert await admin.fetchval("SELECT cash FROM cash_drawer WHERE session_id = $1", UUID(session_id)) == Decimal(1000)
