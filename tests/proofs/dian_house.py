"""A house whose clock runs as a proof wants: API in this process, worker and DIAN in processes of their own."""

import asyncio
import base64
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from app.asgi import create_litestar, dressed
from app.db.session import Database
from app.dev.redis import EmbeddedRedis
from app.domain.invoicing.model import BOGOTA
from app.domain.tenants.plans import switch_module
from app.lib.clock import follow_clock_file
from app.settings import Settings, read_settings
from tests.dian import DianProcess
from tests.shop import Shop, sign_up
from tests.worker.house import drop_database, make_database

ROOT = Path(__file__).parents[2]


class MovedClock:
    """The clock file that API, worker and DIAN follow; they look every quarter of a second."""

    def __init__(self, file: Path, begin: datetime) -> None:
        self.file = file
        self._offset = begin - datetime.now(UTC)
        self._write()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    async def forward(self, by: timedelta) -> None:
        """Jump, and wait until everybody has looked."""
        self._offset += by
        self._write()
        await asyncio.sleep(0.3)

    async def run(self, pace: float) -> None:
        """Let it run `pace` times as fast as real time, until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.1)
            passed, last = time.monotonic() - last, time.monotonic()
            self._offset += timedelta(seconds=passed * (pace - 1))
            self._write()

    def _write(self) -> None:
        unfinished = self.file.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode({"offset_seconds": self._offset.total_seconds()}))
        unfinished.rename(self.file)


def at_bogota(hour: int) -> datetime:
    """The next such hour there that is more than an hour away."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    found = datetime.combine(soon.astimezone(BOGOTA).date(), time_of_day(hour), BOGOTA)
    return (found if found > soon else found + timedelta(days=1)).astimezone(UTC)


class WorkerProcess:
    """The real worker in a process that may be killed."""

    def __init__(self, environ: dict[str, str], folder: Path, patience: float, clock: Path) -> None:
        self._settings = folder / "worker.json"
        self._settings.write_bytes(msgspec.json.encode(environ))
        self._arguments = (str(self._settings), str(patience), str(clock))
        self.log = folder / "worker.log"
        self.kills = 0
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.proofs.transmitter", *self._arguments),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        assert self.is_alive, self.log.read_text()[-2000:]
        self._process.kill()
        await self._process.wait()
        self.kills += 1

    async def stop(self) -> None:
        if self._process is not None and self.is_alive:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()


class DianHouse:
    """Everything of one installation that issues."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        database: Database,
        admin: asyncpg.Connection,
        dian: DianProcess,
        clock: MovedClock,
        worker: WorkerProcess,
    ) -> None:
        self.settings = settings
        self.http = http
        self.database = database
        self.admin = admin
        self.dian = dian
        self.clock = clock
        self.worker = worker

    async def issuer(self, **settings: Any) -> "Issuer":
        """A company that is set up and enabled."""
        made = Issuer(self, await sign_up(self.http))
        await made.set_up(**settings)
        return made

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        return list(await self.admin.fetch(statement, *values))

    async def value(self, statement: str, *values: Any) -> Any:
        """The only value of the only row."""
        row = await self.admin.fetchrow(statement, *values)
        assert row is not None
        return row[0]

    async def waiting(self) -> int:
        """Jobs about documents that are due, offered or under way."""
        return int(
            await self.value(
                "SELECT count(*) FROM outbox WHERE kind LIKE 'invoicing.%' AND (status IN ('queued','running') "
                "OR status = 'pending' AND due_at <= $1)",
                self.clock.now(),
            )
        )

    async def idle(self, seconds: float = 900) -> None:
        """Wait until the worker has done what is due now."""
        async with asyncio.timeout(seconds):
            while await self.waiting():
                assert self.worker.is_alive, self.worker.log.read_text()[-2000:]
                await asyncio.sleep(0.03)


class Issuer:
    """A company of the house, known to DIAN."""

    def __init__(self, house: DianHouse, shop: Shop) -> None:
        self.house = house
        self.shop = shop
        self.tenant_id = UUID(shop.tenant_id)
        self.nit = str(shop.tenant["nit"])
        self.session_id = ""
        self._logged_in_at = house.clock.now()

    async def set_up(self, **settings: Any) -> None:
        """Module, company, program, certificate, numbering, drawer."""
        shop, house = self.shop, self.house
        async with house.database.job_transaction(self.tenant_id) as work:
            await switch_module(work, "invoicing", is_on=True, reason="a proof issues")
        told = await shop.patch("/v1/company", {"address": "Calle 10 # 20 - 30", "email": "caja@tienda.test"})
        told.raise_for_status()
        taxpayer = await asyncio.to_thread(
            house.dian.desk.enrol, self.nit, shop.tenant["name"], mail="caja@tienda.test"
        )
        wanted = {"environment": "habilitation", "softwareId": taxpayer.software_id, "softwarePin": taxpayer.pin}
        wanted |= settings
        await self.put("/v1/dian/settings", wanted | {"isEnabled": False})
        file = base64.b64encode(taxpayer.p12).decode()
        await self.put("/v1/dian/certificate", {"file": file, "password": taxpayer.password})
        for kind in ("01", "03", "05", "20"):
            numbers = taxpayer.numbering(kind)
            made = await shop.post(
                "/v1/dian/ranges",
                {
                    "kind": kind,
                    "prefix": numbers.prefix,
                    "authorization": numbers.authorization,
                    "first": numbers.first,
                    "last": numbers.last,
                    "validFrom": numbers.valid_from,
                    "validTo": numbers.valid_to,
                    "technicalKey": numbers.technical_key or None,
                },
            )
            assert made.status_code == 201, made.text
        await self.put("/v1/dian/settings", wanted | {"isEnabled": True})
        self.session_id = await shop.open_drawer()

    async def put(self, path: str, body: Any) -> None:
        answer = await self.shop.http.put(path, json=body, headers=self.shop.headers)
        assert answer.status_code == 200, answer.text

    async def stay(self) -> None:
        """Keep a token that is good now, wherever the clock has gone."""
        if self.house.clock.now() - self._logged_in_at < timedelta(minutes=8):
            return
        await self.renew()

    async def renew(self) -> None:
        """Log in anew."""
        answer = await self.shop.log_in()
        assert answer.status_code == 200, answer.text
        self.shop.token = answer.json()["accessToken"]
        self._logged_in_at = self.house.clock.now()

    async def documents(self) -> list[Any]:
        """Every document with its state, in the order of issue."""
        return await self.house.rows(
            "SELECT d.id, d.kind AS printed_kind, d.prefix, d.consecutive, d.number, d.uuid AS printed_uuid, d.issued_at, "
            "s.status, s.kind, s.version, s.uuid, s.decided_at, s.message "
            "FROM (SELECT d.*, r.prefix FROM document d JOIN document_range r ON r.tenant_id = d.tenant_id "
            "AND r.id = d.range_id) d JOIN document_state s ON s.tenant_id = d.tenant_id AND s.document_id = d.id "
            "WHERE d.tenant_id = $1 ORDER BY d.issued_at, d.id",
            self.tenant_id,
        )


@asynccontextmanager
async def dian_house(
    environ: dict[str, str], folder: Path, begin: datetime, *, patience: float
) -> AsyncIterator[DianHouse]:
    """A house of its own. `patience`: real seconds of silence that the worker waits, in place of fifty."""
    own, name = await make_database(environ)
    redis = EmbeddedRedis(folder / "redis")
    await redis.start_in_loop()
    clock = MovedClock(folder / "clock.json", begin)
    dian = await asyncio.to_thread(DianProcess, folder / "dian", str(clock.file))
    own |= {"REDIS_URL": redis.url(), "DIAN_URL": dian.desk.url}
    settings = read_settings(own)
    worker = WorkerProcess(own, folder, patience, clock.file)
    follow_clock_file(str(clock.file))
    litestar = create_litestar(settings)
    admin = await asyncpg.connect(own["DATABASE_ADMIN_URL"])
    try:
        async with _alive(litestar):
            transport = httpx.ASGITransport(app=dressed(litestar, settings))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
                yield DianHouse(settings, http, litestar.state.database, admin, dian, clock, worker)
    finally:
        await worker.stop()
        follow_clock_file(None)
        await admin.close()
        await asyncio.to_thread(dian.close)
        await redis.stop_in_loop()
        await asyncio.to_thread(redis.remove)
        await drop_database(environ, name)


@asynccontextmanager
async def _alive(litestar: Any) -> AsyncIterator[None]:
    """The application between start and end, entered and left by one task."""
    started, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with litestar.lifespan():
            started.set()
            await done.wait()

    living = asyncio.create_task(live())
    await asyncio.wait({living, asyncio.ensure_future(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        done.set()
        await living
