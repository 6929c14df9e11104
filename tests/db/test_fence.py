"""The fence between companies under load: mixed transactions on few connections, and nobody sees the neighbour."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from app.db.lane import Lane
from app.db.quick import Question, Quick
from app.db.session import _PIN, Database
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import Settings
from tests.db.catalogue import APPEND_ONLY, EDITABLE, OF_PEOPLE
from tests.shop import Shop, sign_up

TENANT_TABLES = sorted((*APPEND_ONLY, *EDITABLE))
CONNECTIONS = 5
SHOPS = 8
AT_ONCE = 20
_WHOSE = Question("SELECT DISTINCT tenant_id FROM product")


class BrokenOnPurposeError(Exception):
    pass


@dataclass
class Load:
    """Random transactions of several companies over five connections, and what each saw."""

    database: Database
    lane: Lane
    quick: Quick
    tenants: list[UUID]
    random: random.Random
    foreign: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    own: Counter[UUID] = field(default_factory=Counter)
    written: Counter[UUID] = field(default_factory=Counter)

    async def run(self, transactions: int) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        kinds = (
            self.read,
            self.write,
            self.roll_back,
            self.fail,
            self.write_elsewhere,
            self.unpinned,
            self.by_lane,
            self.by_question,
        )

        async def one(number: int) -> None:
            kind = kinds[number % len(kinds)]
            async with turn:
                await kind(self.random.choice(self.tenants))
            self.done[kind.__name__] += 1

        await asyncio.gather(*(one(number) for number in range(transactions)))

    async def look(self, session: Any, tenant_id: UUID | None) -> None:
        """Read two tables whole, with no condition at all."""
        for table in (self.random.choice(TENANT_TABLES), "product"):
            rows = await session.execute(text(f"SELECT tenant_id, count(*) FROM {table} GROUP BY tenant_id"))
            for found, count in rows:
                if found != tenant_id:
                    self.foreign.append(f"{table}: {count} of {found} seen by {tenant_id}")
                else:
                    self.own[found] += count

    async def insert(self, session: Any, tenant_id: UUID) -> None:
        await session.execute(
            text(
                "INSERT INTO held_ticket (tenant_id, id, register_id, label, ticket, user_id) "
                "SELECT :t, :id, id, 'x', '{}', :id FROM cash_register LIMIT 1"
            ),
            {"t": tenant_id, "id": uuid7()},
        )

    async def read(self, tenant_id: UUID) -> None:
        async with self.database.job_transaction(tenant_id) as work:
            await self.look(work.session, tenant_id)

    async def write(self, tenant_id: UUID) -> None:
        async with self.database.job_transaction(tenant_id) as work:
            await self.insert(work.session, tenant_id)
            await self.look(work.session, tenant_id)
        self.written[tenant_id] += 1

    async def roll_back(self, tenant_id: UUID) -> None:
        async def block() -> None:
            async with self.database.job_transaction(tenant_id) as work:
                await self.insert(work.session, tenant_id)
                await self.look(work.session, tenant_id)
                raise BrokenOnPurposeError

        assert isinstance(await error_of(block()), BrokenOnPurposeError)

    async def fail(self, tenant_id: UUID) -> None:
        async def block() -> None:
            async with self.database.job_transaction(tenant_id) as work:
                await self.look(work.session, tenant_id)
                await work.session.execute(text("SELECT 1 / 0"))

        assert "division by zero" in str(await error_of(block()))

    async def write_elsewhere(self, tenant_id: UUID) -> None:
        stranger = self.random.choice([other for other in self.tenants if other != tenant_id])

        async def block() -> None:
            async with self.database.job_transaction(tenant_id) as work:
                changed = await work.session.execute(
                    text("UPDATE product SET name = 'mine now' WHERE tenant_id = :t"), {"t": stranger}
                )
                if changed.rowcount:  # type: ignore[attr-defined]
                    self.foreign.append(f"{tenant_id} changed {stranger}")
                await self.insert(work.session, stranger)

        assert await error_of(block()) is not None

    async def unpinned(self, _tenant_id: UUID) -> None:
        """Right after others used the connection: nothing of them is left on it."""
        async with self.database.engine.begin() as connection:
            await self.look(connection, None)

    async def by_lane(self, tenant_id: UUID) -> None:
        async with self.lane.transaction(tenant_id, tenant_id) as connection:
            for row in await connection.fetch("SELECT DISTINCT tenant_id FROM product"):
                if row["tenant_id"] != tenant_id:
                    self.foreign.append(f"lane: {row['tenant_id']} seen by {tenant_id}")

    async def by_question(self, tenant_id: UUID) -> None:
        for row in await self.quick.ask(_WHOSE, tenant_id, tenant_id):
            if row["tenant_id"] != tenant_id:
                self.foreign.append(f"question: {row['tenant_id']} seen by {tenant_id}")


async def error_of(block: Awaitable[None]) -> Exception | None:
    try:
        await block
    except (DBAPIError, BrokenOnPurposeError) as error:
        return error
    return None


async def stocked_shops(http: httpx.AsyncClient) -> list[UUID]:
    shops = [await sign_up(http) for _ in range(SHOPS)]
    for shop in shops:
        await shop.product(stock="3")
    return [UUID(shop.tenant_id) for shop in shops]


async def load_of(tenants: list[UUID], settings: Settings, transactions: int) -> Load:
    small = msgspec.structs.replace(settings, pool_size=CONNECTIONS, lane_size=CONNECTIONS)
    redis = connect_redis(small)
    database, lane, quick = Database(small, Bell(redis)), Lane(small), Quick(small)
    load = Load(database, lane, quick, tenants, random.Random(20_261_124))
    try:
        await load.run(transactions)
    finally:
        await lane.close()
        await quick.close()
        await database.close()
        await redis.aclose()
    return load


async def check_fence(http: httpx.AsyncClient, settings: Settings, database: Database, transactions: int) -> None:
    load = await load_of(await stocked_shops(http), settings, transactions)
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(load.done.items()))
    print(
        f"fence: {transactions} transactions on {CONNECTIONS} connections ({counts}); foreign rows: {len(load.foreign)}"
    )
    assert load.foreign == []
    assert sum(load.done.values()) == transactions
    assert set(load.own) == set(load.tenants), "every company saw its own rows"
    for tenant_id in load.tenants:
        async with database.job_transaction(tenant_id) as work:
            assert await work.session.scalar(text("SELECT count(*) FROM held_ticket")) == load.written[tenant_id]


async def test_mixed_transactions_on_five_connections_see_no_foreign_row(
    http: httpx.AsyncClient, settings: Settings, database: Database
) -> None:
    await check_fence(http, settings, database, 420)


@pytest.mark.proof
async def test_four_thousand_mixed_transactions_see_no_foreign_row(
    http: httpx.AsyncClient, settings: Settings, database: Database
) -> None:
    await check_fence(http, settings, database, 4_000)


async def test_the_load_finds_a_pin_that_outlives_its_transaction(
    http: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof can fail: with one word changed in the pin, connections carry companies over to their next user."""
    tenants = await stocked_shops(http)
    monkeypatch.setattr("app.db.session._PIN", text(str(_PIN).replace("true", "false")))
    load = await load_of(tenants, settings, 210)
    assert load.foreign != []


async def test_without_a_company_nothing_is_found(shop: Shop, database: Database) -> None:
    await shop.product()
    async with database.person_transaction() as work:
        for table in TENANT_TABLES:
            assert await work.session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


async def test_after_a_commit_the_connection_belongs_to_nobody(shop: Shop, database: Database) -> None:
    """The setting reads as an empty text then, not as absent: the fence must take both for nobody."""
    await shop.product()
    async with database.engine.connect() as connection:
        for _ in range(2):
            async with connection.begin():
                await connection.execute(text("SELECT set_config('app.tenant_id', :t, true)"), {"t": shop.tenant_id})
                assert await connection.scalar(text("SELECT count(*) FROM product")) == 1
            async with connection.begin():
                assert await connection.scalar(text("SELECT current_setting('app.tenant_id', true)")) == ""
                assert await connection.scalar(text("SELECT count(*) FROM product")) == 0


async def test_without_a_company_nothing_is_written(shop: Shop, database: Database) -> None:
    await shop.product()
    async with database.person_transaction() as work:
        changed = await work.session.execute(text("UPDATE product SET name = 'nobody''s'"))
        assert changed.rowcount == 0  # type: ignore[attr-defined]

    async def block() -> None:
        async with database.person_transaction() as work:
            await work.session.execute(
                text("INSERT INTO branch (tenant_id, id, code, name) VALUES (:t, :id, '9', 'x')"),
                {"t": shop.tenant_id, "id": uuid7()},
            )

    assert "row-level security" in str(await error_of(block()))


@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}"], ids=["update", "delete"]
)
async def test_what_is_written_for_good_can_be_neither_changed_nor_deleted(
    shop: Shop, database: Database, statement: str
) -> None:
    async def block(table: str) -> None:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await work.session.execute(text(statement.format(table)))

    for table in APPEND_ONLY:
        assert "permission denied" in str(await error_of(block(table))), table


async def test_a_person_sees_only_their_own_account_and_sessions(
    shop: Shop, other_shop: Shop, database: Database
) -> None:
    async with database.person_transaction(user_id=UUID(shop.user["id"])) as work:
        assert (await work.session.scalars(text("SELECT id FROM app_user"))).all() == [UUID(shop.user["id"])]
        assert (await work.session.scalars(text("SELECT tenant_id FROM membership"))).all() == [UUID(shop.tenant_id)]
        assert (await work.session.scalars(text("SELECT id FROM provider_user"))).all() == []
        for table in set(OF_PEOPLE) - {"app_user", "provider_user"}:
            people = set(await work.session.scalars(text(f"SELECT user_id FROM {table}")))
            assert people <= {UUID(shop.user["id"])}, table
    async with database.person_transaction(login_email=other_shop.email) as work:
        assert (await work.session.scalars(text("SELECT id FROM app_user"))).all() == [UUID(other_shop.user["id"])]
