"""The Stripe fake as a process of its own, and a shop's owner who pays through it."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from app.db.session import Database
from app.dev.processes import end, spawn
from app.domain.billing.events import LOOK
from app.integrations.stripe.signature import sign
from app.lib import clock
from tests.shop import Shop
from worker.pace import Pace
from worker.registry import MODULES
from worker.runner import JobRunner

SECRET = "whsec_of_tests"
_PATIENCE = 30.0
_RUNS = 2
"""Of jobs that all fail, before they are left: the provider is away."""
__all__ = ["MODULES", "SECRET", "StripeProcess"]

_DUE = (
    "SELECT tenant_id, id FROM outbox WHERE kind LIKE $2 AND status IN ('pending','queued') "
    "AND ($1::uuid IS NULL OR tenant_id = $1) ORDER BY id"
)


class StripeProcess:
    """`python -m app.dev.stripe_fake` in a folder; events are fetched and delivered by the tests, in any order."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.root = f"http://127.0.0.1:{port}"
        self.after = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=self.root, trust_env=False, timeout=60)
        self.start()

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        command = [sys.executable, "-m", "app.dev.stripe_fake", str(self.port), str(self.folder)]
        self._process = spawn(command, log=self.folder / "stripe.log", environment=os.environ)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if self._http.get("/ready").is_success:
                    return
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the fake does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, signal.SIGKILL, 5)

    def close(self) -> None:
        self.stop()
        self._http.close()

    def control(self, path: str, **body: Any) -> Any:
        answer = self._http.put(f"/control/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def api(self, path: str, **query: str) -> Any:
        answer = self._http.get(f"/v1/{path}", params=query, headers={"Authorization": "Bearer sk_test"})
        assert answer.is_success, answer.text
        return answer.json()

    def pay_page(self, url: str, card: str = "ok") -> int:
        """What the buyer's browser does on a page of the provider's."""
        return self._http.post(url, data={"card": card}).status_code

    def fresh_events(self) -> list[dict[str, Any]]:
        found = self._http.get("/control/events", params={"after": self.after}).json()
        self.after = found["next"]
        events: list[dict[str, Any]] = found["items"]
        return events

    def run_again(self) -> None:
        """Let both clocks tell the real time: the fake's goes back, what falls due later there falls due later."""
        clock.stand_at(None)
        self.control("clock", now=int(time.time()), back=True)

    def go_to(self, instant: datetime) -> None:
        """Move the clock of the fake and of this process."""
        clock.stand_at(instant)
        self.control("clock", now=int(instant.timestamp()))


def signed(event: Any, *, at: float | None = None, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return body, {"Stripe-Signature": sign(body, secret, int(time.time() if at is None else at))}


async def deliver(http: httpx.AsyncClient, event: Any) -> httpx.Response:
    body, headers = signed(event)
    return await http.post("/billing/webhooks/stripe", content=body, headers=headers)


async def run_jobs(
    database: Database, admin: asyncpg.Connection, tenant_id: str | None = None, at_once: int = 1
) -> int:
    """Run billing's jobs that wait, as the worker does, until none is left or all that are fail; answers how many ran.

    One that failed, as on a machine that is busy, is tried again like the worker does, without its wait. Without a mail
    server mails wait.
    """
    kind = LOOK if database.settings.smtp_host is None else "billing.%"
    runner, count, failing, turn = JobRunner(database, "short", Pace()), 0, 0, asyncio.Semaphore(at_once)

    async def run(row: Any) -> None:
        async with turn:
            await runner.run(row["tenant_id"], row["id"])

    while rows := await admin.fetch(_DUE, UUID(tenant_id) if tenant_id else None, kind):
        await asyncio.gather(*(run(row) for row in rows))
        count += len(rows)
        if count > 20_000:
            raise AssertionError("the jobs never end")
        again = await admin.fetch(_DUE, UUID(tenant_id) if tenant_id else None, kind)
        failing = failing + 1 if {row["id"] for row in again} == {row["id"] for row in rows} else 0
        if failing >= _RUNS:
            return count
    return count


async def settle(
    stripe: StripeProcess, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection, times: int = 1
) -> None:
    """Deliver every event that happened, each so many times and in no order, and run what it asks for."""
    events = stripe.fresh_events() * times
    if times > 1:
        random.Random(7).shuffle(events)
    for event in events:
        assert (await deliver(http, event)).status_code == 200
    await run_jobs(database, admin)


async def fresh_token(shop: Shop) -> None:
    """Log in again: the clock has moved."""
    answer = await shop.log_in()
    assert answer.status_code == 200, answer.text
    shop.token = answer.json()["accessToken"]


async def subscribed(shop: Shop, stripe: StripeProcess, plan: str = "basic", interval: str = "month") -> None:
    """Pay for a plan on the provider's page; its events are still to be delivered."""
    page = await shop.post("/v1/billing/checkout-session", {"plan": plan, "interval": interval})
    assert page.status_code == 200, page.text
    assert await asyncio.to_thread(stripe.pay_page, page.json()["url"]) == 303


def real_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
