"""The life of a company: which steps there are, that PostgreSQL knows them too, and what each status leaves open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.jobs import JobContext
from app.db.session import Database, system_actor
from app.domain.tenants.jobs import end_trial_job
from app.domain.tenants.lifecycle import MOVES, MoveNotAllowed, extend_trial, move
from app.domain.tenants.models import TenantStatus
from app.lib import clock
from app.lib.driver import constraint_of
from app.lib.errors import Conflict, RuleBroken
from app.lib.jobs import NoPayload
from tests.domain.inventory.places import (
    act,
    add_warehouse,
    cancel,
    enter,
    first_warehouse,
    open_count,
    receive,
    send,
    shelf_at,
    try_to_send,
)
from tests.domain.inventory.shelf import differences, refusal
from tests.shop import Shop
from worker.chores import end_trials

WAYS: dict[str, list[TenantStatus]] = {
    "trial": [],
    "active": [TenantStatus.ACTIVE],
    "past-due": [TenantStatus.ACTIVE, TenantStatus.PAST_DUE],
    "read-only": [TenantStatus.READ_ONLY],
    "suspended": [TenantStatus.SUSPENDED],
    "closed": [TenantStatus.CLOSED],
}
"""How a new company comes to each status."""


async def bring_to(database: Database, shop: Shop, status: str) -> None:
    for step in WAYS[status]:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await move(work, step, "prueba")


@asynccontextmanager
async def in_company(database: Database, shop: Shop) -> AsyncIterator[Any]:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        yield work


async def test_the_table_of_moves_is_the_databases(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch("SELECT from_status, to_status FROM tenant_move")
    assert {(row[0], row[1]) for row in rows} == {(start, str(end)) for start, ends in MOVES.items() for end in ends}


@pytest.mark.parametrize("wanted", list(TenantStatus))
@pytest.mark.parametrize("status", WAYS)
async def test_only_the_moves_of_the_table_happen(
    shop: Shop, database: Database, admin: asyncpg.Connection, status: str, wanted: TenantStatus
) -> None:
    await bring_to(database, shop, status)

    async def steps() -> list[tuple[str, str]]:
        rows = await admin.fetch(
            "SELECT from_status, to_status FROM tenant_transition WHERE tenant_id = $1 ORDER BY seq",
            UUID(shop.tenant_id),
        )
        return [(row[0], row[1]) for row in rows]

    before = await steps()
    if wanted == status:
        async with in_company(database, shop) as work:
            await move(work, wanted, "otra vez")
        assert await steps() == before
        return
    if wanted in MOVES[status]:
        async with in_company(database, shop) as work:
            until = clock.now() + timedelta(days=3) if wanted == TenantStatus.TRIAL else None
            await move(work, wanted, "se puede", trial_ends_at=until)
        assert await steps() == [*before, (status, str(wanted))]
        assert await admin.fetchval("SELECT status FROM tenant WHERE tenant_id = $1", UUID(shop.tenant_id)) == wanted
        return
    with pytest.raises(MoveNotAllowed):
        async with in_company(database, shop) as work:
            await move(work, wanted, "no se puede")
    assert await steps() == before


STEP = (
    "INSERT INTO tenant_transition (tenant_id, seq, previous_seq, from_status, to_status, reason, actor_id, "
    "actor_name, at) VALUES (:t, :seq, :previous, :start, :end, :reason, :t, 'x', now())"
)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"start": "trial", "end": "past-due"}, "fk_tenant_transition_from_status_to_status"),
        ({"start": "trial", "end": "invented"}, "fk_tenant_transition_from_status_to_status"),
        ({"start": "read-only", "end": "active"}, "fk_tenant_transition_tenant_id_previous_seq_from_status"),
        (
            {"seq": 4, "previous": 3, "start": "trial", "end": "active"},
            "fk_tenant_transition_tenant_id_previous_seq_from_status",
        ),
        ({"seq": 3, "previous": 1, "start": "trial", "end": "active"}, "ck_tenant_transition_next"),
        ({"previous": None, "start": "trial", "end": "active"}, "ck_tenant_transition_next"),
        ({"start": "new", "end": "trial"}, "ck_tenant_transition_first"),
        ({"seq": 1, "previous": None, "start": "new", "end": "active"}, "pk_tenant_transition"),
        ({"start": "trial", "end": "active", "reason": ""}, "ck_tenant_transition_reason"),
    ],
    ids=[
        "not in the table",
        "no such status",
        "from elsewhere",
        "after a gap",
        "not the next",
        "before nothing",
        "a second beginning",
        "the first again",
        "without a reason",
    ],
)
async def test_postgresql_refuses_a_step_that_is_not_the_next_of_the_table(
    shop: Shop, database: Database, values: dict[str, Any], constraint: str
) -> None:
    step = {"t": UUID(shop.tenant_id), "seq": 2, "previous": 1, "reason": "prueba"} | values
    with pytest.raises(DBAPIError) as refused:
        async with in_company(database, shop) as work:
            await work.session.execute(text(STEP), step)
    assert constraint_of(refused.value) == constraint


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tenant SET status = 'active', trial_ends_at = NULL",
        "UPDATE tenant SET status = 'active', status_seq = 2, trial_ends_at = NULL",
    ],
    ids=["another status", "a step that never was"],
)
async def test_postgresql_refuses_a_status_that_no_step_led_to(shop: Shop, database: Database, change: str) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with in_company(database, shop) as work:
            await work.session.execute(text(change))
    assert constraint_of(refused.value) == "fk_tenant_tenant_id_status_seq_status"


async def test_steps_are_told_with_who_and_why_and_audited(shop: Shop, database: Database) -> None:
    async with in_company(database, shop) as work:
        await move(work, TenantStatus.ACTIVE, "Pagó el primer mes.")
    items = (await shop.get("/v1/company/history")).json()["items"]
    assert [(item["seq"], item["fromStatus"], item["toStatus"], item["actorName"]) for item in items] == [
        (2, "trial", "active", "Sistema"),
        (1, "new", "trial", "Dueña de Prueba"),
    ]
    assert items[0]["reason"] == "Pagó el primer mes."
    entries = (await shop.get("/v1/audit/entries", subjectId=shop.tenant_id)).json()["items"]
    assert "company.moved" in {entry["action"] for entry in entries}
    assert (await shop.get("/v1/audit/verify")).json()["intact"] is True
    assert await differences(shop) == []


async def test_a_move_needs_a_reason(shop: Shop, database: Database) -> None:
    with pytest.raises(RuleBroken):
        async with in_company(database, shop) as work:
            await move(work, TenantStatus.ACTIVE, "   ")


READS = ("/v1/products", "/v1/sales", "/v1/customers", "/v1/audit/export", "/v1/cash/sessions")
ALWAYS = ("/v1/me", "/v1/company", "/v1/company/plan", "/v1/company/notices")


async def test_a_company_in_read_only_finishes_what_it_began_and_begins_nothing(shop: Shop, database: Database) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    line = [{"productId": product["id"], "quantity": "2"}]
    one, other = [(await shop.sell(session, line, "23800")).json() for _ in range(2)]
    await bring_to(database, shop, "read-only")
    for path, body in (
        ("/v1/sales", {"sessionId": session, "lines": line, "payments": [{"method": "cash", "amount": "23800"}]}),
        ("/v1/products", {"sku": "x", "name": "x", "price": "1", "taxClass": "iva19"}),
        ("/v1/customers", {"identificationType": "13", "identification": "123456", "name": "Ana"}),
        ("/v1/inventory/adjustments", {"reason": "found", "lines": line}),
        ("/v1/cash/sessions", {"registerId": str(uuid4()), "openingAmount": "0"}),
        (f"/v1/cash/sessions/{session}/movements", {"kind": "in", "amount": "1", "reason": "x"}),
        ("/v1/branches", {"name": "Otra"}),
        (f"/v1/products/{product['id']}/retire", None),
    ):
        assert refusal(await shop.post(path, body)) == (403, "company-read-only"), path
    assert refusal(await shop.patch("/v1/company", {"phone": "1"})) == (403, "company-read-only")
    for path in (*READS, *ALWAYS):
        assert (await shop.get(path)).status_code == 200, path
    back = await shop.post(
        "/v1/returns",
        {
            "saleId": one["id"],
            "lines": [{"saleLineId": one["lines"][0]["id"], "quantity": "1"}],
            "refunds": [{"method": "cash", "amount": "11900"}],
            "reason": "no le gustó",
        },
    )
    assert back.status_code == 201, back.text
    assert (await shop.post(f"/v1/sales/{other['id']}/void", {"reason": "error"})).status_code == 201
    closed = await shop.post(
        f"/v1/cash/sessions/{session}/close", {"counted": [{"method": "cash", "amount": "111900"}]}
    )
    assert closed.status_code == 200, closed.text
    logged_in = await shop.http.post("/v1/auth/login", json={"email": shop.email, "password": shop.password})
    assert (logged_in.status_code, logged_in.json()["tenant"]["status"]) == (200, "read-only")
    notices = (await shop.get("/v1/company/notices")).json()["items"]
    assert (notices[0]["code"], notices[0]["severity"]) == ("company-read-only", "critical")


async def test_a_company_in_read_only_receives_what_is_on_its_way_and_ends_its_counts(
    shop: Shop, database: Database
) -> None:
    nails = await shop.product(stock="10", cost="100")
    here, there = await first_warehouse(shop), await add_warehouse(shop)
    one, other = [await send(shop, here, there, (nails, "2")) for _ in range(2)]
    count = await open_count(shop, warehouseId=here)
    await bring_to(database, shop, "read-only")
    assert refusal(await try_to_send(shop, here, there, (nails, "1"))) == (403, "company-read-only")
    assert refusal(await shop.post("/v1/inventory/counts", {"warehouseId": there})) == (403, "company-read-only")
    for answer in (
        await receive(shop, one),
        await cancel(shop, other),
        await enter(shop, count, (nails, "8")),
        await act(shop, count, "close"),
    ):
        assert answer.status_code in {200, 201}, answer.text
    assert await shelf_at(shop, nails, there) == ("2.000", "200.00")


@pytest.mark.parametrize("status", ["suspended", "closed"])
async def test_a_company_that_is_stopped_keeps_its_login_and_its_own_page(
    shop: Shop, database: Database, status: str
) -> None:
    session = await shop.open_drawer()
    await bring_to(database, shop, status)
    for path in ALWAYS:
        assert (await shop.get(path)).status_code == 200, path
    for path in READS:
        assert refusal(await shop.get(path)) == (403, f"company-{status}"), path
    ticket = {"sessionId": session, "lines": [], "payments": []}
    product = {"productId": str(uuid4()), "quantity": "1"}
    for path, body in (
        ("/v1/sales", ticket | {"lines": [product], "payments": [{"method": "cash", "amount": "1"}]}),
        (f"/v1/cash/sessions/{session}/close", {"counted": []}),
    ):
        assert refusal(await shop.post(path, body))[0] == 403, path
    assert (await shop.get("/v1/products", barcode="1")).status_code == 403
    logged_in = await shop.http.post("/v1/auth/login", json={"email": shop.email, "password": shop.password})
    assert logged_in.status_code == 200


@pytest.mark.parametrize("status", ["trial", "active", "past-due"])
async def test_a_company_that_works_sells(shop: Shop, database: Database, status: str) -> None:
    await bring_to(database, shop, status)
    product, session = await shop.product(), await shop.open_drawer()
    sold = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")
    assert sold.status_code == 201


def context_of(database: Database, shop: Shop) -> JobContext:
    return JobContext(database=database, tenant_id=UUID(shop.tenant_id), job_id=uuid4(), attempt=1, request_id="")


async def status_of(shop: Shop) -> str:
    return str((await shop.get("/v1/company")).json()["status"])


async def test_a_trial_ends_when_its_time_has_come_and_once(
    shop: Shop, other_shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    tenant_id = UUID(shop.tenant_id)

    async def asked() -> int:
        rows = await admin.fetch("SELECT id FROM outbox WHERE tenant_id = $1 AND kind = 'tenants.end-trial'", tenant_id)
        return len(rows)

    days = clock.now() + timedelta(days=database.settings.trial_days)
    ends = await admin.fetchval("SELECT trial_ends_at FROM tenant WHERE tenant_id = $1", tenant_id)
    assert isinstance(ends, datetime)
    assert abs(ends - days) < timedelta(minutes=1)
    await end_trials(database)
    assert await asked() == 0
    await end_trial_job.run(context_of(database, shop), NoPayload())
    assert await status_of(shop) == "trial"
    await admin.execute("UPDATE tenant SET trial_ends_at = now() - interval '1 s' WHERE tenant_id = $1", tenant_id)
    for _ in range(2):
        await end_trials(database)
    assert await asked() == 1
    for _ in range(2):
        await end_trial_job.run(context_of(database, shop), NoPayload())
    assert await status_of(shop) == "read-only"
    history = (await shop.get("/v1/company/history")).json()["items"]
    assert [item["toStatus"] for item in history] == ["read-only", "trial"]
    assert await status_of(other_shop) == "trial"
    await admin.execute("UPDATE outbox SET status = 'done' WHERE tenant_id = $1", tenant_id)
    await end_trials(database)
    assert await asked() == 1


async def test_a_trial_can_be_extended_and_its_end_is_announced(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    async def told() -> bool:
        return "trial-ending" in {item["code"] for item in (await shop.get("/v1/company/notices")).json()["items"]}

    assert not await told()
    soon = clock.now() + timedelta(days=2)
    await admin.execute("UPDATE tenant SET trial_ends_at = $2 WHERE tenant_id = $1", UUID(shop.tenant_id), soon)
    assert await told()
    async with in_company(database, shop) as work:
        await extend_trial(work, clock.now() + timedelta(days=60), "La demora fue nuestra.")
    assert not await told()
    with pytest.raises(RuleBroken):
        async with in_company(database, shop) as work:
            await extend_trial(work, clock.now() - timedelta(days=1), "ayer")
    await bring_to(database, shop, "active")
    with pytest.raises(Conflict):
        async with in_company(database, shop) as work:
            await extend_trial(work, clock.now() + timedelta(days=60), "ya no")


async def test_a_suspension_counts_for_the_very_next_request(shop: Shop, database: Database) -> None:
    assert (await shop.get("/v1/products")).status_code == 200
    async with database.tenant_transaction(system_actor(UUID(shop.tenant_id))) as work:
        await move(work, TenantStatus.SUSPENDED, "Fraude")
    assert refusal(await shop.get("/v1/products")) == (403, "company-suspended")
    async with database.tenant_transaction(system_actor(UUID(shop.tenant_id))) as work:
        await move(work, TenantStatus.ACTIVE, "Aclarado")
    assert (await shop.get("/v1/products")).status_code == 200
