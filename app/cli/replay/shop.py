"""A shop of its own for one replay, signed up and run through public routes alone."""

import asyncio
import csv
import io
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from uuid_utils.compat import uuid7

from app.cli.replay.plan import Plan, Product
from app.cli.replay.wire import Answer, Unreachable, Wire
from app.lib.money import as_price, cents, times
from app.lib.nit import check_digit
from app.lib.schemas import JSON

_PATIENCE_SECONDS: Final = 180.0
"""How long one request is repeated before the replay gives up: servers that were killed come back."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_RENEW_AT: Final = 0.7
"""Part of an access token's life after which it is renewed."""
_COST_SHARE: Final = Decimal("0.60")
_IMPORT_LINES: Final = 5_000
_AGAIN: Final = frozenset({429, 502, 503, 504})
_PAGE: Final = 200


class Failed(Exception):
    """The API answered what a replay cannot go on with."""


class Shop:
    """A signed-up company. Requests may be repeated: each write carries its key, and its id where it has one."""

    def __init__(self, url: str, clients: int) -> None:
        self._idle: asyncio.Queue[Wire] = asyncio.Queue()
        for _ in range(clients):
            self._idle.put_nowait(Wire(url))
        self._renewing = asyncio.Lock()
        self._access = ""
        self._refresh = ""
        self._renew_at = 0.0
        self.repeated = 0
        """Requests sent again because the server was away or busy."""
        self.session_id = ""
        self.product_ids: dict[str, str] = {}
        self.customer_ids: dict[str, str] = {}

    async def close(self) -> None:
        while not self._idle.empty():
            await self._idle.get_nowait().close()

    async def set_up(self, plan: Plan) -> AsyncIterator[str]:
        """Sign up, bring products with their stock, customers, and open the drawer; tells each step."""
        await self._sign_up()
        yield "signed a shop up"
        await self._bring_products(list(plan.products.values()))
        yield f"brought {len(self.product_ids)} products with their stock"
        await asyncio.gather(*(self._bring_customer(number) for number in plan.customers))
        yield f"brought {len(self.customer_ids)} customers"
        registers = await self.get("/v1/cash/registers")
        opened = await self.post(
            "/v1/cash/sessions", {"registerId": registers["items"][0]["id"], "openingAmount": "0"}, key=uuid7().hex
        )
        self.session_id = opened["id"]
        yield "opened the drawer"

    async def get(self, path: str) -> Any:
        return (await self._good("GET", path)).json()

    async def post(self, path: str, body: Any, *, key: str) -> Any:
        return (await self._good("POST", path, JSON.encode(body), {"Idempotency-Key": key})).json()

    async def _sign_up(self) -> None:
        nit = str(900_000_000 + secrets.randbelow(99_999_999))
        body = {
            "company": {"name": "Tienda de ventas reales", "nit": f"{nit}-{check_digit(nit)}"},
            "owner": {
                "name": "Replay",
                "email": f"replay-{uuid7().hex}@mostrador.test",
                "password": secrets.token_urlsafe(24),
            },
        }
        self._keep(await self._good("POST", "/v1/auth/signup", JSON.encode(body), signed=False))

    async def _bring_products(self, products: list[Product]) -> None:
        for start in range(0, len(products), _IMPORT_LINES):
            table = _table(products[start : start + _IMPORT_LINES])
            query = urlencode({"fileName": "ventas reales.csv", "decimal": "point"})
            headers = {"Idempotency-Key": uuid7().hex, "Content-Type": "text/csv; charset=utf-8"}
            await self._good("POST", f"/v1/imports/products?{query}", table, headers)
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(f"/v1/products?limit={_PAGE}" + (f"&cursor={quote(cursor)}" if cursor else ""))
            self.product_ids |= {product["sku"]: product["id"] for product in page["items"]}
            cursor = page["nextCursor"]
        if missing := {product.code for product in products} - self.product_ids.keys():
            raise Failed(f"the catalogue lacks {len(missing)} of the imported products")

    async def _bring_customer(self, number: str) -> None:
        body = {"identificationType": "13", "identification": number, "name": f"Cliente {number}", "id": str(uuid7())}
        self.customer_ids[number] = (await self.post("/v1/customers", body, key=uuid7().hex))["id"]

    async def _good(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> Answer:
        """The answer to a request that must succeed. Raises `Failed`."""
        answer = await self.ask(method, path, body, headers, signed=signed)
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            raise Failed(f"{method} {path.partition('?')[0]} answered {answer.status}: {answer.body.decode()[:500]}")
        return answer

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> Answer:
        """Send until an answer comes that is not «later». Raises `Failed` after three minutes without one."""
        headers = {"Content-Type": "application/json"} | (headers or {})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = _FIRST_PAUSE
        while True:
            if signed:
                headers["Authorization"] = f"Bearer {await self._token()}"
            try:
                async with self._wire() as wire:
                    answer = await wire.send(method, path, headers, body)
                reason = f"{answer.status}: {answer.body.decode(errors='replace')[:300]}"
                if not self._is_later(answer, signed=signed):
                    return answer
            except Unreachable as error:
                reason = str(error)
            if time.monotonic() > deadline:
                raise Failed(
                    f"{method} {path.partition('?')[0]} found no server in {_PATIENCE_SECONDS:.0f} s: {reason}"
                )
            self.repeated += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_later(self, answer: Answer, *, signed: bool) -> bool:
        if answer.status == 401 and signed:  # noqa: PLR2004
            self._renew_at = 0.0
            return True
        return answer.status in _AGAIN or (answer.status == 409 and "retry-after" in answer.headers)  # noqa: PLR2004

    @asynccontextmanager
    async def _wire(self) -> AsyncIterator[Wire]:
        wire = await self._idle.get()
        try:
            yield wire
        finally:
            self._idle.put_nowait(wire)

    async def _token(self) -> str:
        """A token that is good for a while, renewed by one client for all."""
        if time.monotonic() < self._renew_at:
            return self._access
        async with self._renewing:
            if time.monotonic() >= self._renew_at:
                body = JSON.encode({"refreshToken": self._refresh})
                self._keep(await self._good("POST", "/v1/auth/refresh", body, signed=False))
        return self._access

    def _keep(self, answer: Answer) -> None:
        tokens = msgspec.json.decode(answer.body)
        self._access, self._refresh = tokens["accessToken"], tokens["refreshToken"]
        self._renew_at = time.monotonic() + _RENEW_AT * tokens["expiresIn"]


def _table(products: list[Product]) -> bytes:
    """Products and their opening stock as an import file: what the tickets will take, at six tenths of the price."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["sku", "name", "price", "taxClass", "cost", "stock"])
    for product in products:
        cost = cents(times(product.price, _COST_SHARE))
        writer.writerow(
            [
                product.code,
                product.name[:200],
                f"{as_price(product.price):f}",
                "iva19",
                f"{cost:f}",
                f"{product.units:f}",
            ]
        )
    return text.getvalue().encode()
