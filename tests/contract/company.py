"""A company with one of everything, made through the API: what contract tests call routes with."""

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text, update

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.accounts.sessions import Sessions
from app.domain.alerts.company.models import CompanyAlert
from app.domain.backups.jobs import OfBackup, make_company_backup
from app.domain.billing.collector import payments_of
from app.domain.billing.life import hold
from app.domain.billing.sync import look
from app.domain.invoicing.files import keep_file
from app.domain.invoicing.models import DianTestSet
from app.domain.reports.models import ReportExport
from app.domain.tenants.plans import change_plan
from app.lib import clock
from app.lib.passwords import hash_password
from tests.dian_keys import PASSWORD, p12
from tests.people import Person, hire, invited, with_pin
from tests.shop import Shop, forget_tries, sign_up
from tests.staff import open_access

IMPORT = "sku;nombre;precio;existencia;costo\n{sku};Producto importado;11900;5;1000\n"
CSV = "text/csv"
PIN = "740286"


def picture(width: int = 40, height: int = 20, kind: str = "PNG") -> bytes:
    """An image, plain red."""
    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


async def run_backup(database: Database, tenant_id: str, backup_id: str) -> None:
    """What the worker does."""
    context = JobContext(database=database, tenant_id=UUID(tenant_id), job_id=uuid4(), attempt=1, request_id="")
    await make_company_backup.run(context, OfBackup(UUID(backup_id)))


@dataclass
class Company:
    """`ids` names one resource of each kind; nothing of it is shared with another company."""

    shop: Shop
    database: Database
    ids: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Texts that only this company wrote."""
    password_hash: str = ""

    async def made(self, path: str, body: Any) -> dict[str, Any]:
        answer = await self.shop.post(path, body)
        assert answer.status_code in {200, 201}, f"{path}: {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    async def logo(self) -> None:
        kept = await self.shop.http.put(
            "/v1/company/logo", content=picture(), headers=self.shop.headers | {"Content-Type": "image/png"}
        )
        assert kept.status_code == 200, kept.text

    async def branch(self) -> str:
        """A branch with nothing in it."""
        return str((await self.made("/v1/branches", {"name": f"Sede {uuid4().hex[:6]}"}))["id"])

    async def warehouse(self) -> str:
        """An empty warehouse."""
        body = {"branchId": self.ids["branch"], "name": f"Bodega {uuid4().hex[:6]}"}
        return str((await self.made("/v1/warehouses", body))["id"])

    async def login_session(self) -> str:
        """Another session of the owner, on no device."""
        person = UUID(self.shop.user["id"])
        async with self.database.person_transaction(user_id=person) as work:
            begun = await Sessions(work).begin(person, UUID(self.shop.tenant_id), "192.0.2.1", "otro aparato")
        return str(begun.session_id)

    async def renew_account(self) -> None:
        """Make the owner's account what it was when they signed up, and forget what was tried."""
        person = UUID(self.shop.user["id"])
        self.password_hash = self.password_hash or await hash_password(self.shop.password)
        async with self.database.person_transaction(user_id=person) as work:
            for table in ("password_history", "totp_factor", "recovery_code"):
                await work.session.execute(text(f"DELETE FROM {table} WHERE user_id = :id"), {"id": person})
            await work.session.execute(
                text("UPDATE app_user SET password_hash = :hash, totp_enabled_at = NULL WHERE id = :id"),
                {"id": person, "hash": self.password_hash},
            )
        await forget_tries(self.database.settings)

    async def register(self) -> str:
        """Another till: several drawers may be open at once."""
        body = {"branchId": self.ids["branch"], "warehouseId": self.ids["warehouse"], "name": f"Caja {uuid4().hex[:6]}"}
        return str((await self.made("/v1/cash/registers", body))["id"])

    async def session(self) -> str:
        """An open drawer on a till of its own."""
        opened = await self.made(
            "/v1/cash/sessions", {"registerId": await self.register(), "openingAmount": "500000.00"}
        )
        return str(opened["id"])

    async def product(self, **body: Any) -> dict[str, Any]:
        made = await self.shop.product(stock="1000", **body)
        self.names += [made["sku"], made["name"]]
        return made

    async def sale(self, session_id: str | None = None, document: str = "none", **body: Any) -> dict[str, Any]:
        """A ticket; without electronic document unless said, so that what attacks the company's data does not stop it."""
        body["document"] = document
        lines = [{"productId": self.ids["product"], "quantity": "3"}]
        answer = await self.shop.sell(session_id or self.ids["session"], lines, "40000.00", **body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def customer(self) -> dict[str, Any]:
        number = str(10_000_000 + uuid4().int % 80_000_000)
        self.names.append(f"Cliente {number}")
        return await self.made(
            "/v1/customers", {"identificationType": "13", "identification": number, "name": f"Cliente {number}"}
        )

    async def category(self) -> dict[str, Any]:
        name = f"Categoría {uuid4().hex[:8]}"
        self.names.append(name)
        return await self.made("/v1/categories", {"name": name})

    async def held(self) -> dict[str, Any]:
        return await self.made(
            "/v1/held-tickets",
            {
                "registerId": self.ids["register"],
                "label": f"mesa {uuid4().hex[:8]}",
                "lines": [{"productId": self.ids["product"], "quantity": "1"}],
            },
        )

    async def adjustment(self, quantity: str = "5") -> dict[str, Any]:
        return await self.made(
            "/v1/inventory/adjustments",
            {"reason": "found", "lines": [{"productId": self.ids["product"], "quantity": quantity}]},
        )

    async def transfer(self) -> dict[str, Any]:
        """Goods on their way to the other warehouse."""
        return await self.made(
            "/v1/inventory/transfers",
            {
                "fromWarehouseId": self.ids["warehouse"],
                "toWarehouseId": self.ids["other_warehouse"],
                "lines": [{"productId": self.ids["product"], "quantity": "2"}],
            },
        )

    async def count(self) -> dict[str, Any]:
        """An open count of a product that no other count has."""
        product = await self.product()
        count = await self.made("/v1/inventory/counts", {"productIds": [product["id"]]})
        return count | {"productId": product["id"]}

    async def conflict(self) -> str:
        """Units that an offline till sold beyond the books."""
        product = await self.shop.product(stock="1")
        sold = await self.shop.sell(
            self.ids["session"],
            [{"productId": product["id"], "quantity": "2"}],
            "100000",
            soldAt=(clock.now() - timedelta(hours=1)).isoformat(),
            document="none",
        )
        assert sold.status_code == 201, sold.text
        open_ones = (await self.shop.get("/v1/inventory/conflicts", limit=200)).json()["items"]
        return next(str(row["id"]) for row in open_ones if row["saleId"] == sold.json()["id"])

    async def imported(self) -> str:
        answer = await self.shop.http.post(
            "/v1/imports/products",
            content=IMPORT.format(sku=f"P-{uuid4().hex[:10]}").encode(),
            headers=self.shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": CSV},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def certificate(self) -> dict[str, str]:
        """A .p12 of the company's NIT."""
        return {"file": base64.b64encode(p12(nit=str(self.shop.tenant["nit"]))).decode(), "password": PASSWORD}

    async def issue(self) -> None:
        """Enable the company at DIAN and sell with a document; nothing is sent."""
        told = await self.shop.patch("/v1/company", {"address": "Calle 10 # 5-20"})
        assert told.status_code == 200, told.text
        self.ids["software"] = str(uuid4())
        settings = {
            "environment": "habilitation",
            "isEnabled": False,
            "softwareId": self.ids["software"],
            "softwarePin": "12345",
        }
        headers = self.shop.headers
        for path, body in (("settings", settings), ("certificate", self.certificate())):
            kept = await self.shop.http.put(f"/v1/dian/{path}", json=body, headers=headers)
            assert kept.status_code == 200, kept.text
        for kind, prefix in (("01", "SETP"), ("20", "EPOS")):
            made = await self.made(
                "/v1/dian/ranges",
                {
                    "kind": kind,
                    "prefix": prefix,
                    "authorization": "18760000001",
                    "first": 1,
                    "last": 900_000,
                    "validFrom": "2026-01-01",
                    "validTo": "2027-12-31",
                    "technicalKey": "clave-tecnica",
                },
            )
            self.ids["range"] = made["id"]
        enabled = await self.shop.http.put("/v1/dian/settings", json=settings | {"isEnabled": True}, headers=headers)
        assert enabled.status_code == 200, enabled.text
        sale = await self.sale(document="auto")
        self.ids["documented_sale"], self.ids["document"] = sale["id"], sale["document"]["id"]
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            await keep_file(work, UUID(sale["document"]["id"]), 1, "xml", "fv.xml", b"<Invoice/>")
            await keep_file(work, UUID(sale["document"]["id"]), 1, "attached", "ad.xml", b"<AttachedDocument/>")
        delivered = await self.sale(document="auto")
        self.ids["accepted"] = delivered["document"]["id"]
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            await work.session.execute(
                text("UPDATE document_state SET status = 'accepted' WHERE tenant_id = :t AND document_id = :d"),
                {"t": work.tenant_id, "d": UUID(self.ids["accepted"])},
            )

    async def rejected(self) -> str:
        """A note by hand that DIAN rejected."""
        # Other tests take it away, and nothing is issued without it.
        await self.shop.patch("/v1/company", {"email": "dian@empresa.test"})
        made = await self.made(
            "/v1/dian/documents",
            {
                "kind": "93",
                "correctsId": self.ids["document"],
                "concept": "3",
                "lines": [{"code": "DOM", "description": "Domicilio", "quantity": "1", "unitPrice": "5000.00"}],
            },
        )
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            await work.session.execute(
                text("UPDATE document_state SET status = 'rejected' WHERE tenant_id = :t AND document_id = :d"),
                {"t": work.tenant_id, "d": UUID(made["id"])},
            )
        return str(made["id"])

    async def range_of_paper(self) -> str:
        """A range that no document of the tests uses."""
        made = await self.made(
            "/v1/dian/ranges",
            {
                "kind": "03",
                "prefix": uuid4().hex[:4].upper(),
                "authorization": "18760000003",
                "first": 1,
                "last": 100,
                "validFrom": "2026-01-01",
                "validTo": "2027-12-31",
            },
        )
        return str(made["id"])

    async def contingency(self) -> str:
        """A declared contingency that has ended, so that another may begin."""
        now = clock.now()
        made = await self.made(
            "/v1/dian/contingencies",
            {
                "reason": f"ventana {uuid4().hex[:8]}",
                "startedAt": (now - timedelta(hours=3)).isoformat(),
                "endedAt": (now - timedelta(hours=2)).isoformat(),
            },
        )
        return str(made["id"])

    async def end_test_sets(self) -> None:
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            await work.session.execute(update(DianTestSet).values(status="failed", finished_at=clock.now()))

    async def end_exports(self) -> None:
        """Nothing is in preparation: a few at once is all that a company may have."""
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            await work.session.execute(update(ReportExport).values(status="failed", finished_at=clock.now()))

    async def export(self) -> str:
        await self.end_exports()
        body = {"report": "documents", "format": "csv", "from": "2026-01-01", "to": "2026-01-31"}
        answer = await self.shop.post("/v1/reports/exports", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def schedule(self) -> str:
        await self.drop_schedules()
        body = {"kind": "weekly", "recipients": ["duena@tienda.test"]}
        answer = await self.shop.post("/v1/reports/schedules", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def drop_schedules(self) -> None:
        """Remove all: a company may have only so many."""
        for row in (await self.shop.get("/v1/reports/schedules", limit=200)).json()["items"]:
            await self.shop.delete(f"/v1/reports/schedules/{row['id']}")

    async def member(self, role: str = "cashier") -> Person:
        """Somebody new of the company."""
        name = f"Persona {uuid4().hex[:8]}"
        self.names.append(name)
        return await hire(self.shop, self.database, role, name)

    async def invitation(self) -> dict[str, Any]:
        made = await invited(self.shop)
        self.names.append(made["email"])
        return made

    async def role(self) -> dict[str, Any]:
        name = f"Rol {uuid4().hex[:8]}"
        self.names.append(name)
        body = {"code": f"rol-{uuid4().hex[:8]}", "name": name, "permissions": ["sales:read"]}
        return await self.made("/v1/roles", body)

    async def approval(self) -> str:
        """Of a void, given by the owner to somebody of the company."""
        body = {"kind": "void", "subject": {"saleId": self.ids["sale"]}, "requestedBy": self.ids["member"]}
        return str((await self.made("/v1/approvals", body))["id"])

    async def key(self, *scopes: str) -> dict[str, Any]:
        name = f"Llave {uuid4().hex[:8]}"
        self.names.append(name)
        return await self.made("/v1/api-keys", {"name": name, "scopes": list(scopes or ("sales:read",))})

    async def subscribe(self) -> None:
        """A paid subscription of the biggest plan; nothing to do if there is one."""
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            row, _tenant = await hold(work)
            if row.provider_id is not None:
                return
            customer = row.customer_id
        payments = payments_of(self.database)
        assert payments is not None
        if customer is None or not (await payments.read_account(customer)).subscriptions:
            page = await self.shop.post("/v1/billing/checkout-session", {"plan": "enterprise", "interval": "month"})
            assert page.status_code == 200, page.text
            async with httpx.AsyncClient(trust_env=False) as browser:
                await browser.post(page.json()["url"], data={"card": "ok"})
        context = JobContext(
            database=self.database, tenant_id=UUID(self.shop.tenant_id), job_id=uuid4(), attempt=1, request_id=""
        )
        await look(context, payments)

    async def unsubscribe(self) -> None:
        """Nobody here knows of a subscription."""
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            row, _tenant = await hold(work)
            row.provider_id = row.checkout_id = None
            row.scheduled_plan = row.scheduled_version = row.scheduled_interval = row.scheduled_for = None

    async def rest(self) -> None:
        """Nothing of a backup is on its way."""
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            for table in ("company_backup", "company_restore"):
                sql = f"UPDATE {table} SET status = 'failed' WHERE tenant_id = :t AND status = 'running'"
                await work.session.execute(text(sql), {"t": UUID(self.shop.tenant_id)})

    async def backup(self) -> str:
        """A good one."""
        await self.rest()
        asked = await self.shop.post("/v1/backups", {"kind": "export"})
        assert asked.status_code == 202, asked.text
        backup_id = str(asked.json()["id"])
        await run_backup(self.database, self.shop.tenant_id, backup_id)
        return backup_id

    async def restore(self) -> str:
        """The trial of one, asked for."""
        await self.rest()
        asked = await self.shop.post(f"/v1/backups/{self.ids['backup']}/restore", {"dryRun": True})
        assert asked.status_code == 202, asked.text
        return str(asked.json()["id"])

    async def endpoint(self) -> dict[str, Any]:
        """Where webhooks would go; nobody sends them here."""
        name = f"Destino {uuid4().hex[:8]}"
        self.names.append(name)
        body = {"url": "https://sistema.example.com/avisos", "events": ["product.changed"], "description": name}
        return await self.made("/v1/webhooks/endpoints", body)

    async def alert(self) -> str:
        """An open alert, as a look at the shop would have written it."""
        name, now = f"Agotado {uuid4().hex[:8]}", clock.now()
        self.names.append(name)
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            row = CompanyAlert(
                tenant_id=work.tenant_id,
                kind="stock-out",
                severity="warning",
                title="Hay productos agotados",
                detail=name,
                items=[],
                item_count=0,
                opened_at=now,
                last_seen_at=now,
            )
            work.session.add(row)
            await work.flush()
        return str(row.id)

    async def photo(self, product_id: str) -> str:
        """Of a product."""
        headers = self.shop.headers | {"Content-Type": "image/png"}
        path = f"/v1/products/{product_id}/photos"
        answer = await self.shop.http.post(path, content=picture(), headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def own_photo(self) -> None:
        """Of the owner."""
        headers = self.shop.headers | {"Content-Type": "image/png"}
        answer = await self.shop.http.put("/v1/me/photo", content=picture(), headers=headers)
        assert answer.status_code == 200, answer.text

    async def ticket(self) -> dict[str, Any]:
        """An open case of support; earlier ones are closed, as a company may have only so many."""
        await self.close_tickets()
        subject = f"Caso {uuid4().hex[:8]}"
        self.names.append(subject)
        body = {"subject": subject, "category": "other", "body": "No abre."}
        return await self.made("/v1/support-tickets", body)

    async def close_tickets(self) -> None:
        for row in (await self.shop.get("/v1/support-tickets", status="open", limit=200)).json()["items"]:
            if row["id"] != self.ids.get("ticket"):
                await self.shop.post(f"/v1/support-tickets/{row['id']}/close")

    async def drop_endpoints(self) -> None:
        """Remove all but the first endpoint: a company may have only so many."""
        for row in (await self.shop.get("/v1/webhooks/endpoints", limit=200)).json()["items"]:
            if row["id"] != self.ids["endpoint"]:
                await self.shop.delete(f"/v1/webhooks/endpoints/{row['id']}")

    async def fill(self) -> "Company":
        ids = self.ids
        async with self.database.job_transaction(UUID(self.shop.tenant_id)) as work:
            await change_plan(work, "enterprise", "a test has hundreds of everything")
        await self.logo()
        place = (await self.shop.get("/v1/company")).json()
        ids["tenant"], ids["user"] = self.shop.tenant_id, self.shop.user["id"]
        ids["branch"], ids["warehouse"] = place["branches"][0]["id"], place["warehouses"][0]["id"]
        ids["register"] = place["registers"][0]["id"]
        ids["session"] = await self.shop.open_drawer("500000")
        ids["other_session"] = await self.session()
        ids["category"] = (await self.category())["id"]
        ids["product"] = (await self.product())["id"]
        ids["customer"] = (await self.customer())["id"]
        ids["other_customer"] = (await self.customer())["id"]
        sale = await self.sale(customerId=ids["customer"])
        ids["sale"], ids["sale_line"] = sale["id"], sale["lines"][0]["id"]
        self.names.append(sale["lines"][0]["name"])
        back = await self.made(
            "/v1/returns",
            {
                "saleId": sale["id"],
                "lines": [{"saleLineId": ids["sale_line"], "quantity": "1"}],
                "refunds": [{"method": "cash", "amount": "11900.00"}],
                "reason": "no le gustó",
            },
        )
        ids["return"] = back["id"]
        ids["held"] = (await self.held())["id"]
        ids["adjustment"] = (await self.adjustment())["id"]
        ids["conflict"] = await self.conflict()
        ids["other_warehouse"] = await self.warehouse()
        ids["transfer"] = (await self.transfer())["id"]
        ids["count"] = (await self.count())["id"]
        moved = await self.made(
            f"/v1/cash/sessions/{ids['session']}/movements",
            {"kind": "in", "amount": "1000", "reason": f"base {uuid4().hex[:8]}"},
        )
        ids["movement"] = moved["id"]
        ids["import"] = await self.imported()
        await self.issue()
        ids["contingency"] = await self.contingency()
        ids["login_session"] = await self.login_session()
        ids["member"] = (await self.member()).id
        ids["operator"] = (await with_pin(await self.member("admin"), PIN)).id
        ids["invitation"] = (await self.invitation())["id"]
        ids["role"] = (await self.role())["id"]
        ids["approval"] = await self.approval()
        ids["key"] = (await self.key())["id"]
        ids["backup"] = await self.backup()
        ids["restore"] = await self.restore()
        ids["support_access"] = str(await open_access(self.database, self.shop.tenant_id))
        ids["endpoint"] = (await self.endpoint())["id"]
        tested = await self.shop.post(f"/v1/webhooks/endpoints/{ids['endpoint']}/test")
        assert tested.status_code == 202, tested.text
        ids["delivery"] = tested.json()["id"]
        ids["photo"] = await self.photo(ids["product"])
        ids["ticket"] = (await self.ticket())["id"]
        await self.own_photo()
        ids["export"] = await self.export()
        ids["alert"] = await self.alert()
        ids["schedule"] = await self.schedule()
        return self


async def new_company(http: httpx.AsyncClient, database: Database) -> Company:
    name = f"Empresa {uuid4().hex[:10]}"
    return await Company(await sign_up(http, name), database, names=[name]).fill()
