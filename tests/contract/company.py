"""A company with one of everything, made through the API: what contract tests call routes with."""

from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.db.session import Database
from app.domain.tenants.plans import change_plan
from app.lib import clock
from tests.shop import Shop, sign_up

IMPORT = "sku;nombre;precio;existencia;costo\n{sku};Producto importado;11900;5;1000\n"
CSV = "text/csv"


def picture(width: int = 40, height: int = 20, kind: str = "PNG") -> bytes:
    """An image, plain red."""
    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Company:
    """`ids` names one resource of each kind; nothing of it is shared with another company."""

    shop: Shop
    database: Database
    ids: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Texts that only this company wrote."""

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

    async def sale(self, session_id: str | None = None, **body: Any) -> dict[str, Any]:
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
        )
        assert sold.status_code == 201, sold.text
        open_ones = (await self.shop.get("/v1/inventory/conflicts", limit=200)).json()["items"]
        return next(str(row["id"]) for row in open_ones if row["saleId"] == sold.json()["id"])

    async def imported(self) -> str:
        answer = await self.shop.http.post(
            "/v1/imports/products",
            content=IMPORT.format(sku=uuid4().hex[:10]).encode(),
            headers=self.shop.headers | {"Idempotency-Key": uuid4().hex, "Content-Type": CSV},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

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
        return self


async def new_company(http: httpx.AsyncClient, database: Database) -> Company:
    name = f"Empresa {uuid4().hex[:10]}"
    return await Company(await sign_up(http, name), database, names=[name]).fill()
