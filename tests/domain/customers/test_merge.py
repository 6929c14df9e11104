"""Duplicates become one: whoever points at the duplicate finds the one that stays in a single step."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from app.db.session import Database, system_actor
from app.domain.customers.service import CustomerService
from app.lib.errors import RuleBroken
from tests.domain.customers.people import create, refusal
from tests.domain.inventory.race import until_blocked
from tests.shop import Shop


async def merge(shop: Shop, source: str, into: str) -> dict[str, object]:
    answer = await shop.post(f"/v1/customers/{source}/merge", {"into": into})
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


async def merged_into(shop: Shop, customer_id: str) -> str | None:
    found: str | None = (await shop.get(f"/v1/customers/{customer_id}")).json()["mergedInto"]
    return found


async def test_a_duplicate_is_retired_in_favour_of_the_other(shop: Shop) -> None:
    double, stays = await create(shop), await create(shop)
    assert await merge(shop, double["id"], stays["id"]) == stays
    gone = (await shop.get(f"/v1/customers/{double['id']}")).json()
    assert (gone["mergedInto"], gone["name"]) == (stays["id"], double["name"])
    assert gone["retiredAt"] is not None
    assert await merge(shop, double["id"], stays["id"]) == stays
    third = await create(shop)
    again = await shop.post(f"/v1/customers/{double['id']}/merge", {"into": third["id"]})
    assert refusal(again) == (409, "customer-retired")


async def test_chains_end_at_the_one_that_stays(shop: Shop) -> None:
    a, b, c, d = [(await create(shop))["id"] for _ in range(4)]
    await merge(shop, a, b)
    await merge(shop, b, c)
    assert [await merged_into(shop, one) for one in (a, b, c)] == [c, c, None]
    # Naming a merged customer means the one that stands for it now.
    assert (await merge(shop, d, a))["id"] == c
    assert await merged_into(shop, d) == c


async def test_a_customer_is_not_merged_with_itself(shop: Shop) -> None:
    a, b = [(await create(shop))["id"] for _ in range(2)]
    same = await shop.post(f"/v1/customers/{a}/merge", {"into": a})
    assert refusal(same) == (422, "same-customer")
    await merge(shop, a, b)
    circle = await shop.post(f"/v1/customers/{b}/merge", {"into": a})
    assert refusal(circle) == (422, "same-customer")
    assert await merged_into(shop, b) is None


async def test_a_retired_customer_takes_nobody_in(shop: Shop) -> None:
    a, b = [(await create(shop))["id"] for _ in range(2)]
    await shop.delete(f"/v1/customers/{b}")
    answer = await shop.post(f"/v1/customers/{a}/merge", {"into": b})
    assert refusal(answer) == (409, "customer-retired")
    # The other way round a retired duplicate finds its place.
    assert (await merge(shop, b, a))["id"] == a


async def test_the_trail_tells_who_followed(shop: Shop, admin: asyncpg.Connection) -> None:
    a, b, c = [(await create(shop))["id"] for _ in range(3)]
    await merge(shop, a, b)
    await merge(shop, b, c)
    content = await admin.fetchval(
        "SELECT content::jsonb -> 'after' -> 'followers' ->> $2 FROM audit_entry "
        "WHERE subject_id = $1 AND action = 'customer.merged'",
        b,
        a,
    )
    assert content == c


async def test_merges_wait_for_each_other_and_never_close_a_circle(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    a, b = [UUID((await create(shop))["id"]) for _ in range(2)]
    actor = system_actor(UUID(shop.tenant_id))

    async def other_way() -> None:
        async with database.tenant_transaction(actor) as work:
            await CustomerService(work).merge(b, a)

    async with database.tenant_transaction(actor) as work:
        await CustomerService(work).merge(a, b)
        second = asyncio.create_task(other_way())
        await until_blocked(admin)
    with pytest.raises(RuleBroken, match="consigo mismo"):
        await second
    assert [await merged_into(shop, str(one)) for one in (a, b)] == [str(b), None]


async def test_merges_in_opposite_directions_do_not_lock_each_other_out(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    """Both customers are held by a third hand until both merges wait: let go, one of them must win and none may hang."""
    a, b = [UUID((await create(shop))["id"]) for _ in range(2)]
    actor = system_actor(UUID(shop.tenant_id))

    async def merge_held(source: UUID, into: UUID) -> None:
        async with database.tenant_transaction(actor) as work:
            await CustomerService(work).merge(source, into)

    async with admin.transaction():
        await admin.execute("SELECT 1 FROM customer WHERE id = ANY($1) FOR UPDATE", [a, b])
        both = [asyncio.create_task(merge_held(a, b)), asyncio.create_task(merge_held(b, a))]
        await until_blocked(admin, waiting=2)
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [RuleBroken]
    assert [await merged_into(shop, str(one)) for one in (a, b)].count(None) == 1
