"""A database of its own with the API and workers on it: what fills samples touches nobody else's jobs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from app.asgi import create_litestar, dressed
from app.dev.redis import EmbeddedRedis
from tests.shop import Shop
from tests.worker.house import FAST, House, drop_database, eventually, make_database

PATIENT = msgspec.structs.replace(FAST, longest_job={"short": 60, "long": 3600})
"""As fast as the other tests' workers, but a filling is not given up after three seconds."""


class Estate:
    """People with samples, seen over HTTP and past every fence."""

    def __init__(self, house: House, http: httpx.AsyncClient) -> None:
        self.house = house
        self.http = http

    async def status(self, shop: Shop) -> str:
        answer = await shop.get("/v1/demo")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    async def until_ready(self, shop: Shop) -> dict[str, Any]:
        async def ready() -> bool:
            status = await self.status(shop)
            assert status != "failed", await self.last_error()
            return status == "ready"

        await eventually(ready, 60)
        found: dict[str, Any] = (await shop.get("/v1/demo")).json()
        return found

    async def until_days(self, tenant_id: str, days: int) -> None:
        async def begun() -> bool:
            return await self.days(tenant_id) >= days

        await eventually(begun, 120)

    async def days(self, tenant_id: str) -> int:
        return int(
            await self.house.admin.fetchval("SELECT days_begun FROM sample_company WHERE tenant_id = $1", tenant_id)
        )

    async def job(self, tenant_id: str) -> Any:
        return await self.house.admin.fetchrow(
            "SELECT * FROM outbox WHERE tenant_id = $1 AND kind = 'sample.fill'", tenant_id
        )

    async def until_done(self, tenant_id: str) -> None:
        async def done() -> bool:
            return bool((await self.job(tenant_id))["status"] == "done")

        await eventually(done, 60)

    async def lose_worker(self, tenant_id: str) -> None:
        """As after the hour that a silent worker's job counts as its own, here and in Redis."""
        await self.house.client.flushdb()
        await self.house.admin.execute("UPDATE outbox SET due_at = now() WHERE tenant_id = $1", tenant_id)

    async def last_error(self) -> str:
        """What a filling said that was given up."""
        return str(
            await self.house.admin.fetchval(
                "SELECT last_error FROM outbox WHERE kind = 'sample.fill' AND status = 'dead'"
            )
        )

    async def sales(self, tenant_id: str) -> int:
        return int(await self.house.admin.fetchval("SELECT count(*) FROM sale WHERE tenant_id = $1", tenant_id))

    async def switched(self, shop: Shop, tenant_id: str) -> Shop:
        """The same person in their sample."""
        answer = await self.http.post("/v1/auth/switch", json={"tenantId": tenant_id}, headers=shop.headers)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        return Shop(
            self.http,
            said["accessToken"],
            said["tenant"],
            said["user"],
            said["refreshToken"],
            shop.email,
            shop.password,
        )


@asynccontextmanager
async def open_estate(environ: dict[str, str], folder: Path) -> AsyncIterator[Estate]:
    own, name = await make_database(environ)
    redis = EmbeddedRedis(folder / "redis")
    await redis.start_in_loop()
    house = House(own | {"REDIS_URL": redis.url()}, redis)
    await house.open()
    app = create_litestar(house.settings)
    started, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        # One task enters and leaves, as in tests/conftest.py.
        async with app.lifespan():
            started.set()
            await done.wait()

    living = asyncio.create_task(live())
    await asyncio.wait({living, asyncio.ensure_future(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    transport = httpx.ASGITransport(app=dressed(app, house.settings))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
        yield Estate(house, http)
    done.set()
    await living
    await house.close()
    await redis.stop_in_loop()
    await asyncio.to_thread(redis.remove)
    await drop_database(environ, name)
