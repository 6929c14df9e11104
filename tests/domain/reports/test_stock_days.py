"""Stock by day: what the job keeps and what is added when reading are the balances of the kardex, whatever the order."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from app.db.session import Database
from app.domain.inventory import daily
from app.domain.reports.folding import fold, rebuild
from app.domain.reports.reconcile import differences
from app.lib import clock
from tests.domain.inventory.places import add_warehouse, first_warehouse, send
from tests.domain.reports.counter import ago, report
from tests.shop import Shop

Admin: TypeAlias = asyncpg.Connection  # pyright: ignore[reportInvalidTypeArguments]

ZONE = "America/Bogota"


async def folded(shop: Shop, database: Database) -> None:
    more = True
    while more:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            more = await fold(work)


async def proven(shop: Shop, database: Database) -> None:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await differences(work) == []


async def adjusted(shop: Shop, product: dict[str, Any], quantity: str, reason: str = "found") -> None:
    line: dict[str, Any] = {"productId": product["id"], "quantity": quantity}
    if not quantity.startswith("-"):
        line["unitCost"] = "1000"
    answer = await shop.post("/v1/inventory/adjustments", {"reason": reason, "lines": [line]})
    assert answer.status_code == 201, answer.text


async def dated(admin: Admin, product: dict[str, Any], days: list[int]) -> None:
    """Say that the movements of a product were written so many days ago each, in the order of their positions."""
    for position, n in enumerate(days, start=1):
        await admin.execute(
            "UPDATE stock_movement SET created_at = $1 WHERE product_id = $2 AND position = $3",
            ago(n, 12) + timedelta(minutes=position),
            UUID(product["id"]),
            position,
        )


async def lay(shop: Shop, product: dict[str, Any], days: int) -> tuple[Decimal, Decimal]:
    """Units and pesos of a product at the end of a day, so many days ago."""
    today = clock.business_day(clock.now(), ZONE)
    body = await report(shop, "inventory", last=today - timedelta(days=days), first=today - timedelta(days=days))
    rows = [row for row in body["items"] if row["productId"] == product["id"]]
    return (Decimal(rows[0]["quantity"]), Decimal(rows[0]["value"])) if rows else (Decimal(0), Decimal(0))


async def test_an_old_day_is_the_balance_of_its_last_movement_kept_or_not(
    shop: Shop, database: Database, admin: Admin
) -> None:
    product = await shop.product(stock=None)
    for quantity in ("10", "5", "-3", "-12", "7"):
        await adjusted(shop, product, quantity, "loss" if quantity.startswith("-") else "found")
    await dated(admin, product, [9, 9, 6, 4, 2])
    wanted = {10: 0, 9: 15, 8: 15, 6: 12, 5: 12, 4: 0, 3: 0, 2: 7, 1: 7}
    assert {n: (await lay(shop, product, n))[0] for n in wanted} == wanted
    await folded(shop, database)
    assert {n: (await lay(shop, product, n))[0] for n in wanted} == wanted
    await proven(shop, database)
    await adjusted(shop, product, "1")
    assert (await lay(shop, product, 0))[0] == 8
    assert (await lay(shop, product, 1))[0] == 7


async def test_a_movement_that_waited_over_midnight_belongs_to_the_day_it_was_written_on(
    shop: Shop, database: Database, admin: Admin
) -> None:
    product = await shop.product(stock=None)
    for quantity in ("10", "1", "1"):
        await adjusted(shop, product, quantity)
    # The second was written on the later day, the third, which waited for it, on the day before.
    await dated(admin, product, [5, 3, 4])
    await folded(shop, database)
    await adjusted(shop, product, "1")
    await admin.execute(
        "UPDATE stock_movement SET created_at = $1 WHERE product_id = $2 AND position = 4",
        ago(4, 20),
        UUID(product["id"]),
    )
    unfolded = [(await lay(shop, product, n))[0] for n in (5, 4, 3)]
    await folded(shop, database)
    assert [(await lay(shop, product, n))[0] for n in (5, 4, 3)] == unfolded == [10, 13, 13]
    await proven(shop, database)


async def test_empty_shelves_are_kept_with_their_end_which_may_come_later(
    shop: Shop, database: Database, admin: Admin
) -> None:
    product = await shop.product(stock=None)
    tenant = UUID(shop.tenant_id)
    await adjusted(shop, product, "2")
    await adjusted(shop, product, "-2", "loss")
    await folded(shop, database)
    assert await admin.fetchval("SELECT ended_at IS NULL FROM stock_gap WHERE tenant_id = $1", tenant) is True
    await adjusted(shop, product, "4")
    await adjusted(shop, product, "-4", "loss")
    sql = f"SELECT count(*), count(ended_at) FROM ({daily.GAPS}) g".replace(":tenant_id", "$1")
    assert [tuple(row) for row in await admin.fetch(sql, tenant)] == [(2, 1)]
    await folded(shop, database)
    assert [tuple(row) for row in await admin.fetch(sql, tenant)] == [(2, 1)]
    await proven(shop, database)


async def test_two_runs_at_once_keep_everything_once(shop: Shop, database: Database) -> None:
    session = await shop.open_drawer()
    product = await shop.product(stock="50")
    for _ in range(4):
        await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
    await asyncio.gather(*(folded(shop, database) for _ in range(4)))
    await proven(shop, database)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await rebuild(work)
    assert (await lay(shop, product, 0))[0] == 46
    await folded(shop, database)
    await proven(shop, database)


@pytest.mark.parametrize("change", ["quantity = quantity + 1", "moved_value = 5", "position = position - 1", None])
async def test_a_wrong_day_is_found(shop: Shop, database: Database, admin: Admin, change: str | None) -> None:
    await shop.product(stock="3")
    await folded(shop, database)
    tenant = UUID(shop.tenant_id)
    if change is None:
        await admin.execute(
            "INSERT INTO stock_gap SELECT tenant_id, product_id, warehouse_id, position, now() FROM stock_day "
            "WHERE tenant_id = $1",
            tenant,
        )
    else:
        await admin.execute(f"UPDATE stock_day SET {change} WHERE tenant_id = $1", tenant)
    async with database.job_transaction(tenant) as work:
        assert await differences(work) != []


async def test_goods_under_way_are_in_the_inventory_of_an_old_day(shop: Shop, database: Database, admin: Admin) -> None:
    product = await shop.product(stock="9")
    target = await add_warehouse(shop)
    await send(shop, await first_warehouse(shop), target, (product, "4"))
    await dated(admin, product, [5, 3])
    for _ in range(2):
        assert [(await lay(shop, product, n))[0] for n in (6, 4, 2)] == [0, 9, 9]
        assert (await lay(shop, product, 2))[1] == (await lay(shop, product, 0))[1]
        await folded(shop, database)
    await proven(shop, database)
