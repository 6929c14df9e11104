"""Limits of requests: a company's, a sign-up's, a mail's.

Requests of a company take leases: a process asks Redis for many at once and spends them in memory, so the limit costs
the sale no round trip; the overshoot is at most one lease a process. The others ask Redis each time.
"""

import time
from hashlib import blake2b
from typing import Any, Final

from redis.asyncio import Redis

from app.lib.errors import TooMany
from app.lib.gcra import Gcra, Rate
from app.lib.tokens import Claims
from app.settings import Settings

_LEASES_A_SECOND: Final = 10
_MAX_LEASES: Final = 50_000
"""Companies remembered; the oldest goes first."""
_HOUR: Final = 3600.0


class RateLimits:
    """Counts requests of a process against limits shared by all."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.gcra = Gcra(redis, settings.api_workers)
        self._per_minute = settings.rate_per_minute
        self._burst = settings.rate_burst
        self._signups = settings.signups_per_hour
        self._lease = max(1, settings.rate_per_minute // 60 // _LEASES_A_SECOND)
        self._leases: dict[str, list[float]] = {}

    async def count_request(self, scope: Any, claims: Claims) -> None:
        """Spend one request of the caller's company; raises 429. With Redis away only this process's limit holds."""
        key = claims.tenant_id.hex
        lease = self._leases.get(key)
        now = time.monotonic()
        if lease is None or lease[0] < 1 or lease[1] < now:
            lease = await self._take_lease(key, now)
        lease[0] -= 1
        scope["state"]["rate"] = (self._burst, int(lease[2] + lease[0]), self._per_minute)

    async def _take_lease(self, key: str, now: float) -> list[float]:
        taken = await self.gcra.take([Rate(f"rate:api:{key}", 60 / self._per_minute, self._burst)], self._lease)
        if not taken.given:
            raise too_many(taken.wait, "Demasiadas solicitudes; espere un momento.")
        if len(self._leases) >= _MAX_LEASES:
            self._leases.pop(next(iter(self._leases)))
        lease = self._leases[key] = [float(taken.given), now + 1.0, float(taken.left)]
        return lease

    async def count_signup(self, address: str) -> None:
        """Spend one sign-up of this address; raises 429."""
        rate = Rate(f"rate:signup:{address}", _HOUR / self._signups, self._signups)
        await self._spend([rate], "Demasiados registros desde esta dirección; espere.")

    async def count_mail(self, account: str, address: str) -> None:
        """Spend one mail that somebody asks for to this account from this address; raises 429, known account or not."""
        rates = [
            Rate(f"rate:mail:{digest(account)}", _HOUR / 6, 4),
            Rate(f"rate:mail-address:{address}", _HOUR / 60, 60),
        ]
        await self._spend(rates, "Ya se pidieron varios correos; revise su buzón y espere antes de pedir otro.")

    async def count_link(self, address: str) -> None:
        """Spend one try of a mailed link from this address; raises 429."""
        rate = Rate(f"rate:link:{address}", 2.0, 60)
        await self._spend([rate], "Demasiados intentos; espere un momento.")

    async def _spend(self, rates: list[Rate], detail: str) -> None:
        taken = await self.gcra.take(rates)
        if not taken.given:
            raise too_many(taken.wait, detail)


def digest(account: str) -> str:
    """An account as part of a key: of one length, and not the address itself."""
    return blake2b(account.encode("utf-8", "surrogatepass"), digest_size=15).hexdigest()


def too_many(wait: float, detail: str) -> TooMany:
    """The refusal of a limit that has room again in `wait` seconds."""
    seconds = max(1, int(-(-wait // 1)))
    return TooMany(
        detail, headers={"Retry-After": str(seconds), "RateLimit-Remaining": "0", "RateLimit-Reset": str(seconds)}
    )
