"""A shop as tests use it: short words for the calls a client makes."""

import base64
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from app.lib import clock
from app.lib.nit import check_digit
from app.lib.redis import connect_redis
from app.settings import Settings


@dataclass
class Shop:
    """A signed-up company and its owner's token."""

    http: httpx.AsyncClient
    token: str
    tenant: dict[str, Any]
    user: dict[str, Any]
    refresh_token: str
    email: str
    password: str
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def tenant_id(self) -> str:
        return str(self.tenant["id"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params, headers=self.headers)

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> httpx.Response:
        """POST with an idempotency key, a new one unless given."""
        sent = self.headers | {"Idempotency-Key": key or uuid4().hex} | headers
        return await self.http.post(path, json=body if body is not None else {}, headers=sent)

    async def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.patch(path, json=body, headers=self.headers | headers)

    async def delete(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.delete(path, headers=self.headers | headers)

    async def log_in(self, **body: Any) -> httpx.Response:
        return await self.http.post("/v1/auth/login", json={"email": self.email, "password": self.password} | body)

    async def begin_totp(self) -> str:
        """The secret of a second factor that waits for its first code."""
        answer = await self.post("/v1/me/totp", {"currentPassword": self.password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["secret"])

    async def enable_totp(self) -> tuple[str, list[str]]:
        """A second factor: its secret and its recovery codes."""
        secret = await self.begin_totp()
        answer = await self.post("/v1/me/totp/confirm", {"code": code_now(secret)})
        assert answer.status_code == 200, answer.text
        return secret, answer.json()["recoveryCodes"]

    async def product(
        self, *, price: str = "11900.00", stock: str | None = "100", cost: str = "5000", **body: Any
    ) -> dict[str, Any]:
        """A product, with opening stock unless None."""
        sku = uuid4().hex[:10]
        made = await self.post(
            "/v1/products", {"sku": sku, "name": f"Producto {sku}", "price": price, "taxClass": "iva19"} | body
        )
        assert made.status_code == 201, made.text
        product: dict[str, Any] = made.json()
        if stock is not None:
            await self.stock(product["id"], stock, cost)
        return product

    async def stock(self, product_id: str, quantity: str, cost: str = "5000") -> None:
        """Opening stock."""
        answer = await self.post(
            "/v1/inventory/adjustments",
            {"reason": "opening", "lines": [{"productId": product_id, "quantity": quantity, "unitCost": cost}]},
        )
        assert answer.status_code == 201, answer.text

    async def open_drawer(self, amount: str = "100000") -> str:
        """An open session on the company's first register."""
        registers = (await self.get("/v1/cash/registers")).json()["items"]
        answer = await self.post("/v1/cash/sessions", {"registerId": registers[0]["id"], "openingAmount": amount})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def sell(self, session_id: str, lines: list[dict[str, Any]], cash: str, **body: Any) -> httpx.Response:
        """A ticket paid in cash."""
        return await self.post(
            "/v1/sales",
            {"sessionId": session_id, "lines": lines, "payments": [{"method": "cash", "amount": cash}]} | body,
        )


def code_now(secret: str, steps: int = 0) -> str:
    """What an authenticator shows now, or some steps of 30 seconds later."""
    totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)
    return totp.generate(int(clock.now().timestamp()) + 30 * steps).decode()


async def forget_tries(settings: Settings) -> None:
    """Let everybody's tries of passwords and codes begin anew."""
    redis = connect_redis(settings)
    for pattern in ("rate:login*", "rate:totp*", "rate:mail*", "rate:link*", "rate:key*", "login:*"):
        async for key in redis.scan_iter(pattern, count=1000):
            await redis.delete(key)
    await redis.aclose()


async def sign_up(http: httpx.AsyncClient, name: str = "Tienda de Prueba", plan: str | None = None) -> Shop:
    """Sign a new company up through the API."""
    nit = str(900_000_000 + uuid4().int % 99_999_999)
    email, password = f"dueno-{uuid4().hex}@tienda.test", "una clave larga y propia"
    answer = await http.post(
        "/v1/auth/signup",
        json={
            "company": {"name": name, "nit": f"{nit}-{check_digit(nit)}"},
            "owner": {"name": "Dueña de Prueba", "email": email, "password": password},
            "plan": plan,
        },
    )
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return Shop(http, body["accessToken"], body["tenant"], body["user"], body["refreshToken"], email, password)
