"""A company that issues, a DIAN on this machine, and the worker's part done step by step."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
from sqlalchemy import text

from app.db.jobs import JobContext
from app.db.session import Database
from app.dev.dian_simulator.registry import Issuer, Range, Software
from app.dev.dian_simulator.server import Simulator
from app.domain.tenants.plans import switch_module
from app.lib import clock
from app.lib.jobs import declared
from tests.dev.dian_simulator.house import TEST_KEY, simulator
from tests.shop import Shop, sign_up
from worker.chores import sweep_documents

PIN = "12345"
PASSWORD = "clave-del-p12"


@contextmanager
def dian(folder: Path) -> Iterator[Simulator]:
    """A simulator whose clock runs with ours."""
    with simulator(folder) as server:
        server.clock.run_from(datetime.now(UTC))
        yield server


class Company:
    """A shop that is enabled at a simulator."""

    def __init__(self, shop: Shop, database: Database, server: Simulator) -> None:
        self.shop = shop
        self.server = server
        self.tenant_id = UUID(shop.tenant_id)
        self.nit = str(shop.tenant["nit"])
        self.software_id = str(uuid4())
        settings = msgspec.structs.replace(database.settings, dian_url=server.url)
        self.database = Database(settings, database.bell)

    async def close(self) -> None:
        await self.database.close()

    async def register_at_dian(self, **changed: Any) -> None:
        """Tell the simulator who this is and what it may use."""
        registry = self.server.service.registry
        tenant = (await self.shop.get("/v1/company")).json()
        registry.issuers.append(Issuer(nit=self.nit, name=tenant["name"]))
        registry.software.append(Software(id=self.software_id, nit=self.nit, pin=PIN))
        for prefix, authorization, key, first, last in (
            ("SETP", "18760000001", TEST_KEY, 990000000, 995000000),
            ("EPOS", "18760000002", "", 1, 5000),
            ("CT", "18760000003", "", 1, 1000),
            ("DS", "18760000004", "", 1, 1000),
        ):
            values: dict[str, Any] = {
                "nit": self.nit,
                "authorization": authorization,
                "prefix": prefix,
                "first": first,
                "last": last,
                "valid_from": date(2019, 1, 19),
                "valid_to": date(2030, 1, 19),
                "technical_key": key,
            }
            registry.ranges.append(Range(**values))

    async def switch_on(self) -> None:
        """Give the company the module."""
        async with self.database.job_transaction(self.tenant_id) as work:
            await switch_module(work, "invoicing", is_on=True, reason="a test issues")

    async def install_certificate(self) -> None:
        made = self.server.service.authority.issue(self.nit, "Tienda de Prueba", PASSWORD, datetime.now(UTC))
        kept = await self.put("/v1/dian/certificate", {"file": base64.b64encode(made).decode(), "password": PASSWORD})
        assert kept.status_code == 200, kept.text

    async def sweep(self) -> None:
        """What the worker does each minute."""
        await sweep_documents(self.database)

    async def set_up(self, *, ranges: bool = True) -> None:
        """Everything that issuing needs, through the API; without ranges it is not enabled."""
        shop = self.shop
        await self.switch_on()
        told = await shop.patch("/v1/company", {"address": "Calle 10 # 20 - 30", "email": "caja@tienda.test"})
        assert told.status_code == 200, told.text
        await self.register_at_dian()
        assert (await self.put("/v1/dian/settings", self.settings(is_enabled=False))).status_code == 200
        await self.install_certificate()
        if not ranges:
            return
        for body in (
            {"kind": "01", "prefix": "SETP", "first": 990000000, "last": 995000000, "technicalKey": TEST_KEY},
            {"kind": "20", "prefix": "EPOS", "first": 1, "last": 5000},
        ):
            await self.add_range(**body)
        enabled = await self.put("/v1/dian/settings", self.settings())
        assert enabled.status_code == 200, enabled.text

    async def add_range(self, **body: Any) -> dict[str, Any]:
        number = {"SETP": "18760000001", "EPOS": "18760000002", "CT": "18760000003", "DS": "18760000004"}
        values = {
            "authorization": number.get(body["prefix"], "18760000009"),
            "validFrom": "2019-01-19",
            "validTo": "2030-01-19",
        }
        made = await self.shop.post("/v1/dian/ranges", values | body)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def settings(self, **changed: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "environment": "habilitation",
            "isEnabled": True,
            "softwareId": self.software_id,
            "softwarePin": PIN,
        }
        return values | {"isEnabled" if key == "is_enabled" else key: value for key, value in changed.items()}

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.shop.http.put(path, json=body, headers=self.shop.headers)

    async def work(self, rounds: int = 40, *, ahead: timedelta = timedelta()) -> int:
        """Run the company's jobs that are due (`ahead`: also those due until then), one after the other, until none is."""
        done = 0
        for _ in range(rounds):
            async with self.database.job_transaction(self.tenant_id) as work:
                rows = (
                    await work.session.execute(
                        text(
                            "SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND status = 'pending' "
                            "AND due_at <= :now AND kind LIKE 'invoicing.%' ORDER BY due_at, id"
                        ),
                        {"t": self.tenant_id, "now": clock.now() + ahead},
                    )
                ).all()
            if not rows:
                break
            for row in rows:
                await self.run_job(row.id, row.kind, row.payload)
                done += 1
        return done

    async def run_job(self, job_id: UUID, kind: str, payload: dict[str, Any]) -> None:
        job = declared()[kind]
        context = JobContext(
            database=self.database, tenant_id=self.tenant_id, job_id=job_id, attempt=1, request_id="test"
        )
        async with self.database.job_transaction(self.tenant_id) as work:
            await work.session.execute(
                text("UPDATE outbox SET status = 'done' WHERE tenant_id = :t AND id = :id"),
                {"t": self.tenant_id, "id": job_id},
            )
        await job.run(context, job.decode(payload))

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.job_transaction(self.tenant_id) as work:
            return list((await work.session.execute(text(statement), {"t": self.tenant_id} | values)).all())

    async def document(self, document_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.shop.get(f"/v1/dian/documents/{document_id}")).json()
        return found


async def new_company(http: httpx.AsyncClient, database: Database, server: Simulator) -> Company:
    """Signed up, set up and enabled."""
    company = Company(await sign_up(http), database, server)
    await company.set_up()
    return company
