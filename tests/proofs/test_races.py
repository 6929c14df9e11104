"""What two requests do to each other: consecutives, twins of one request, and a sale while Redis is away."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.asgi import create_litestar, dressed
from app.db.session import Database
from app.domain.tenants.numbering import next_number
from app.lib.driver import driver_error
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import Settings, read_settings
from tests.db.catalogue import Admin
from tests.shop import Shop, sign_up

WORKERS = 64

ROLLED_BACK = 0.2


class ForcedError(Exception):
    pass


async def take_numbers(shop: Shop, settings: Settings, wanted: int) -> None:
    """Workers take consecutives until so many are kept; a fifth of the transactions is rolled back after taking one."""
    branch = UUID((await shop.get("/v1/company")).json()["branches"][0]["id"])
    redis = connect_redis(settings)
    database = Database(msgspec.structs.replace(settings, pool_size=WORKERS), Bell(redis))
    chance = random.Random(64)
    kept: list[int] = []
    undone = late = 0

    async def work_off(share: int) -> None:
        nonlocal undone, late
        left = share
        while left:
            fails = chance.random() < ROLLED_BACK
            try:
                async with database.job_transaction(UUID(shop.tenant_id)) as work:
                    number, _ = await next_number(work, branch, "sale")
                    if fails:
                        raise ForcedError
            except ForcedError:
                undone += 1
            except DBAPIError as error:
                # Waited too long in the queue for one row: the API answers 503 or 409, and its client comes again.
                if not isinstance(driver_error(error), (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)):
                    raise
                late += 1
            else:
                kept.append(number)
                left -= 1

    try:
        await asyncio.gather(*(work_off(wanted // WORKERS + (n < wanted % WORKERS)) for n in range(WORKERS)))
    finally:
        await database.close()
        await redis.aclose()
    print(f"numbering: {len(kept)} kept, {undone} rolled back, {late} timed out, {WORKERS} workers: 1..{max(kept)}")
    assert undone > wanted * ROLLED_BACK / 2
    assert sorted(kept) == list(range(1, wanted + 1))


async def test_consecutives_have_no_gap_though_a_fifth_is_rolled_back(shop: Shop, settings: Settings) -> None:
    await take_numbers(shop, settings, 2_000)


@pytest.mark.proof
@pytest.mark.timeout(1_800)
async def test_fifty_thousand_consecutives_have_no_gap(shop: Shop, settings: Settings) -> None:
    await take_numbers(shop, settings, 50_000)


async def waiting(admin: Admin) -> int:
    found: int | None = await admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return found or 0


async def until_waiting(admin: Admin, count: int) -> None:
    while await waiting(admin) < count:
        await asyncio.sleep(0.01)


@pytest.fixture
async def holder(environ: dict[str, str]) -> AsyncIterator[Admin]:
    """A second connection of the administrator: holds what a slow first request would."""
    connection = await asyncpg.connect(environ["DATABASE_ADMIN_URL"])
    yield connection
    await connection.close()


def ticket(session: str, product_id: str) -> dict[str, object]:
    return {
        "sessionId": session,
        "lines": [{"productId": product_id, "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "11900"}],
    }


async def test_a_twin_waits_for_the_first_and_gets_its_answer(shop: Shop, admin: Admin, holder: Admin) -> None:
    product, session = await shop.product(stock="10"), await shop.open_drawer()
    hold = holder.transaction()
    await hold.start()
    await holder.execute("SELECT 1 FROM stock WHERE product_id = $1 FOR UPDATE", UUID(product["id"]))
    body = ticket(session, product["id"])
    first = asyncio.create_task(shop.post("/v1/sales", body, key="twin"))
    await until_waiting(admin, 1)
    twin = asyncio.create_task(shop.post("/v1/sales", body, key="twin"))
    await until_waiting(admin, 2)
    assert not first.done()
    assert not twin.done()
    await hold.rollback()
    one, other = await first, await twin
    assert (one.status_code, other.status_code) == (201, 201)
    assert one.content == other.content
    assert [answer.headers.get("idempotency-replayed") for answer in (one, other)] == [None, "true"]
    stock = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert stock[0]["quantity"] == "9.000"


@pytest.mark.parametrize("path", ["/v1/sales", "/v1/inventory/adjustments"])
async def test_a_twin_of_a_request_that_takes_too_long_is_told_to_come_again(
    shop: Shop, holder: Admin, path: str
) -> None:
    product, session = await shop.product(stock="10"), await shop.open_drawer()
    body = ticket(session, product["id"])
    if path != "/v1/sales":
        body = {"reason": "found", "lines": [{"productId": product["id"], "quantity": "1"}]}
    key = uuid4().hex
    hold = holder.transaction()
    await hold.start()
    await holder.execute(
        "INSERT INTO idempotency (tenant_id, user_id, key, body_hash) VALUES ($1, $2, $3, '')",
        UUID(shop.tenant_id),
        UUID(shop.user["id"]),
        key,
    )
    twin = await shop.post(path, body, key=key)
    assert twin.status_code == 409, twin.text
    assert twin.headers["retry-after"] == "1"
    await hold.rollback()
    again = await shop.post(path, body, key=key)
    assert again.status_code == 201, again.text


async def test_a_request_that_fails_after_its_claim_leaves_the_key_free(shop: Shop, database: Database) -> None:
    product, session = await shop.product(stock="1"), await shop.open_drawer()
    body = ticket(session, product["id"]) | {"lines": [{"productId": product["id"], "quantity": "2"}]}
    body |= {"payments": [{"method": "cash", "amount": "23800"}]}
    refused = await shop.post("/v1/sales", body, key="again")
    assert refused.status_code == 422
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await work.session.scalar(text("SELECT count(*) FROM idempotency WHERE key = 'again'")) == 0
    await shop.stock(product["id"], "5")
    sold = await shop.post("/v1/sales", body, key="again")
    assert sold.status_code == 201
    assert "idempotency-replayed" not in sold.headers


async def test_a_shop_sells_while_redis_is_away(environ: dict[str, str]) -> None:
    away = read_settings(environ | {"REDIS_URL": "redis://127.0.0.1:1/0"})
    app = create_litestar(away)
    async with app.lifespan():
        transport = httpx.ASGITransport(app=dressed(app, away))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
            shop = await sign_up(http)
            product, session = await shop.product(stock="5"), await shop.open_drawer()
            for number in (1, 2, 3):
                sold = await shop.post("/v1/sales", ticket(session, product["id"]))
                assert (sold.status_code, sold.json()["sequence"]) == (201, number)
                assert "ratelimit-remaining" in sold.headers
            health = await http.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")


async def test_the_limit_holds_in_the_process_while_redis_is_away(environ: dict[str, str]) -> None:
    strict = read_settings(
        environ | {"REDIS_URL": "redis://127.0.0.1:1/0", "RATE_LIMIT_PER_MINUTE": "60", "RATE_LIMIT_BURST": "5"}
    )
    app = create_litestar(strict)
    async with app.lifespan():
        transport = httpx.ASGITransport(app=dressed(app, strict))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
            shop = await sign_up(http)
            answers = [await shop.get("/v1/me") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200
    assert refused, "the local limit never held"
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert refused[0].json()["code"] == "too-many-requests"
