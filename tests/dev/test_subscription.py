"""A customer's whole way under `mostrador up`, through HTTP alone: the API, the payment provider's pages, the mails."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.lib.nit import check_digit
from tests.crash.house import House
from tests.dev.conftest import forget

_PATIENCE: float = 60
_PASSWORD = "una clave larga y propia"


class Customer:
    """A person with a browser: the shop's application, the provider's pages, a mailbox."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.email = f"{uuid4().hex}@tienda.test"
        self.token = ""

    async def sign_up(self) -> None:
        nit = str(900_000_000 + uuid4().int % 99_999_999)
        body = {
            "company": {"name": "Ferretería El Tornillo", "nit": f"{nit}-{check_digit(nit)}"},
            "owner": {"name": "Ana Gómez", "email": self.email, "password": _PASSWORD},
        }
        answer = await self.http.post("/v1/auth/signup", json=body)
        assert answer.status_code == 201, answer.text
        self.token = answer.json()["accessToken"]

    async def log_in(self) -> None:
        """Anew: the clock was moved."""
        answer = await self.http.post("/v1/auth/login", json={"email": self.email, "password": _PASSWORD})
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["accessToken"]

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid4().hex}
        answer = await self.http.request(method, f"/v1/{path}", json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def pay(self, url: str, card: str = "ok") -> None:
        """Press a button of the provider's page."""
        assert "Stripe de prueba" in (await self.http.get(url)).text
        assert (await self.http.post(url, data={"card": card})).status_code == 303

    async def becomes(self, state: str, status: str, plan: str) -> None:
        """Wait for the provider's event and what follows from it."""
        deadline, seen = time.monotonic() + _PATIENCE, None
        while seen != (state, status, plan):
            assert time.monotonic() < deadline, f"it is {seen}, not {(state, status, plan)}"
            await asyncio.sleep(0.2)
            company = await self.ask("GET", "company")
            seen = ((await self.ask("GET", "billing/subscription"))["status"], company["status"], company["plan"])

    async def is_mailed(self, beginning: str) -> dict[str, Any]:
        """Wait for a mail whose subject begins so; answers it."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            items = (await self.http.get("/dev/mail", params={"to": self.email})).json()["items"]
            found: list[dict[str, Any]] = [one for one in items if one["subject"].startswith(beginning)]
            if found:
                return found[0]
            assert time.monotonic() < deadline, f"no {beginning!r} among {[one['subject'] for one in items]}"
            await asyncio.sleep(0.2)

    async def go_to(self, instant: datetime) -> None:
        answer = await self.http.post("/dev/clock", json={"now": instant.isoformat()})
        assert answer.status_code == 200, answer.text
        # Every process looks at its clock four times a second.
        await asyncio.sleep(0.6)
        await self.log_in()


@pytest.fixture
async def customer(data: Path) -> AsyncIterator[Customer]:
    house = House(data)
    await house.start()
    try:
        async with httpx.AsyncClient(base_url=house.url, timeout=30, trust_env=False) as http:
            yield Customer(http)
    finally:
        await house.stop()
        forget(data)


@pytest.mark.timeout(400)
async def test_sign_up_pay_upgrade_fail_grace_read_only_pay(customer: Customer) -> None:
    began = time.monotonic()
    await customer.sign_up()
    await customer.becomes("trialing", "trial", "pro")

    page = await customer.ask("POST", "billing/checkout-session", {"plan": "basic", "interval": "month"})
    await customer.pay(page["url"], "declined")
    await customer.pay(page["url"])
    await customer.becomes("active", "active", "basic")
    thanks = await customer.is_mailed("Su suscripción de Ferretería El Tornillo")

    seen = await customer.ask("POST", "billing/plan-change/preview", {"plan": "pro", "interval": "month"})
    assert (seen["effective"], 49_000 < float(seen["amount"]) <= 50_000) == ("now", True)
    await customer.ask("POST", "billing/plan-change", {"plan": "pro", "interval": "month"})
    await customer.becomes("active", "active", "pro")

    portal = await customer.ask("POST", "billing/portal-session")
    await customer.http.post(portal["url"], data={"card": "declined"})
    ends = datetime.fromisoformat((await customer.ask("GET", "billing/subscription"))["currentPeriodEnd"])
    await customer.go_to(ends + timedelta(minutes=5))
    await customer.becomes("past_due", "past-due", "pro")
    await customer.is_mailed("No pudimos cobrar la suscripción")
    for days, left in ((3, 4), (6, 1)):
        await customer.go_to(ends + timedelta(days=days, minutes=30))
        warned = await customer.is_mailed(f"Le quedan {left} día(s) para pagar")
    product = {"sku": "T-1", "name": "Tornillo", "price": "100", "taxClass": "iva19"}
    await customer.ask("POST", "products", product)
    await customer.go_to(ends + timedelta(days=7, minutes=30))
    await customer.becomes("read_only", "read-only", "pro")
    stopped = await customer.is_mailed("Ferretería El Tornillo quedó en solo lectura")
    with pytest.raises(AssertionError, match="company-read-only"):
        await customer.ask("POST", "products", product | {"sku": "T-2"})
    await customer.ask("GET", "products")

    link = re.search(r"http://127\.0\.0\.1:\d+/invoice/\S+", warned["text"])
    assert link is not None, "the mail says where to pay"
    await customer.pay(link[0])
    await customer.becomes("active", "active", "pro")
    await customer.ask("POST", "products", product | {"sku": "T-2"})
    assert thanks["at"] != stopped["at"]
    bills = (await customer.ask("GET", "billing/invoices"))["items"]
    assert {one["status"] for one in bills} == {"paid"}
    assert len(bills) == 3
    subjects = [
        one["subject"] for one in (await customer.http.get("/dev/mail", params={"to": customer.email})).json()["items"]
    ]
    print(f"subscription: {time.monotonic() - began:.0f} s; mails, the newest first: {subjects}", file=sys.stderr)
