"""An installation behind its proxy under sellers and under attack: `python -m tests.deployed sell|slow URL`.

For a deployed system, not one of this process: docs/PROCEDIMIENTO_DESPLIEGUE.md makes it, docs/PROOFS.md has the figures.
"""

import argparse
import asyncio
import secrets
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from app.lib.nit import check_digit

COMPANIES = 2
SLOW_HEADERS, SLOW_BODIES = 300, 100


@dataclass
class Told:
    """What the sellers saw."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    def line(self) -> str:
        times = sorted(self.seconds) or [0.0]
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        return (
            f"{len(self.seconds)} requests, {sum(self.failures.values())} failed {dict(self.failures)}, "
            f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, worst {times[-1] * 1000:.0f} ms"
        )


async def sell(url: str, clients: int, seconds: float) -> int:
    """Sellers that try each request once: whatever is not 201 is a failure."""
    told = Told()
    tills = [await _company(url) for _ in range(COMPANIES)]
    end = time.monotonic() + seconds
    print("selling", flush=True)
    await asyncio.gather(*(_seller(url, *tills[number % COMPANIES], end, told) for number in range(clients)))
    print(told.line())
    return 1 if told.failures else 0


async def _company(url: str) -> tuple[str, str, str]:
    """Token, drawer session and product of a new company with a full shelf."""
    digits = str(800_000_000 + secrets.randbelow(99_999_999))
    body = {
        "company": {"name": "Tienda de prueba", "nit": f"{digits}-{check_digit(digits)}"},
        "owner": {"name": "Ana", "email": f"ana-{digits}@tienda.test", "password": f"una clave larga {digits}"},
    }
    async with httpx.AsyncClient(base_url=url, verify=ssl.create_default_context(), timeout=20) as http:
        token = str((await _post(http, "/v1/auth/signup", body, ""))["accessToken"])
        product = await _post(
            http,
            "/v1/products",
            {"sku": "A", "name": "Arroz", "price": "2500", "taxClass": "excluded"},
            token,
        )
        line = {"productId": product["id"], "quantity": "900000", "unitCost": "1000"}
        await _post(http, "/v1/inventory/adjustments", {"reason": "opening", "lines": [line]}, token)
        registers = (await http.get("/v1/cash/registers", headers={"Authorization": f"Bearer {token}"})).json()
        opened = {"registerId": registers["items"][0]["id"], "openingAmount": "0"}
        session = await _post(http, "/v1/cash/sessions", opened, token)
    return token, str(session["id"]), str(product["id"])


async def _post(http: httpx.AsyncClient, path: str, body: object, token: str) -> dict[str, object]:
    headers = {"Idempotency-Key": uuid4().hex} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = await http.post(path, json=body, headers=headers)
    assert answer.status_code in {200, 201}, (path, answer.status_code, answer.text)
    found: dict[str, object] = answer.json()
    return found


async def _seller(url: str, token: str, session: str, product: str, end: float, told: Told) -> None:
    body = {
        "sessionId": session,
        "lines": [{"productId": product, "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "2500"}],
    }
    async with httpx.AsyncClient(base_url=url, verify=ssl.create_default_context(), timeout=20) as http:
        while time.monotonic() < end:
            began = time.monotonic()
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
            try:
                answer = await http.post("/v1/sales", json=body, headers=headers)
                if answer.status_code != 201:
                    told.failures[f"{answer.status_code} {answer.text[:120]}"] += 1
            except httpx.HTTPError as error:
                told.failures[type(error).__name__] += 1
            told.seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.02)


async def slow(url: str, seconds: float) -> int:
    """300 connections that send their headers a byte at a time, 100 their bodies, while /health is asked."""
    told, lives = Told(), list[float]()
    end = time.monotonic() + seconds
    attackers = [
        *(asyncio.create_task(_drip(url, end, lives, body=False)) for _ in range(SLOW_HEADERS)),
        *(asyncio.create_task(_drip(url, end, lives, body=True)) for _ in range(SLOW_BODIES)),
    ]
    await asyncio.sleep(3)
    async with httpx.AsyncClient(base_url=url, verify=ssl.create_default_context(), timeout=20) as http:
        while not all(attacker.done() for attacker in attackers) and time.monotonic() < end:
            began = time.monotonic()
            answer = await http.get("/health")
            if answer.status_code != 200:
                told.failures[str(answer.status_code)] += 1
            told.seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.05)
    left = sum(not attacker.done() for attacker in attackers)
    await asyncio.gather(*attackers)
    print(f"/health: {told.line()}")
    print(f"{len(attackers)} slow connections, {left} open at the end, the longest lived {max(lives):.1f} s")
    return 1 if left or told.failures else 0


async def _drip(url: str, end: float, lives: list[float], *, body: bool) -> None:
    where = urlsplit(url)
    context = ssl.create_default_context() if where.scheme == "https" else None
    reader, writer = await asyncio.open_connection(
        where.hostname, where.port or 443, ssl=context, server_hostname=where.hostname if context else None
    )
    began = time.monotonic()
    head = f"POST /v1/auth/login HTTP/1.1\r\nHost: {where.hostname}\r\n"
    writer.write(
        f"{head}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n".encode() if body else head.encode()
    )
    closed = asyncio.create_task(reader.read(1))
    try:
        while time.monotonic() < end and not closed.done():
            writer.write(b"x" if body else b"X-A: b\r\n")
            await writer.drain()
            await asyncio.wait({closed}, timeout=2 if not body else 4)
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        closed.cancel()
        writer.close()
        lives.append(time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sell", "slow"))
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    return asyncio.run(
        sell(asked.url, asked.clients, asked.seconds) if asked.what == "sell" else slow(asked.url, asked.seconds)
    )


if __name__ == "__main__":
    sys.exit(main())
