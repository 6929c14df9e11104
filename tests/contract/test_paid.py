"""Whatever route is called, by whom, in whatever order: no company has a paid plan that it did not pay for."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.lib.permissions import ROLES
from app.lib.staff import STAFF_ROLES
from tests.contract.cases import CASES
from tests.contract.company import Company, new_company
from tests.contract.routes import Call, send
from tests.contract.test_provider import CALLS, World
from tests.contract.test_provider import send as send_as_staff
from tests.shop import forget_tries
from tests.staff import StaffPerson, staff
from tests.stripe import StripeProcess, run_jobs, settle

UNPAID: Final = (
    "SELECT t.tenant_id, t.status, t.plan, s.state, s.mrr FROM tenant t LEFT JOIN subscription s USING (tenant_id) "
    "WHERE t.tenant_id = $1 AND NOT EXISTS (SELECT FROM billing_invoice i WHERE i.tenant_id = t.tenant_id "
    "AND i.status = 'paid') AND (s.mrr <> 0 OR EXISTS (SELECT FROM mrr_movement m WHERE m.tenant_id = t.tenant_id) "
    "OR (t.status IN ('active','past-due') AND t.plan <> 'free') OR (t.plan_version IS NOT NULL AND t.plan <> 'free') "
    "OR EXISTS (SELECT FROM subscription_transition n WHERE n.tenant_id = t.tenant_id AND n.event = 'paid'))"
)
"""What must never be: something that only a payment gives, of a company that paid nothing."""

ENDS_THE_CALLER: Final = (
    "/v1/me/sessions/revoke-all",
    "/v1/me/password",
    "/v1/me/email",
    "/v1/me/delete",
    "/v1/provider/me",
)
"""Routes after which nobody would be there to call the others."""
MOVES: Final = tuple(
    ("POST", f"/v1/provider/tenants/{{tenant_id}}/{act}") for act in ("suspend", "reactivate", "close")
)


class Penniless(Company):
    """A company whose card is always declined."""

    def __init__(self, company: Company, stripe: StripeProcess) -> None:
        super().__init__(company.shop, company.database, company.ids, company.names, company.password_hash)
        self.stripe = stripe

    async def subscribe(self) -> None:
        page = await self.shop.post("/v1/billing/checkout-session", {"plan": "enterprise", "interval": "month"})
        if page.is_success:
            await asyncio.to_thread(self.stripe.pay_page, page.json()["url"], "declined")

    async def unsubscribe(self) -> None:
        """It never was subscribed."""


class OneCompany(World):
    """Whose company is always the same."""

    tenant_id = ""

    async def tenant(self) -> str:
        return self.tenant_id


@pytest.fixture
async def company(http: httpx.AsyncClient, database: Database, stripe: StripeProcess) -> Penniless:
    return Penniless(await new_company(http, database), stripe)


@pytest.fixture
async def world(http: httpx.AsyncClient, database: Database, company: Penniless) -> OneCompany:
    people = {role: await staff(http, database, role) for role in STAFF_ROLES}  # type: ignore[arg-type]
    made = OneCompany(http, database, people)
    made.tenant_id = company.shop.tenant_id
    return made


async def unpaid(admin: asyncpg.Connection, company: Company) -> list[dict[str, Any]]:
    return [dict(row) for row in await admin.fetch(UNPAID, UUID(company.shop.tenant_id))]


@pytest.mark.timeout(600)
async def test_no_route_and_no_role_leads_to_a_paid_plan(
    company: Penniless,
    world: OneCompany,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
) -> None:
    draw = random.Random(20261124)
    tokens = {role: (await company.member(role)).token for role in ROLES if role != "owner"}
    tokens["owner"] = company.shop.token
    routes = [route for route in CASES if not route[1].startswith(ENDS_THE_CALLER)]
    acts: list[tuple[str, tuple[str, str]]] = [("company", route) for route in routes]
    acts += [("staff", route) for route in CALLS if not route[1].startswith(ENDS_THE_CALLER) and route not in MOVES]
    draw.shuffle(acts)
    said: Counter[int] = Counter()
    for n, (side, route) in enumerate(acts):
        if side == "company":
            # Some need what an earlier one took away; what they would have sent is no way to a plan either.
            wanted = Call({part[1:-1]: str(uuid4()) for part in route[1].split("/") if part.startswith("{")}, {})
            with suppress(AssertionError, KeyError, IndexError):
                wanted = await CASES[route].make(company)
            for role in draw.sample(sorted(tokens), len(tokens)):
                said[(await send(company, route, wanted, token=tokens[role])).status_code] += 1
        else:
            for role, person in world.people.items():
                with suppress(AssertionError, KeyError, IndexError):
                    answer = await send_as_staff(world, route, await CALLS[route](world, person), person.token)
                    said[answer.status_code] += 1
                assert role in STAFF_ROLES
        await forget_tries(database.settings)
        if n % 40 == 0 or route[1].startswith("/v1/billing"):
            await settle(stripe, http, database, admin, times=2)
            assert await unpaid(admin, company) == [], route
    await settle(stripe, http, database, admin)
    assert await unpaid(admin, company) == []
    print(f"paid plans: {sum(said.values())} calls of {len(acts)} routes, {dict(sorted(said.items()))}")
    assert said[200] + said[201] > len(acts), "most of them were let in"
    assert max(said) < 500 or set(said) <= {*range(500), 503}


STEPS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "/v1/billing/checkout-session", {"plan": "pro", "interval": "year"}),
    ("POST", "/v1/billing/plan-change", {"plan": "enterprise", "interval": "month"}),
    ("POST", "/v1/billing/plan-change", {"plan": "free", "interval": "month"}),
    ("DELETE", "/v1/billing/plan-change", None),
    ("POST", "/v1/billing/cancel", {"reason": "other"}),
    ("POST", "/v1/billing/resume", {}),
)


@pytest.mark.parametrize("seed", range(3))
async def test_no_dance_with_the_operator_leads_to_a_paid_plan(
    company: Penniless,
    world: OneCompany,
    http: httpx.AsyncClient,
    database: Database,
    admin: asyncpg.Connection,
    stripe: StripeProcess,
    seed: int,
) -> None:
    draw, boss = random.Random(seed), world.people["admin"]
    tenant = f"/v1/provider/tenants/{company.shop.tenant_id}"
    subscription = f"/v1/provider/subscriptions/{company.shop.tenant_id}"

    async def of_staff() -> httpx.Response:
        path, body = draw.choice(
            (
                (f"{tenant}/suspend", {"reason": "x"}),
                (f"{tenant}/reactivate", {"reason": "x"}),
                (f"{tenant}/reactivate", {"reason": "x", "status": "active"}),
                (f"{tenant}/reactivate", {"reason": "x", "status": "read-only"}),
                (f"{tenant}/close", {"reason": "x"}),
                (
                    f"{subscription}/extend-trial",
                    (await CALLS["POST", f"{subscription_path}/extend-trial"](world, boss)).body,
                ),
                (f"{subscription}/sync", {}),
                ("/v1/provider/billing/reconciliations", {}),
            )
        )
        return await boss.post(path, body)

    subscription_path = "/v1/provider/subscriptions/{tenant_id}"
    said: Counter[int] = Counter()
    for n in range(60):
        if draw.random() < 0.5:
            answer = await of_staff()
        else:
            method, path, body = draw.choice(STEPS)
            answer = await send(company, (method, path), Call({}, body))
            if "url" in answer.text:
                await asyncio.to_thread(stripe.pay_page, answer.json()["url"], "declined")
        said[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        if n % 5 == 0:
            await settle(stripe, http, database, admin, times=2)
        assert await unpaid(admin, company) == [], f"step {n}"
    assert said[200] > 10
    await run_jobs(database, admin, company.shop.tenant_id)
    await forget_tries(database.settings)


async def test_the_same_eyes_see_a_company_that_was_given_a_plan(
    company: Penniless, database: Database, admin: asyncpg.Connection
) -> None:
    """The control: what the tests above look for would be found."""
    assert await unpaid(admin, company) == []
    await admin.execute("UPDATE tenant SET plan_version = 1 WHERE tenant_id = $1", UUID(company.shop.tenant_id))
    assert len(await unpaid(admin, company)) == 1


async def test_an_owner_without_money_is_told_so_by_the_page_alone(company: Penniless, world: OneCompany) -> None:
    boss: StaffPerson = world.people["admin"]
    await company.subscribe()
    seen = (await boss.get(f"/v1/provider/subscriptions/{company.shop.tenant_id}")).json()
    assert (seen["subscription"]["status"], seen["subscription"]["plan"]) == ("trialing", "enterprise")
