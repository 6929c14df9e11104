"""Questions in one round trip: the pin comes first, ends with its statement, and a broken connection is nobody's refusal."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from litestar import Litestar

from app.db import kept
from app.db.quick import Question, Quick, asked_by
from app.lib.errors import Unavailable
from app.settings import Settings
from tests.domain.cash.counter import Admin, cashier_of
from tests.shop import Shop

WHOLE = Question("SELECT p.tenant_id, count(*) AS found FROM product p GROUP BY p.tenant_id")
"""Names no company: what it sees is the fence's doing."""
LEFT_BEHIND = (
    "SELECT coalesce(current_setting('app.tenant_id', true), '') || coalesce(current_setting('app.user_id', true), '')"
)


@pytest.fixture(params=["plain", "pooler", "set_local"])
async def quick(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Quick]:
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "pooler": {"behind_pooler": True},
        "set_local": {"pin": "set_local"},
    }
    made = Quick(msgspec.structs.replace(settings, lane_size=1, **changes[request.param]))
    yield made
    await made.close()


async def asked(quick: Quick, shop: Shop, question: Question = WHOLE, **values: Any) -> list[tuple[Any, ...]]:
    rows = await quick.ask(question, UUID(shop.tenant_id), UUID(shop.user["id"]), **values)
    return [tuple(row) for row in rows]


async def test_each_question_sees_its_own_company_and_leaves_nothing_on_the_connection(
    quick: Quick, shop: Shop, other_shop: Shop
) -> None:
    await shop.product(stock=None)
    for _ in range(2):
        await other_shop.product(stock=None)
    for _ in range(3):
        assert await asked(quick, shop) == [(UUID(shop.tenant_id), 1)]
        assert await asked(quick, other_shop) == [(UUID(other_shop.tenant_id), 2)]
        (connection,) = quick._connections._idle
        assert await connection.fetchval(LEFT_BEHIND) == ""
        assert await connection.fetchval("SELECT count(*) FROM product") == 0


async def test_the_pin_is_evaluated_before_anything_is_read(quick: Quick, shop: Shop) -> None:
    """Joins, aggregates, common table expressions and subqueries in every place where a plan could begin."""
    await shop.product(stock="1")
    for select in (
        "SELECT count(*) FROM product p JOIN stock s ON s.product_id = p.id JOIN product_gram g ON g.product_id = p.id",
        "WITH all_of AS MATERIALIZED (SELECT * FROM product) SELECT (SELECT count(*) FROM all_of), "
        "(SELECT count(*) FROM stock) FROM all_of",
        "SELECT ARRAY(SELECT sku FROM product) FROM generate_series(1, 3) WHERE EXISTS (SELECT FROM stock)",
        "SELECT tenant_id FROM product UNION ALL SELECT tenant_id FROM stock ORDER BY 1",
        "SELECT p.id FROM product p WHERE p.id = ANY(ARRAY(SELECT product_id FROM stock)) ORDER BY p.id LIMIT 1",
    ):
        rows = await asked(quick, shop, Question(select))
        assert rows, select
        assert all(all(row) for row in rows), select


async def test_who_asks_is_told_with_the_answer_also_when_there_is_none(quick: Quick, shop: Shop, admin: Admin) -> None:
    session_id = await admin.fetchval("SELECT id FROM auth_session WHERE tenant_id = $1", UUID(shop.tenant_id))
    question = asked_by("SELECT p.sku FROM product p WHERE p.tenant_id = :tenant_id")
    (row,) = await quick.ask(question, UUID(shop.tenant_id), UUID(shop.user["id"]), session_id=session_id)
    assert (row["role"], row["member_active"], row["sku"]) == ("owner", True, None)
    assert await quick.ask(question, UUID(shop.tenant_id), UUID(int=7), session_id=session_id) == []


async def test_a_kept_connection_that_died_is_replaced(quick: Quick, shop: Shop, admin: Admin) -> None:
    await asked(quick, shop)
    (first,) = quick._connections._idle
    await admin.execute("SELECT pg_terminate_backend($1)", first.get_server_pid())
    assert await asked(quick, shop) == []
    (second,) = quick._connections._idle
    assert second is not first


async def test_a_refused_statement_and_a_given_up_one_leave_a_working_pool(quick: Quick, shop: Shop) -> None:
    with pytest.raises(Exception, match="division by zero"):
        await asked(quick, shop, Question("SELECT 1 / 0"))
    for _ in range(3):
        waiting = asyncio.create_task(asked(quick, shop, Question("SELECT pg_sleep(30)")))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await asked(quick, shop) == []
    (connection,) = quick._connections._idle
    assert await connection.fetchval(LEFT_BEHIND) == ""


async def test_whoever_waits_too_long_for_a_connection_is_told_to_come_back(
    quick: Quick, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "WAIT", 0.1)
    await asked(quick, shop)
    slow = asyncio.create_task(asked(quick, shop, Question("SELECT pg_sleep(1)")))
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await asked(quick, shop)
    await slow
    assert await asked(quick, shop) == []


@pytest.mark.parametrize("way", ["barcode", "sku", "search", "limit", "cursor"])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("UPDATE membership SET is_active = false WHERE user_id = $1", 403),
        ("UPDATE app_user SET is_active = false WHERE id = $1", 401),
        ("UPDATE auth_session SET revoked_at = now() WHERE user_id = $1", 401),
    ],
    ids=["membership", "person", "session"],
)
async def test_an_end_is_seen_by_the_very_next_question(
    shop: Shop, admin: Admin, app: Litestar, end: str, status: int, way: str
) -> None:
    made = await shop.product(stock=None, barcodes=["7709990000016"])
    cashier = await cashier_of(shop, admin, app)
    ask = {"barcode": "7709990000016", "sku": made["sku"], "search": made["name"], "limit": 5, "cursor": "x"}
    assert (await cashier.get("/v1/products", **{way: ask[way]})).status_code == (400 if way == "cursor" else 200)
    await admin.execute(end, UUID(cashier.user["id"]))
    assert (await cashier.get("/v1/products", **{way: ask[way]})).status_code == status
