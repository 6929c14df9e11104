"""What comes to the door of events: only what is signed, of now, and once; nothing else changes anything."""

import asyncio
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.domain.billing.events import HANDLED
from app.domain.billing.reconcile import look_at_due
from tests.domain.billing.test_flow import standing
from tests.shop import Shop, sign_up
from tests.staff import StaffPerson, staff
from tests.stripe import (
    SECRET,
    StripeProcess,
    deliver,
    fresh_token,
    real_now,
    run_jobs,
    settle,
    signed,
    subscribed,
)
from worker.chores import compare_payments

URL = "/billing/webhooks/stripe"


def event(kind: str = "invoice.paid", customer: str = "cus_nobody") -> dict[str, Any]:
    return {"id": f"evt_{uuid4().hex}", "type": kind, "data": {"object": {"id": "in_x", "customer": customer}}}


@pytest.fixture
async def operator(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    """Who bills for the operator."""
    return await staff(http, database, "billing")


async def known(admin: asyncpg.Connection, identity: str) -> str | None:
    found: str | None = await admin.fetchval("SELECT outcome FROM payment_event WHERE id = $1", identity)
    return found


@pytest.mark.parametrize(
    ("at", "secret", "status"),
    [
        (0, SECRET, 200),
        (-290, SECRET, 200),
        (290, SECRET, 200),
        (-400, SECRET, 400),
        (400, SECRET, 400),
        (0, "other", 400),
    ],
    ids=["now", "a little old", "a little early", "old", "of the future", "another secret"],
)
async def test_only_what_is_signed_and_of_now_is_taken(
    http: httpx.AsyncClient, admin: asyncpg.Connection, at: int, secret: str, status: int
) -> None:
    sent = event()
    body, headers = signed(sent, at=time.time() + at, secret=secret)
    answer = await http.post(URL, content=body, headers=headers)
    assert answer.status_code == status
    assert await known(admin, sent["id"]) == ("unknown-customer" if status == 200 else None)
    if status == 400:
        assert answer.json()["code"] == "bad-signature"


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", "t=x,v1=00", "t=1,t=2,v1=00", "t=٣,v1=é", "x" * 5000])
async def test_a_header_that_is_none_is_refused(http: httpx.AsyncClient, header: str) -> None:
    body, _ = signed(event())
    answer = await http.post(URL, content=body, headers={b"stripe-signature": header.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-signature")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff\xfe", b'{"id": 1}', b"x" * 1000])
async def test_a_signed_body_that_is_no_event_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    content, headers = signed(body)
    answer = await http.post(URL, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-event")


async def test_a_megabyte_is_refused_before_it_is_read(http: httpx.AsyncClient) -> None:
    body, headers = signed(b"x" * 1_048_576)
    assert (await http.post(URL, content=body, headers=headers)).status_code == 413


async def test_what_we_do_not_know_is_taken_written_down_and_does_nothing(
    http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    sent = event("customer.tax_id.created")
    assert (await deliver(http, sent)).status_code == 200
    assert await known(admin, sent["id"]) == "unknown-kind"


async def test_one_event_at_twenty_doors_at_once_is_one_event(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    await subscribed(shop, stripe)
    paid = next(one for one in stripe.fresh_events() if one["type"] == "invoice.paid")
    answers = await asyncio.gather(*(deliver(http, paid) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    jobs = "SELECT count(*) FROM outbox o JOIN payment_event e ON e.job_id = o.id WHERE e.tenant_id::text = $1"
    assert await admin.fetchval(jobs, shop.tenant_id) == 1
    looks = "SELECT count(*) FROM outbox WHERE tenant_id::text = $1 AND kind = 'billing.look' AND status = 'pending'"
    assert await admin.fetchval(looks, shop.tenant_id) == 1
    await run_jobs(database, admin, shop.tenant_id)
    assert await standing(shop) == ("active", "active", "basic")
    assert await known(admin, paid["id"]) == "done"


async def test_an_event_waits_for_no_look_that_has_begun_or_failed(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    """What a look that runs has fetched may be older than the event; one that failed waits for its hour."""
    await subscribed(shop, stripe)
    events = [one for one in stripe.fresh_events() if one["type"] in HANDLED]
    assert len(events) >= 3
    told = "SELECT job_id FROM payment_event WHERE id = $1"
    await deliver(http, events[0])
    first = await admin.fetchval(told, events[0]["id"])
    await admin.execute("UPDATE outbox SET status = 'running', attempts = 1 WHERE id = $1", first)
    await deliver(http, events[1])
    second = await admin.fetchval(told, events[1]["id"])
    assert second != first
    await admin.execute("UPDATE outbox SET attempts = 1 WHERE id = $1", second)
    for again in (events[2], event(customer=events[2]["data"]["object"]["customer"])):
        await deliver(http, again)
        third = await admin.fetchval(told, again["id"])
        assert third not in {first, second}
        async with admin.transaction():
            # As the worker begins it: nobody joins what is held.
            await admin.execute("UPDATE outbox SET attempts = 1 WHERE id = $1", third)
            begun = event(customer=events[2]["data"]["object"]["customer"])
            assert (await deliver(http, begun)).status_code == 200
            assert await admin.fetchval(told, begun["id"]) not in {first, second, third}
        await admin.execute("UPDATE outbox SET attempts = 1 WHERE tenant_id::text = $1", shop.tenant_id)
    await admin.execute("UPDATE outbox SET status = 'pending', attempts = 0 WHERE id = $1", first)
    await run_jobs(database, admin, shop.tenant_id)
    assert await standing(shop) == ("active", "active", "basic")


async def test_while_the_provider_is_away_nothing_is_lost_and_nobody_locked_out(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    await subscribed(shop, stripe)
    events = stripe.fresh_events()
    for fault in ("error", "garbage", "hang-up"):
        stripe.control("fault", kind=fault)
        for one in events:
            assert (await deliver(http, one)).status_code == 200
        await run_jobs(database, admin, shop.tenant_id)
        assert await standing(shop) == ("trialing", "trial", "pro")
        answer = await shop.post("/v1/billing/portal-session")
        assert (answer.status_code, answer.json()["code"]) == (503, "payments-unavailable"), answer.text
        assert (await shop.get("/v1/products")).status_code == 200
    stripe.control("fault", kind=None)
    await admin.execute("UPDATE outbox SET due_at = now(), status = 'pending' WHERE status <> 'done'")
    await run_jobs(database, admin, shop.tenant_id)
    assert await standing(shop) == ("active", "active", "basic")


async def test_a_day_without_the_provider_loses_nothing_and_locks_nobody_out(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
) -> None:
    """Down from before a renewal, a payment and a cancellation until a day later: then the books are equal."""
    start = real_now()
    stripe.go_to(start)
    debtor, leaver = await sign_up(http), await sign_up(http)
    for one in (shop, debtor, leaver):
        await subscribed(one, stripe)
    await settle(stripe, http, database, admin)
    ends = await admin.fetchval("SELECT period_end FROM subscription WHERE tenant_id::text = $1", shop.tenant_id)
    customers: dict[str, str] = {}
    for one in (debtor, leaver):
        found = await admin.fetchval("SELECT customer_id FROM subscription WHERE tenant_id::text = $1", one.tenant_id)
        customers[one.tenant_id] = str(found)
    stripe.control(f"customers/{customers[debtor.tenant_id]}", card="declined")
    assert ends is not None
    stripe.go_to(ends - timedelta(hours=2))
    gone = stripe.api("subscriptions", customer=customers[leaver.tenant_id])["data"][0]["id"]
    # What happens there while nobody here can ask: two renewals, one of them unpaid, and an end.
    stripe.control(f"subscriptions/{gone}/end")
    stripe.go_to(ends + timedelta(hours=1))
    events = stripe.fresh_events()
    stripe.control("fault", kind="error")
    for hours in range(0, 24, 4):
        stripe.go_to(ends + timedelta(hours=hours + 1))
        for event_sent in events[:: 1 + hours // 8]:
            assert (await deliver(http, event_sent)).status_code == 200, "an event is taken whoever is away"
        await look_at_due(database)
        await run_jobs(database, admin)
        await compare_payments(database)
        for one in (shop, debtor, leaver):
            await fresh_token(one)
            assert await standing(one) == ("active", "active", "basic")
            assert (
                await one.post("/v1/products", {"sku": f"{hours}", "name": "x", "price": "1", "taxClass": "iva19"})
            ).is_success
    stripe.control("fault", kind=None)
    stripe.go_to(ends + timedelta(hours=25))
    await compare_payments(database)
    await admin.execute("UPDATE outbox SET due_at = now(), status = 'pending' WHERE status IN ('pending', 'queued')")
    await look_at_due(database)
    await run_jobs(database, admin)
    for one, expected in ((shop, "active"), (debtor, "past_due"), (leaver, "read_only")):
        await fresh_token(one)
        assert (await standing(one))[0] == expected
    left = await admin.fetchval(
        "SELECT count(*) FROM payment_event WHERE tenant_id::text = $1 AND outcome <> 'done'", debtor.tenant_id
    )
    assert left == 0


async def test_a_lost_event_is_found_by_the_daily_comparison_and_repaired(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    operator: StaffPerson,
) -> None:
    await subscribed(shop, stripe)
    stripe.fresh_events()
    report = (await operator.post("/v1/provider/billing/reconciliations")).json()
    mine = [one for one in report["differences"] if one.get("tenant") == shop.tenant_id]
    assert [one["kind"] for one in mine] == ["missing-here"]
    await run_jobs(database, admin, shop.tenant_id)
    assert await standing(shop) == ("active", "active", "basic")
    again = (await operator.post("/v1/provider/billing/reconciliations")).json()
    assert [one for one in again["differences"] if one.get("tenant") == shop.tenant_id] == []


async def test_a_dead_event_is_shown_and_replayed(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    operator: StaffPerson,
) -> None:
    await subscribed(shop, stripe)
    paid = next(one for one in stripe.fresh_events() if one["type"] == "invoice.paid")
    await deliver(http, paid)
    await admin.execute("UPDATE outbox SET status = 'dead' WHERE tenant_id::text = $1", shop.tenant_id)
    dead = (await operator.get("/v1/provider/billing/events", outcome="dead")).json()["items"]
    assert paid["id"] in {one["id"] for one in dead}
    answer = await operator.post(f"/v1/provider/billing/events/{paid['id']}/replay")
    assert (answer.status_code, answer.json()["outcome"]) == (202, "queued")
    await run_jobs(database, admin, shop.tenant_id)
    assert await standing(shop) == ("active", "active", "basic")


async def test_the_operator_sees_a_company_its_plan_versions_and_its_revenue(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    operator: StaffPerson,
) -> None:
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    seen = (await operator.get(f"/v1/provider/subscriptions/{shop.tenant_id}")).json()
    assert [step["event"] for step in seen["timeline"]] == ["paid", "moved_by_hand"]
    assert (await operator.get(f"/v1/provider/subscriptions/{uuid4()}")).status_code == 404
    bought = (await shop.get("/v1/company/plan")).json()["limits"]["registers"]["limit"]
    body = {
        "name": "Básico",
        "modules": ["imports", "invoicing", "transfers"],
        "limits": {"users": 5, "registers": 1},
        "monthlyPrice": "59900",
        "yearlyPrice": "599000",
    }
    made = await operator.post("/v1/provider/plans/basic/versions", body)
    assert made.status_code == 201, made.text
    offered = {one["code"]: one for one in (await shop.get("/v1/billing/plans")).json()["items"]}
    assert (offered["basic"]["version"], offered["basic"]["monthlyPrice"]) == (made.json()["version"], "59900.00")
    assert (await shop.get("/v1/company/plan")).json()["limits"]["registers"]["limit"] == bought == 3
    # The next test's basic plan costs what it did.
    await admin.execute(
        "UPDATE plan SET version = 1, limits = v.limits FROM plan_version v WHERE v.plan = code AND v.version = 1"
    )
    # Other tests have moved the clock: up to a year ahead is all there is.
    ahead = (real_now() + timedelta(days=400)).date().isoformat()
    months = (await operator.get("/v1/provider/billing/metrics", to=ahead)).json()["months"]
    sums = [
        sum(
            round(float(one[name]) * 100)
            for name in ("start", "new", "reactivation", "expansion", "contraction", "churn")
        )
        for one in months
    ]
    assert sums == [round(float(one["end"]) * 100) for one in months]
    total = await admin.fetchval("SELECT sum(mrr) FROM subscription")
    assert months[-1]["end"] == str(total)
    assert json.dumps(seen)
