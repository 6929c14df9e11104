"""Short words for what tests ask of places."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.db.session import Database
from app.domain.accounts.branches import limit_to_branches
from app.domain.tenants.plans import change_plan
from tests.domain.cash.counter import Admin
from tests.shop import Shop


async def company(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = (await shop.get("/v1/company")).json()
    return found


async def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def branch(shop: Shop, **body: Any) -> dict[str, Any]:
    return await made(await shop.post("/v1/branches", {"name": f"Sede {uuid4().hex[:6]}"} | body))


async def warehouse(shop: Shop, branch_id: str, **body: Any) -> dict[str, Any]:
    named = {"branchId": branch_id, "name": f"Bodega {uuid4().hex[:6]}"} | body
    return await made(await shop.post("/v1/warehouses", named))


async def register(shop: Shop, branch_id: str, warehouse_id: str, **body: Any) -> dict[str, Any]:
    """A till that lists after the first one, which `Shop.open_drawer` takes."""
    named = {"branchId": branch_id, "warehouseId": warehouse_id, "name": f"Caja norte {uuid4().hex[:6]}"} | body
    return await made(await shop.post("/v1/cash/registers", named))


async def second_branch(shop: Shop) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A branch with its warehouse and its till."""
    place = await branch(shop)
    shelf = await warehouse(shop, place["id"])
    return place, shelf, await register(shop, place["id"], shelf["id"])


async def membership_of(admin: Admin, person: Shop) -> UUID:
    """A person's membership of the company they are seen in."""
    found = await admin.fetchval(
        "SELECT id FROM membership WHERE tenant_id = $1 AND user_id = $2",
        UUID(person.tenant_id),
        UUID(person.user["id"]),
    )
    assert isinstance(found, UUID)
    return found


async def limit(database: Database, admin: Admin, person: Shop, branch_ids: list[str] | None) -> None:
    """Let a person of the company work in these branches only."""
    membership_id = await membership_of(admin, person)
    async with database.job_transaction(UUID(person.tenant_id)) as work:
        await limit_to_branches(work, membership_id, None if branch_ids is None else [UUID(one) for one in branch_ids])


async def on_plan(shop: Shop, database: Database, admin: Admin, **limits: int) -> None:
    """Give the company a plan of its own with these limits and no others."""
    code = f"prueba-{uuid4().hex[:8]}"
    await admin.execute(
        "INSERT INTO plan (code, name, position, modules, limits) VALUES ($1, 'Prueba', 9, '[\"imports\"]', $2)",
        code,
        json.dumps(limits),
    )
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await change_plan(work, code, "prueba")
