"""A company from its sign-up to its second payment, through HTTP alone, with the mails that its owner gets."""

from datetime import datetime, timedelta

import asyncpg
import httpx

from app.db.session import Database
from tests.shop import Shop
from tests.sink import Sink
from tests.stripe import StripeProcess, fresh_token, real_now, run_jobs, settle, subscribed


async def standing(shop: Shop) -> tuple[str, str, str]:
    """The subscription's state, the company's status, its plan."""
    found = (await shop.get("/v1/billing/subscription")).json()
    company = (await shop.get("/v1/company")).json()
    return found["status"], company["status"], company["plan"]


async def test_from_sign_up_to_read_only_and_back(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    sink: Sink,
) -> None:
    start = real_now()
    mailing = Database(sink.settings, database.bell)

    async def pass_to(days: float) -> None:
        stripe.go_to(start + timedelta(days=days))
        await fresh_token(shop)
        await settle(stripe, http, mailing, admin)
        answer = await shop.post("/v1/billing/portal-session")
        assert answer.status_code == 200, answer.text

    def subjects() -> list[str]:
        return [str(mail["Subject"]) for mail in sink.received(shop.email)]

    assert await standing(shop) == ("trialing", "trial", "pro")
    stripe.go_to(start)
    page = await shop.post("/v1/billing/checkout-session", {"plan": "basic", "interval": "month"})
    assert page.status_code == 200, page.text
    assert await standing(shop) == ("trialing", "trial", "pro")
    assert stripe.pay_page(page.json()["url"], "declined") == 303
    await settle(stripe, http, mailing, admin)
    assert await standing(shop) == ("trialing", "trial", "pro")
    assert stripe.pay_page(page.json()["url"]) == 303
    assert await standing(shop) == ("trialing", "trial", "pro")
    await settle(stripe, http, mailing, admin, times=3)
    assert await standing(shop) == ("active", "active", "basic")

    again = await shop.post("/v1/billing/checkout-session", {"plan": "pro", "interval": "month"})
    assert (again.status_code, again.json()["code"]) == (409, "already-subscribed")

    preview = (await shop.post("/v1/billing/plan-change/preview", {"plan": "pro", "interval": "month"})).json()
    assert (preview["effective"], preview["amount"]) == ("now", "50000.00")
    changed = await shop.post("/v1/billing/plan-change", {"plan": "pro", "interval": "month"}, key="upgrade-1")
    assert (changed.status_code, changed.json()["plan"]) == (200, "basic"), changed.text
    same = await shop.post("/v1/billing/plan-change", {"plan": "pro", "interval": "month"}, key="upgrade-1")
    assert same.headers["Idempotency-Replayed"] == "true"
    await settle(stripe, http, mailing, admin)
    assert await standing(shop) == ("active", "active", "pro")
    invoices = (await shop.get("/v1/billing/invoices")).json()["items"]
    assert sorted(one["total"] for one in invoices) == ["49900.00", "50000.00"]

    customer = await admin.fetchval("SELECT customer_id FROM subscription WHERE tenant_id::text = $1", shop.tenant_id)
    stripe.control(f"customers/{customer}", card="declined")
    await pass_to(32)
    assert await standing(shop) == ("past_due", "past-due", "pro")
    ends = (await shop.get("/v1/billing/subscription")).json()["graceEndsAt"]
    grace = (datetime.fromisoformat(ends) - start) / timedelta(days=1)
    await pass_to(grace - 3.9)
    await pass_to(grace - 0.9)
    product = await shop.product()
    assert product["sku"]
    assert await standing(shop) == ("past_due", "past-due", "pro")
    await pass_to(grace + 0.1)
    assert await standing(shop) == ("read_only", "read-only", "pro")
    refused = await shop.post("/v1/products", {"sku": "x", "name": "x", "price": "1", "taxClass": "iva19"})
    assert refused.json()["code"] == "company-read-only"

    owed = (await shop.get("/v1/billing/subscription")).json()["unpaidInvoice"]
    bill = next(one for one in (await shop.get("/v1/billing/invoices")).json()["items"] if one["id"] == owed)
    assert stripe.pay_page(bill["payUrl"]) == 303
    await settle(stripe, http, mailing, admin)
    assert await standing(shop) == ("active", "active", "pro")
    await run_jobs(mailing, admin)
    told = subjects()
    for beginning in (
        "Su suscripción de",
        "No pudimos cobrar",
        "Le quedan 4 día(s) para pagar",
        "Le quedan 1 día(s) para pagar",
        "Tienda de Prueba quedó en solo lectura",
    ):
        assert any(one.startswith(beginning) for one in told), (beginning, told)
    movements = await admin.fetch(
        "SELECT kind, amount FROM mrr_movement WHERE tenant_id::text = $1 ORDER BY seq", shop.tenant_id
    )
    assert [(row["kind"], str(row["amount"])) for row in movements] == [
        ("new", "49900.00"),
        ("expansion", "50000.00"),
        ("churn", "-99900.00"),
        ("reactivation", "99900.00"),
    ]
    await mailing.close()


async def test_nobody_subscribes_twice_from_two_pages(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    first = (await shop.post("/v1/billing/checkout-session", {"plan": "basic", "interval": "month"})).json()["url"]
    await subscribed(shop, stripe, "pro")
    stripe.pay_page(first)
    await settle(stripe, http, database, admin)
    assert (await standing(shop))[2] == "pro"
    customer = await admin.fetchval("SELECT customer_id FROM subscription WHERE tenant_id::text = $1", shop.tenant_id)
    assert customer is not None
    assert len(stripe.api("subscriptions", customer=customer, status="all")["data"]) == 1
