"""Many who guess at once, from many addresses: what the limits are measured with."""

import asyncio
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
from litestar import Litestar

from app.lib.edge import Edge
from app.lib.logins import ACCOUNT, ADDRESS, PAIR
from tests.shop import Shop, sign_up

PROXY = "10.9.8.7"
AT_ONCE = 20


def through_a_proxy(app: Litestar) -> httpx.AsyncClient:
    """The application behind a proxy it trusts: a request says where it comes from."""
    transport = httpx.ASGITransport(app=Edge(app, [f"{PROXY}/32"]), client=(PROXY, 1))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://shop.test", timeout=60)


async def try_password(http: httpx.AsyncClient, email: str, password: str, address: str) -> httpx.Response:
    return await http.post(
        "/v1/auth/login", json={"email": email, "password": password}, headers={"X-Forwarded-For": address}
    )


def allowed(rate: tuple[float, int], seconds: float) -> int:
    """How many may pass in a while: what is allowed at once, and what comes back meanwhile."""
    gap, burst = rate
    return burst + int(seconds / gap) + 1


@dataclass
class Attack:
    """Wrong passwords at known accounts, while their owners come from where they always come from."""

    http: httpx.AsyncClient
    shops: list[Shop]
    addresses: list[str]
    passed_account: Counter[str] = field(default_factory=Counter)
    passed_address: Counter[str] = field(default_factory=Counter)
    passed_pair: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    owners: Counter[int] = field(default_factory=Counter)
    seconds: float = 0

    async def run(self, tries: int, owner_logs_in_every: int) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        started = time.monotonic()

        async def guess(number: int) -> None:
            shop = self.shops[number % len(self.shops)]
            address = self.addresses[number // len(self.shops) % len(self.addresses)]
            async with turn:
                answer = await try_password(self.http, shop.email, "no es la clave", address)
            self.statuses[answer.status_code] += 1
            if answer.status_code == 401:
                self.passed_account[shop.email] += 1
                self.passed_address[address] += 1
                self.passed_pair[shop.email, address] += 1
            else:
                assert answer.status_code == 429, answer.text
                assert int(answer.headers["retry-after"]) >= 1

        async def owner(number: int) -> None:
            shop = self.shops[number % len(self.shops)]
            answer = await try_password(self.http, shop.email, shop.password, shop.extra["address"])
            self.owners[answer.status_code] += 1

        async with asyncio.TaskGroup() as group:
            for number in range(tries):
                group.create_task(guess(number))
                if number % owner_logs_in_every == 0:
                    # One after the other, as people do, while the attack goes on.
                    await owner(number // owner_logs_in_every)
        self.seconds = time.monotonic() - started

    def check(self) -> None:
        assert max(self.passed_account.values()) <= allowed(ACCOUNT, self.seconds)
        assert max(self.passed_address.values()) <= allowed(ADDRESS, self.seconds)
        assert max(self.passed_pair.values()) <= allowed(PAIR, self.seconds)
        assert set(self.owners) == {200}, self.owners
        assert self.statuses[429] > self.statuses[401] > 0, self.statuses

    def __str__(self) -> str:
        return (
            f"{self.statuses.total()} wrong logins over {len(self.addresses)} addresses and {len(self.shops)} accounts in "
            f"{self.seconds:.0f} s: {self.statuses[401]} reached a password, {self.statuses[429]} refused; at most "
            f"{max(self.passed_account.values())} an account (allowed {allowed(ACCOUNT, self.seconds)}), "
            f"{max(self.passed_address.values())} an address (allowed {allowed(ADDRESS, self.seconds)}); "
            f"{self.owners[200]} of {self.owners.total()} logins of the owners from their own addresses succeeded meanwhile"
        )


async def attack(app: Litestar, accounts: int, addresses: int, tries: int, owner_logs_in_every: int) -> Attack:
    async with through_a_proxy(app) as http:
        shops = []
        for number in range(accounts):
            own = httpx.Headers({"X-Forwarded-For": f"198.51.100.{number + 1}"})
            http.headers.update(own)
            shops.append(await sign_up(http))
            shops[-1].extra["address"] = own["X-Forwarded-For"]
        del http.headers["X-Forwarded-For"]
        guessing = Attack(http, shops, [f"203.0.{number // 250}.{number % 250 + 1}" for number in range(addresses)])
        await guessing.run(tries, owner_logs_in_every)
    return guessing


@dataclass
class Times:
    """Seconds that wrong passwords of known accounts and of nobody's took, one after the other."""

    known: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)

    def difference(self) -> float:
        """Of the medians, as a fraction."""
        return abs(statistics.median(self.known) / statistics.median(self.unknown) - 1)

    def __str__(self) -> str:
        def spread(seconds: list[float]) -> str:
            cuts = statistics.quantiles(seconds, n=20)
            return f"median {1000 * statistics.median(seconds):.2f} ms (5–95 %: {1000 * cuts[0]:.1f}–{1000 * cuts[-1]:.1f})"

        return (
            f"{len(self.known)} wrong passwords each: known {spread(self.known)}, unknown {spread(self.unknown)}; "
            f"medians differ by {100 * self.difference():.1f} %"
        )


async def measure_times(app: Litestar, each: int) -> Times:
    times = Times()
    async with through_a_proxy(app) as http:
        shops = [await sign_up(http) for _ in range(max(1, each // 8))]
        for email in (shops[0].email, "nadie@tienda.test"):
            await try_password(http, email, "no es la clave", f"192.0.2.{1 + each % 200}")
        for number in range(2 * each):
            known = number % 2 == 0
            shop = shops[number // 2 % len(shops)]
            email = shop.email if known else f"dueno-{uuid4().hex}@tienda.test"
            address = f"100.{64 + number // 60_000}.{number // 250 % 250}.{number % 250 + 1}"
            started = time.perf_counter()
            answer = await try_password(http, email, "no es la clave", address)
            (times.known if known else times.unknown).append(time.perf_counter() - started)
            assert answer.status_code == 401, answer.text
    return times
