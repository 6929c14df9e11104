"""PINs, taking over a till, and supervisors' approvals."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.db.session import Database
from app.lib import clock
from app.lib.permissions import AT_THE_TILL, ROLES
from tests.domain.inventory.race import until_blocked
from tests.people import PASSWORD, Person, hire, owner_of, with_pin
from tests.shop import Shop

PIN = "740286"


async def take_over(till: Person, who: Person, pin: str = PIN) -> httpx.Response:
    return await till.post("/v1/auth/operator", {"userId": who.id, "pin": pin})


async def test_a_pin_needs_the_password_and_some_thought(shop: Shop, database: Database) -> None:
    person = await hire(shop, database)
    wrong = await person.put("/v1/me/pin", {"password": "no es la clave", "pin": PIN})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong-password")
    for pin in ("1111", "1234", "987654", "01234567"):
        weak = await person.put("/v1/me/pin", {"password": PASSWORD, "pin": pin})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak-pin"), pin
    for pin in ("123", "123456789", "12a4", "1234\n", "١٢٣٤"):
        assert (await person.put("/v1/me/pin", {"password": PASSWORD, "pin": pin})).status_code == 400, pin
    assert (await with_pin(person)).id == person.id
    listed = (await shop.get("/v1/operators")).json()["items"]
    assert [(o["userId"], o["approves"]) for o in listed] == [(person.id, [])]
    assert (await person.delete("/v1/me/pin")).status_code == 204
    assert (await shop.get("/v1/operators")).json()["items"] == []


async def test_the_digits_are_stored_nowhere(shop: Shop, database: Database, admin: asyncpg.Connection) -> None:
    person = await with_pin(await hire(shop, database))
    stored = await admin.fetchval("SELECT pin_hash FROM member_pin WHERE user_id = $1", UUID(person.id))
    assert stored is not None
    assert stored.startswith("$argon2id$")
    trail = (await shop.get("/v1/audit/entries")).text
    assert "pin.set" in trail
    assert PIN not in trail


async def test_somebody_takes_over_a_till_and_may_no_more_than_the_counter(shop: Shop, database: Database) -> None:
    till, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    answer = await take_over(till, boss)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["userId"] == boss.id
    assert set(body["permissions"]) == ROLES["admin"] & AT_THE_TILL
    operator = Person(shop.http, boss.id, boss.email, body["accessToken"], "")
    me = (await operator.get("/v1/me")).json()
    assert me["user"]["id"] == boss.id
    assert set(me["permissions"]) == ROLES["admin"] & AT_THE_TILL
    assert (await operator.get("/v1/sales")).status_code == 200
    assert (await operator.get("/v1/members")).status_code == 403
    for answer in (
        await operator.put("/v1/me/pin", {"password": PASSWORD, "pin": PIN}),
        await take_over(operator, boss),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "login-required")


async def test_an_operator_sells_in_their_own_name(shop: Shop, database: Database) -> None:
    till, seller = await hire(shop, database), await with_pin(await hire(shop, database, "seller", "Wilson"))
    product, session = await shop.product(), await shop.open_drawer()
    token = (await take_over(till, seller)).json()["accessToken"]
    operator = Person(shop.http, seller.id, seller.email, token, "")
    sold = await operator.post(
        "/v1/sales",
        {
            "sessionId": session,
            "lines": [{"productId": product["id"], "quantity": "1"}],
            "payments": [{"method": "cash", "amount": "11900.00"}],
        },
    )
    assert sold.status_code == 201, sold.text
    assert sold.json()["userId"] == seller.id


async def test_who_was_put_out_does_not_take_over_and_does_not_go_on(shop: Shop, database: Database) -> None:
    till, person = await hire(shop, database), await with_pin(await hire(shop, database))
    operator = Person(shop.http, person.id, "", (await take_over(till, person)).json()["accessToken"], "")
    await shop.patch(f"/v1/members/{person.id}", {"active": False})
    assert (await operator.get("/v1/sales")).status_code == 401
    assert (await take_over(till, person)).json()["code"] == "wrong-pin"


async def test_a_pin_opens_no_other_companys_till(shop: Shop, other_shop: Shop, database: Database) -> None:
    person = await with_pin(await hire(shop, database))
    for who in (person, Person(shop.http, str(uuid4()), "", "", "")):
        answer = await take_over(owner_of(other_shop), who)
        assert (answer.status_code, answer.json()["code"]) == (422, "wrong-pin")


async def test_five_wrong_pins_lock_it_also_for_the_right_one(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    till, person = await hire(shop, database), await with_pin(await hire(shop, database))
    for _ in range(4):
        assert (await take_over(till, person, "5555")).json()["code"] == "wrong-pin"
    assert (await take_over(till, person)).status_code == 200, "a right one starts the count again"
    for _ in range(5):
        assert (await take_over(till, person, "5555")).json()["code"] in {"wrong-pin", "too-many-requests"}
        await forget_rate(person, shop, database)
    locked = await take_over(till, person)
    assert (locked.status_code, locked.json()["code"]) == (429, "pin-locked")
    assert 800 < int(locked.headers["retry-after"]) <= 901
    await admin.execute("UPDATE member_pin_try SET locked_until = $1 WHERE user_id = $2", clock.now(), UUID(person.id))
    assert (await take_over(till, person)).status_code == 200


async def forget_rate(person: Person, shop: Shop, database: Database) -> None:
    """The lock is what is tested, not the rate limit before it."""
    from app.lib.redis import connect_redis

    redis = connect_redis(database.settings)
    async for key in redis.scan_iter(f"*pin:{UUID(shop.tenant_id).hex}:{UUID(person.id).hex}*"):
        await redis.delete(key)
    await redis.aclose()


async def test_guesses_in_parallel_are_no_more_than_guesses_in_a_row(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    till, person = await hire(shop, database), await with_pin(await hire(shop, database))
    answers = await asyncio.gather(*(take_over(till, person, f"55{n:02}") for n in range(10)))
    codes = [answer.json()["code"] for answer in answers]
    assert codes.count("wrong-pin") == 5, codes
    assert codes.count("pin-locked") == 5
    assert await admin.fetchval("SELECT failures FROM member_pin_try WHERE user_id = $1", UUID(person.id)) == 5
    assert await admin.fetchval("SELECT strangers FROM member_pin WHERE user_id = $1", UUID(person.id)) == 5


async def test_fifteen_wrong_pins_in_a_row_end_it_until_a_new_one_is_set(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    till, person = await hire(shop, database), await with_pin(await hire(shop, database))
    assert (await take_over(till, person)).status_code == 200
    await admin.execute("UPDATE member_pin_try SET failures = 15 WHERE user_id = $1", UUID(person.id))
    gone = await take_over(till, person)
    assert (gone.status_code, gone.json()["code"]) == (429, "pin-locked")
    await with_pin(person, "904417")
    assert (await take_over(till, person, "904417")).status_code == 200


async def wrong_by(till: Person, person: Person, times: int, shop: Shop, database: Database) -> list[str]:
    """Wrong tries of somebody's PIN, past the rate and the pauses; the codes they were answered with."""
    codes = []
    for _ in range(times):
        await forget_rate(person, shop, database)
        codes.append((await take_over(till, person, "5555")).json()["code"])
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await work.session.execute(text("UPDATE member_pin_try SET locked_until = NULL"))
    return codes


async def test_whoever_guesses_locks_the_pin_for_themselves_alone(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    guesser, other, boss = [await hire(shop, database) for _ in range(3)]
    await with_pin(boss)
    assert (await take_over(other, boss)).status_code == 200
    assert await wrong_by(guesser, boss, 16, shop, database) == ["wrong-pin"] * 15 + ["pin-locked"]
    await forget_rate(boss, shop, database)
    locked = await take_over(guesser, boss)
    assert (locked.status_code, locked.json()["code"]) == (429, "pin-locked"), "the right one too"
    assert "poner uno nuevo" in locked.json()["detail"]
    assert (await take_over(other, boss)).status_code == 200


async def test_many_who_guess_together_close_no_till_where_the_supervisor_has_been(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    known, fresh, boss, *guessers = [await hire(shop, database) for _ in range(6)]
    await with_pin(boss)
    assert (await take_over(known, boss)).status_code == 200
    codes = [code for guesser in guessers for code in await wrong_by(guesser, boss, 15, shop, database)]
    assert codes.count("wrong-pin") == 30, "all strangers together"
    await forget_rate(boss, shop, database)
    assert (await take_over(fresh, boss)).json()["code"] == "pin-locked"
    assert (await take_over(known, boss)).status_code == 200
    assert (await take_over(boss, boss)).status_code == 200, "whose PIN it is"
    await with_pin(boss, "904417")
    assert (await take_over(fresh, boss, "904417")).status_code == 200
    strangers = await admin.fetchval("SELECT strangers FROM member_pin WHERE user_id = $1", UUID(boss.id))
    assert strangers == 0, "a right one is given back"


async def test_right_ones_between_them_do_not_make_guesses_endless(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    till, boss = await hire(shop, database), await with_pin(await hire(shop, database))
    assert (await take_over(till, boss)).status_code == 200
    await admin.execute("UPDATE member_pin_try SET wrong = 99 WHERE user_id = $1", UUID(boss.id))
    assert (await take_over(till, boss)).status_code == 200
    assert await wrong_by(till, boss, 2, shop, database) == ["wrong-pin", "pin-locked"]
    await forget_rate(boss, shop, database)
    assert (await take_over(till, boss)).status_code == 429


async def test_a_closed_account_approves_nothing_by_its_pin(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    sale = await sale_of(shop, await shop.open_drawer())
    await admin.execute("UPDATE app_user SET is_active = false WHERE id = $1", UUID(boss.id))
    answer = await approved(cashier, boss, "void", {"saleId": sale["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
    await admin.execute("UPDATE app_user SET is_active = true WHERE id = $1", UUID(boss.id))
    assert (await approved(cashier, boss, "void", {"saleId": sale["id"]})).status_code == 201


async def test_twins_of_an_approved_void_are_one_void(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    session = await shop.open_drawer()
    sale = await sale_of(shop, session)
    given = (await approved(cashier, boss, "void", {"saleId": sale["id"]})).json()
    body = {"id": str(uuid4()), "reason": "x", "sessionId": session, "approvalId": given["id"]}
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute("SELECT 1 FROM sale_line WHERE id = $1 FOR UPDATE", UUID(sale["lines"][0]["id"]))
    racing = [asyncio.create_task(cashier.post(f"/v1/sales/{sale['id']}/void", body)) for _ in range(3)]
    await until_blocked(admin, 3)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201], [a.text for a in answers]
    assert len({answer.text for answer in answers}) == 1


async def sale_of(shop: Shop, session: str) -> dict[str, Any]:
    product = await shop.product()
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900.00")
    found: dict[str, Any] = sold.json()
    return found


async def approved(person: Person, boss: Person, kind: str, subject: dict[str, Any], pin: str = PIN) -> httpx.Response:
    return await person.post("/v1/approvals", {"kind": kind, "subject": subject, "approverId": boss.id, "pin": pin})


async def test_a_void_needs_a_supervisor_unless_one_is_doing_it(shop: Shop, database: Database) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    session = await shop.open_drawer()
    sale, other = await sale_of(shop, session), await sale_of(shop, session)
    body = {"reason": "error", "sessionId": session}
    refused = await cashier.post(f"/v1/sales/{sale['id']}/void", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "approval-required")
    (wanted,) = refused.json()["approvals"]
    assert (wanted["kind"], wanted["subject"]) == ("void", {"saleId": sale["id"]})
    given = await approved(cashier, boss, wanted["kind"], wanted["subject"])
    assert given.status_code == 201, given.text
    with_id = body | {"approvalId": given.json()["id"]}
    elsewhere = await cashier.post(f"/v1/sales/{other['id']}/void", with_id)
    assert elsewhere.json()["code"] == "approval-required", "bound to one sale"
    done = await cashier.post(f"/v1/sales/{sale['id']}/void", with_id)
    assert done.status_code == 201, done.text
    again = await cashier.post(f"/v1/sales/{other['id']}/void", with_id)
    assert again.json()["code"] == "approval-required", "used once"
    assert (await boss.post(f"/v1/sales/{other['id']}/void", body)).status_code == 201
    listed = (await boss.get("/v1/approvals")).json()["items"]
    assert [(a["requestedBy"], a["approvedBy"], a["usedAt"] is not None) for a in listed] == [
        (cashier.id, boss.id, True)
    ]


async def test_a_retry_of_an_approved_void_is_answered_again(shop: Shop, database: Database) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    session = await shop.open_drawer()
    sale = await sale_of(shop, session)
    given = await approved(cashier, boss, "void", {"saleId": sale["id"]})
    body = {"id": str(uuid4()), "reason": "x", "sessionId": session, "approvalId": given.json()["id"]}
    path = f"/v1/sales/{sale['id']}/void"
    first, replay, by_id = (
        await cashier.post(path, body, key="one"),
        await cashier.post(path, body, key="one"),
        await cashier.post(path, body, key="two"),
    )
    assert [a.status_code for a in (first, replay, by_id)] == [201, 201, 200]
    assert first.json() == replay.json() == by_id.json()


async def test_one_approval_used_twice_at_once_is_used_once(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    product, session = await shop.product(), await shop.open_drawer()
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "23800.00")
    sale = sold.json()
    given = (await approved(cashier, boss, "void", {"saleId": sale["id"]})).json()
    body = {"reason": "x", "sessionId": session, "approvalId": given["id"]}
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute("SELECT 1 FROM approval WHERE id = $1 FOR UPDATE", UUID(given["id"]))
    racing = [asyncio.create_task(cashier.post(f"/v1/sales/{sale['id']}/void", body)) for _ in range(2)]
    await until_blocked(admin, 2)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    assert sorted(a.status_code for a in answers) == [201, 422], [a.text for a in answers]
    used = await admin.fetchval(
        "SELECT count(*) FROM audit_entry WHERE tenant_id = $1 AND action = 'approval.used'", shop.tenant["id"]
    )
    assert used == 1


async def test_a_refused_act_gives_its_approval_back(shop: Shop, database: Database) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    session = await shop.open_drawer()
    sale = await sale_of(shop, session)
    given = (await approved(cashier, boss, "void", {"saleId": sale["id"]})).json()
    body = {"reason": "x", "approvalId": given["id"]}
    nowhere = await cashier.post(f"/v1/sales/{sale['id']}/void", body | {"sessionId": str(uuid4())})
    assert nowhere.json()["code"] == "unknown-reference"
    assert (await cashier.post(f"/v1/sales/{sale['id']}/void", body | {"sessionId": session})).status_code == 201


async def test_an_approval_is_of_one_person_and_for_five_minutes(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    cashier, other = await hire(shop, database), await hire(shop, database)
    boss = await with_pin(await hire(shop, database, "admin"))
    session = await shop.open_drawer()
    sale = await sale_of(shop, session)
    given = (await approved(cashier, boss, "void", {"saleId": sale["id"]})).json()
    body = {"reason": "x", "sessionId": session, "approvalId": given["id"]}
    path = f"/v1/sales/{sale['id']}/void"
    assert (await other.post(path, body)).json()["code"] == "approval-required"
    await admin.execute("UPDATE approval SET expires_at = $1 WHERE id = $2", clock.now(), UUID(given["id"]))
    assert (await cashier.post(path, body)).json()["code"] == "approval-required"


async def test_a_cash_difference_above_the_tolerance_needs_a_supervisor_who_saw_the_count(
    shop: Shop, database: Database
) -> None:
    cashier, boss = await hire(shop, database), await with_pin(await hire(shop, database, "admin"))
    register = (await shop.get("/v1/cash/registers")).json()["items"][0]["id"]
    opened = await cashier.post("/v1/cash/sessions", {"registerId": register, "openingAmount": "100000"})
    path = f"/v1/cash/sessions/{opened.json()['id']}/close"
    counted = {"counted": [{"method": "cash", "amount": "90000"}]}
    refused = await cashier.post(path, counted)
    assert (refused.status_code, refused.json()["code"]) == (422, "approval-required")
    (wanted,) = refused.json()["approvals"]
    assert wanted["subject"] == {"sessionId": opened.json()["id"], "countedCash": "90000.00"}
    given = (await approved(cashier, boss, wanted["kind"], wanted["subject"])).json()
    recounted = {"counted": [{"method": "cash", "amount": "80000"}], "approvalId": given["id"]}
    assert (await cashier.post(path, recounted)).json()["code"] == "approval-required"
    closed = await cashier.post(path, counted | {"approvalId": given["id"]})
    assert closed.status_code == 200, closed.text
    assert closed.json()["approvedBy"] == boss.id


async def test_a_supervisor_approves_from_their_own_session(shop: Shop, database: Database) -> None:
    cashier, boss = await hire(shop, database), await hire(shop, database, "admin")
    session = await shop.open_drawer()
    sale = await sale_of(shop, session)
    body = {"kind": "void", "subject": {"saleId": sale["id"]}}
    given = await boss.post("/v1/approvals", body | {"requestedBy": cashier.id})
    assert given.status_code == 201, given.text
    void = {"reason": "x", "sessionId": session, "approvalId": given.json()["id"]}
    assert (await cashier.post(f"/v1/sales/{sale['id']}/void", void)).status_code == 201


async def test_who_may_not_approve_does_not(shop: Shop, database: Database) -> None:
    cashier, other = await hire(shop, database), await with_pin(await hire(shop, database))
    boss = await with_pin(await hire(shop, database, "admin"))
    subject = {"saleId": str(uuid4())}
    body = {"kind": "void", "subject": subject}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"approverId": other.id, "pin": PIN}, "may-not-approve"),
        ({"approverId": boss.id, "pin": "5555"}, "wrong-pin"),
        ({"approverId": cashier.id, "pin": PIN}, "own-approval"),
        ({"requestedBy": other.id}, "may-not-approve"),
        ({"requestedBy": cashier.id}, "own-approval"),
        ({"requestedBy": other.id, "approverId": boss.id, "pin": PIN}, "approver-unclear"),
        ({"approverId": boss.id}, "approver-unclear"),
        ({}, "approver-unclear"),
    ]
    for extra, code in cases:
        answer = await cashier.post("/v1/approvals", body | extra)
        assert (answer.status_code, answer.json()["code"]) == (422, code), extra
    unclear = await approved(cashier, boss, "void", subject | {"discount": "1.00"})
    assert unclear.json()["errors"][0]["pointer"] == "/subject/discount"
    missing = await approved(cashier, boss, "below-cost", {"sessionId": str(uuid4()), "total": "1.00"})
    assert missing.json()["errors"][0]["pointer"] == "/subject/productIds"


@pytest.mark.parametrize("kind", ["void", "cash-difference"])
async def test_an_owner_needs_nobody(shop: Shop, kind: str) -> None:
    session = await shop.open_drawer()
    if kind == "void":
        sale = await sale_of(shop, session)
        answer = await shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "x", "sessionId": session})
    else:
        answer = await shop.post(f"/v1/cash/sessions/{session}/close", {"counted": []})
        assert answer.json()["approvedBy"] == shop.user["id"]
    assert answer.is_success, answer.text
