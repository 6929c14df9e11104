"""Smaller plans at the end of the period, the free one, cancelling; and that nothing but a payment reaches a paid plan."""

import random
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.domain.billing.reconcile import look_at_due
from app.lib.permissions import ROLES
from tests.domain.billing.test_flow import standing
from tests.people import hire
from tests.shop import Shop
from tests.stripe import StripeProcess, fresh_token, real_now, run_jobs, settle, subscribed


async def past_the_period(
    shop: Shop, stripe: StripeProcess, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection
) -> None:
    """Come to an hour before the period's end, do what time asks for, and then past it."""
    end = await admin.fetchval("SELECT period_end FROM subscription WHERE tenant_id::text = $1", shop.tenant_id)
    assert end is not None
    for instant in (end - timedelta(hours=1), end + timedelta(minutes=5)):
        stripe.go_to(instant)
        await fresh_token(shop)
        await look_at_due(database)
        await run_jobs(database, admin)
        await settle(stripe, http, database, admin)


async def test_a_smaller_plan_comes_with_the_next_period(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe, "pro")
    await settle(stripe, http, database, admin)
    asked = await shop.post("/v1/billing/plan-change", {"plan": "basic", "interval": "month"})
    assert (asked.status_code, asked.json()["plan"], asked.json()["scheduledPlan"]["plan"]) == (200, "pro", "basic")
    kept = await shop.delete("/v1/billing/plan-change")
    assert kept.json()["scheduledPlan"] is None
    assert (await shop.delete("/v1/billing/plan-change")).json()["code"] == "nothing-scheduled"
    await shop.post("/v1/billing/plan-change", {"plan": "basic", "interval": "month"})
    await past_the_period(shop, stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "basic")
    newest = (await shop.get("/v1/billing/invoices")).json()["items"][0]
    assert (newest["status"], newest["total"]) == ("paid", "49900.00")


async def test_a_plan_that_became_too_small_is_not_applied(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe, "pro")
    await settle(stripe, http, database, admin)
    await shop.post("/v1/billing/plan-change", {"plan": "basic", "interval": "month"})
    assert (await shop.post("/v1/branches", {"name": "Otra"})).status_code == 201
    await past_the_period(shop, stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "pro")
    assert (await shop.get("/v1/billing/subscription")).json()["scheduledPlan"] is None
    refused = await shop.post("/v1/billing/plan-change", {"plan": "basic", "interval": "month"})
    assert (refused.status_code, refused.json()["code"]) == (422, "plan-too-small")


async def test_a_plan_without_a_module_that_is_used_is_not_asked_for_nor_applied(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe, "pro")
    await settle(stripe, http, database, admin)
    wanted = {"plan": "basic", "interval": "month"}
    key = (await shop.post("/v1/api-keys", {"name": "Bodega", "scopes": ["sales:read"]})).json()
    refused = await shop.post("/v1/billing/plan-change", wanted)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "module-in-use"), refused.text
    assert (await shop.delete(f"/v1/api-keys/{key['id']}")).is_success
    assert (await shop.post("/v1/billing/plan-change", wanted)).json()["scheduledPlan"]["plan"] == "basic"
    assert (await shop.post("/v1/api-keys", {"name": "Otra", "scopes": ["sales:read"]})).status_code == 201
    await past_the_period(shop, stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "pro")
    assert (await shop.get("/v1/billing/subscription")).json()["scheduledPlan"] is None


async def test_a_year_that_is_cheaper_by_the_month_waits_for_the_period(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    seen = (await shop.post("/v1/billing/plan-change/preview", {"plan": "basic", "interval": "year"})).json()
    assert (seen["effective"], seen["amount"]) == ("period-end", "0.00")
    same = await shop.post("/v1/billing/plan-change", {"plan": "basic", "interval": "month"})
    assert same.json()["code"] == "same-plan"


async def test_cancelling_keeps_what_was_paid_and_can_be_taken_back(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    for path, state in (("cancel", "cancelled"), ("resume", "active"), ("cancel", "cancelled")):
        answer = await shop.post(f"/v1/billing/{path}", {"reason": "too-expensive"} if path == "cancel" else None)
        assert (answer.status_code, answer.json()["status"]) == (200, state), answer.text
        await settle(stripe, http, database, admin, times=3)
        assert await standing(shop) == (state, "active", "basic")
    await past_the_period(shop, stripe, http, database, admin)
    assert await standing(shop) == ("read_only", "read-only", "basic")
    await subscribed(shop, stripe, "pro")
    await settle(stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "pro")


async def test_the_free_plan_after_the_period_that_was_paid(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    asked = await shop.post("/v1/billing/plan-change", {"plan": "free", "interval": "month"})
    assert (asked.json()["status"], asked.json()["scheduledPlan"]["plan"]) == ("cancelled", "free")
    await past_the_period(shop, stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "free")
    assert await admin.fetchval("SELECT sum(amount) FROM mrr_movement WHERE tenant_id::text = $1", shop.tenant_id) == 0


async def test_a_change_that_is_not_paid_is_not_had(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    customer = await admin.fetchval("SELECT customer_id FROM subscription WHERE tenant_id::text = $1", shop.tenant_id)
    stripe.control(f"customers/{customer}", card="declined")
    asked = await shop.post("/v1/billing/plan-change", {"plan": "enterprise", "interval": "month"})
    assert asked.status_code == 200, asked.text
    await settle(stripe, http, database, admin, times=2)
    assert await standing(shop) == ("active", "active", "basic")
    again = await shop.post("/v1/billing/plan-change", {"plan": "enterprise", "interval": "month"})
    assert again.json()["code"] == "change-pending"
    stripe.go_to(real_now() + timedelta(days=1, hours=1))
    await fresh_token(shop)
    await settle(stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "basic")


CALLS: tuple[tuple[str, str, dict[str, str] | None], ...] = (
    ("POST", "checkout-session", {"plan": "enterprise", "interval": "year"}),
    ("POST", "portal-session", {}),
    ("POST", "plan-change", {"plan": "enterprise", "interval": "month"}),
    ("POST", "plan-change/preview", {"plan": "pro", "interval": "year"}),
    ("DELETE", "plan-change", None),
    ("POST", "cancel", {"reason": "other"}),
    ("POST", "resume", {}),
    ("GET", "subscription", None),
    ("POST", "plan-change", {"plan": "free", "interval": "month"}),
)


@pytest.mark.parametrize("seed", range(3))
async def test_no_order_of_calls_of_any_role_reaches_a_paid_plan_without_a_payment(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess, seed: int
) -> None:
    draw = random.Random(seed)
    people = [
        shop.headers,
        *[(await hire(shop, database, role)).headers for role in ("admin", "cashier", "accountant")],
    ]
    assert set(ROLES) >= {"admin", "cashier", "accountant"}
    for n in range(24):
        method, path, body = draw.choice(CALLS)
        headers = draw.choice(people) | {"Idempotency-Key": f"{seed}-{n}"}
        answer = await http.request(method, f"/v1/billing/{path}", json=body, headers=headers)
        assert answer.status_code < 500, answer.text
        if path == "checkout-session" and answer.status_code == 200:
            stripe.pay_page(answer.json()["url"], "declined")
        if draw.random() < 0.3:
            await settle(stripe, http, database, admin, times=2)
    await settle(stripe, http, database, admin, times=2)
    assert (await shop.get("/v1/billing/subscription")).status_code == 200
    row = await admin.fetchrow(
        "SELECT s.state, s.mrr, t.plan, t.plan_version FROM subscription s JOIN tenant t USING (tenant_id) "
        "WHERE tenant_id = $1",
        UUID(shop.tenant_id),
    )
    assert row is not None
    assert row["mrr"] == 0
    assert row["state"] == "trialing" or (row["state"], row["plan"]) == ("active", "free")
