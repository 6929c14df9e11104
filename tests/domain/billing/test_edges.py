"""What goes wrong beside the way: two pages at once, debts that are written off, companies that are stopped, minds that are changed."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.domain.billing.events import LOOK
from app.domain.billing.plans import price_at
from app.domain.billing.reconcile import look_at_due
from tests.domain.billing.test_flow import standing
from tests.domain.billing.test_plans import past_the_period
from tests.people import hire
from tests.shop import Shop
from tests.sink import Sink
from tests.staff import StaffPerson, staff
from tests.stripe import StripeProcess, fresh_token, real_now, run_jobs, settle, subscribed
from worker.chores import end_trials
from worker.pace import Pace
from worker.runner import JobRunner

BASIC = {"plan": "basic", "interval": "month"}


@pytest.fixture
async def boss(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    return await staff(http, database, "admin")


async def customer_of(admin: asyncpg.Connection, shop: Shop) -> str:
    found = await admin.fetchval("SELECT customer_id FROM subscription WHERE tenant_id::text = $1", shop.tenant_id)
    return str(found)


async def test_two_pages_that_are_opened_at_once_are_paid_once(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two owners, or one with two windows: both have read the row before either writes it."""
    (await shop.post("/v1/billing/checkout-session", BASIC)).raise_for_status()
    both, before = asyncio.Barrier(2), price_at

    async def together(*given: Any) -> str:
        found = await before(*given)
        await both.wait()
        return found

    monkeypatch.setattr("app.domain.billing.flows.price_at", together)
    answers = await asyncio.gather(
        *(shop.post("/v1/billing/checkout-session", BASIC, key=f"page-{n}") for n in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409], [answer.text for answer in answers]
    monkeypatch.undo()
    pages = stripe.api("checkout/sessions", customer=await customer_of(admin, shop))["data"]
    assert [one["url"] for one in pages if one["status"] == "open"] == [
        one.json()["url"] for one in answers if one.is_success
    ]


@pytest.mark.parametrize("act", ["suspend", "close"])
async def test_a_company_that_the_operator_stopped_is_not_sold_to(
    shop: Shop, stripe: StripeProcess, boss: StaffPerson, act: str
) -> None:
    """It would pay, and have nothing for it."""
    (await boss.post(f"/v1/provider/tenants/{shop.tenant_id}/{act}", {"reason": "Fraude."})).raise_for_status()
    for path, body in (
        ("checkout-session", BASIC),
        ("plan-change", BASIC),
        ("plan-change", {"plan": "free", "interval": "month"}),
    ):
        answer = await shop.post(f"/v1/billing/{path}", body)
        assert answer.status_code in {403, 409}, answer.text
        assert answer.json()["code"] in {"company-stopped", "company-closed", "no-subscription"}, answer.text
    assert (await shop.post("/v1/billing/checkout-session", BASIC)).json()["code"] != "no-subscription"


async def test_a_debt_that_is_written_off_is_no_payment(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    start = real_now()
    stripe.go_to(start)
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    stripe.control(f"customers/{await customer_of(admin, shop)}", card="declined")
    stripe.go_to(start + timedelta(days=32))
    await fresh_token(shop)
    await settle(stripe, http, database, admin)
    assert (await standing(shop))[0] == "past_due"
    owed = (await shop.get("/v1/billing/subscription")).json()["unpaidInvoice"]
    stripe.control(f"invoices/{owed}/uncollectible")
    await settle(stripe, http, database, admin)
    assert (await standing(shop))[0] == "past_due", "nobody paid"
    stripe.go_to(start + timedelta(days=40))
    await fresh_token(shop)
    await look_at_due(database)
    await run_jobs(database, admin)
    assert (await standing(shop))[0] == "read_only"
    stripe.control(f"customers/{await customer_of(admin, shop)}", card="ok")
    stripe.control(f"invoices/{owed}/pay")
    await settle(stripe, http, database, admin)
    assert (await standing(shop))[0] == "active"


async def test_a_free_plan_that_is_taken_back_keeps_the_subscription(
    shop: Shop, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, stripe: StripeProcess
) -> None:
    stripe.go_to(real_now())
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    free = {"plan": "free", "interval": "month"}
    for undo in ("drop", "resume"):
        assert (await shop.post("/v1/billing/plan-change", free)).json()["status"] == "cancelled"
        if undo == "drop":
            answer = await shop.delete("/v1/billing/plan-change")
        else:
            answer = await shop.post("/v1/billing/resume")
        told = answer.json()
        assert (told["status"], told["cancelsAtPeriodEnd"], told["scheduledPlan"]) == ("active", False, None), undo
        await settle(stripe, http, database, admin)
        assert await standing(shop) == ("active", "active", "basic")
    await past_the_period(shop, stripe, http, database, admin)
    assert await standing(shop) == ("active", "active", "basic")


@pytest.mark.parametrize("pays", [True, False])
async def test_a_year_begins_when_stripe_begins_it_and_is_owed_when_it_is_not_paid(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    pays: bool,
) -> None:
    """Stripe bills another interval at once, whatever becomes of the rest: a little before the month is over."""
    stripe.go_to(real_now())
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    asked = await shop.post("/v1/billing/plan-change", {"plan": "basic", "interval": "year"})
    assert asked.json()["scheduledPlan"]["interval"] == "year"
    if not pays:
        stripe.control(f"customers/{await customer_of(admin, shop)}", card="declined")
    await past_the_period(shop, stripe, http, database, admin)
    seen = (await shop.get("/v1/billing/subscription")).json()
    assert (seen["status"], seen["interval"], seen["scheduledPlan"]) == ("active" if pays else "past_due", "year", None)
    newest = (await shop.get("/v1/billing/invoices")).json()["items"][0]
    assert (newest["status"], newest["total"]) == ("paid" if pays else "open", "499000.00")


async def test_suspending_a_company_that_owes_holds_when_it_pays(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    boss: StaffPerson,
) -> None:
    start = real_now()
    stripe.go_to(start)
    await subscribed(shop, stripe)
    await settle(stripe, http, database, admin)
    customer = await customer_of(admin, shop)
    stripe.control(f"customers/{customer}", card="declined")
    for day in (32, 40, 75):
        stripe.go_to(start + timedelta(days=day))
        await fresh_token(shop)
        await settle(stripe, http, database, admin)
        await look_at_due(database)
        await run_jobs(database, admin)
    assert (await standing(shop))[0] == "suspended"
    boss = await staff(http, database, "admin")
    suspended = await boss.post(f"/v1/provider/tenants/{shop.tenant_id}/suspend", {"reason": "Fraude."})
    assert suspended.status_code == 200, suspended.text
    assert (await standing(shop))[:2] == ("blocked", "suspended")
    stripe.control(f"customers/{customer}", card="ok")
    for one in stripe.api("invoices", customer=customer)["data"]:
        stripe.control(f"invoices/{one['id']}/pay")
    await settle(stripe, http, database, admin)
    assert (await standing(shop))[:2] == ("blocked", "suspended")
    trail = (await boss.get("/v1/provider/trail", tenantId=shop.tenant_id)).json()["items"]
    assert "company.moved" in {one["action"] for one in trail}


async def test_an_owner_whose_address_is_refused_keeps_no_other_from_their_mail(
    shop: Shop,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    sink: Sink,
) -> None:
    other = await hire(shop, database, "owner")
    await admin.execute(
        "UPDATE app_user SET email = 'ñandú@tienda.test' WHERE id = (SELECT user_id FROM membership m JOIN app_user u "
        "ON u.id = m.user_id WHERE m.tenant_id::text = $1 AND u.email = $2)",
        shop.tenant_id,
        shop.email,
    )
    mailing = Database(sink.settings, database.bell)
    await subscribed(shop, stripe)
    await settle(stripe, http, mailing, admin)
    assert [str(mail["Subject"]) for mail in sink.received(other.email)] != []
    await mailing.close()


@pytest.mark.parametrize("looks_first", [False, True])
async def test_owners_hear_of_the_end_of_their_trial_once(
    shop: Shop, database: Database, admin: asyncpg.Connection, stripe: StripeProcess, sink: Sink, looks_first: bool
) -> None:
    mailing = Database(sink.settings, database.bell)
    await run_jobs(mailing, admin, shop.tenant_id)
    await admin.execute("UPDATE tenant SET trial_ends_at = now() WHERE tenant_id::text = $1", shop.tenant_id)
    await end_trials(database)
    kinds = "SELECT tenant_id, id FROM outbox WHERE tenant_id::text = $1 AND status = 'pending' AND kind = ANY($2)"
    rows = await admin.fetch(
        kinds + " ORDER BY kind = $3", shop.tenant_id, [LOOK, "tenants.end-trial"], _first(looks_first)
    )
    assert len(rows) == 2
    for row in rows:
        await JobRunner(mailing, "short", Pace()).run(row["tenant_id"], row["id"])
    await run_jobs(mailing, admin, shop.tenant_id)
    assert (await standing(shop))[1] == "read-only"
    subjects = [str(mail["Subject"]) for mail in sink.received(shop.email)]
    assert len([one for one in subjects if one.endswith("quedó en solo lectura")]) == 1, subjects
    await mailing.close()


def _first(looks_first: bool) -> str:
    """The kind that is run last."""
    return "tenants.end-trial" if looks_first else LOOK
