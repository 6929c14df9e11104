"""Limits of requests: a company's and a person's, a costly route's, a sign-up's, a mail's.

Requests take leases, of their company and of their person: a process asks Redis for many at once and spends them in
memory, so the limits cost the sale no round trip; the overshoot is at most one lease a process. The others ask Redis
each time.
"""

import time
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from app.lib.errors import TooMany
from app.lib.gcra import Gcra, Rate
from app.lib.tokens import Claims
from app.settings import Settings

_LEASES_A_SECOND: Final = 10
_MAX_LEASES: Final = 50_000
"""Companies and people remembered; the oldest goes first."""
_HOUR: Final = 3600.0
KEY_CHECKS: Final = 120
"""Looks at API keys that one address may cause in a minute."""


class _Limit(msgspec.Struct, frozen=True):
    """How many a minute, how many at once."""

    per_minute: int
    burst: int

    @property
    def lease(self) -> int:
        """What a process takes at once."""
        return max(1, self.per_minute // 60 // _LEASES_A_SECOND)

    def of(self, key: str) -> Rate:
        return Rate(key, 60 / self.per_minute, self.burst)


class _Lease(msgspec.Struct):
    """Requests a process may still let pass, and until when."""

    left: float
    until: float
    room: float
    """What Redis had beyond the lease."""


class RateLimits:
    """Counts requests of a process against limits shared by all."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.gcra = Gcra(redis, settings.api_workers)
        self._of_company = _Limit(settings.rate_per_minute, settings.rate_burst)
        self._of_person = _Limit(settings.rate_user_per_minute, settings.rate_user_per_minute)
        self._of_heavy = _Limit(settings.rate_heavy_per_minute, settings.rate_heavy_per_minute)
        self._signups = settings.signups_per_hour
        self._plans: dict[UUID, _Limit] = {}
        self._leases: dict[str, _Lease] = {}

    def learn(self, tenant_id: UUID, per_minute: int | None) -> None:
        """Remember what a company's plan allows a minute, as its row says; None: what the installation allows.

        Said by every request that reads the row. The sale does not; until another request came, the installation's holds.
        """
        whole = self._of_company
        limit = whole if per_minute is None else _Limit(min(per_minute, whole.per_minute), min(per_minute, whole.burst))
        if self._plans.get(tenant_id, whole) == limit:
            return
        self._plans.pop(tenant_id, None)
        if limit == whole:
            return
        if len(self._plans) >= _MAX_LEASES:
            self._plans.pop(next(iter(self._plans)))
        self._plans[tenant_id] = limit

    async def count_request(self, scope: Any, claims: Claims) -> None:
        """Spend one request of the caller's company and of the caller; raises 429.

        With Redis away only this process's limits hold. The answer's headers tell of the tighter one.
        """
        of_company = self._plans.get(claims.tenant_id, self._of_company)
        now = time.monotonic()
        tightest: tuple[float, _Limit, float] | None = None
        for key, limit in (
            (_company_key(claims.tenant_id, of_company), of_company),
            (f"rate:user:{claims.tenant_id.hex}:{claims.user_id.hex}", self._of_person),
        ):
            lease = self._leases.get(key)
            if lease is None or lease.left < 1 or lease.until < now:
                lease = await self._take_lease(key, limit, now)
            lease.left -= 1
            left = lease.left + lease.room
            if tightest is None or left / limit.burst < tightest[0]:
                tightest = (left / limit.burst, limit, left)
        assert tightest is not None
        _, limit, left = tightest
        scope["state"]["rate"] = (limit.burst, int(left), limit.per_minute)

    async def count_heavy(self, scope: Any, claims: Claims, route: str) -> None:
        """Spend one call of a costly route by this person; raises 429."""
        limit = self._of_heavy
        taken = await self.gcra.take([limit.of(f"rate:heavy:{claims.tenant_id.hex}:{claims.user_id.hex}:{route}")])
        if not taken.given:
            detail = "Demasiadas operaciones pesadas seguidas; espere un momento."
            raise too_many(taken.wait, detail, limit.per_minute)
        burst, left, _ = scope["state"].get("rate", (1, 1, 1))
        if taken.left / limit.burst < left / burst:
            scope["state"]["rate"] = (limit.burst, taken.left, limit.per_minute)

    async def _take_lease(self, key: str, limit: _Limit, now: float) -> _Lease:
        taken = await self.gcra.take([limit.of(key)], limit.lease)
        if not taken.given:
            self._leases.pop(key, None)
            raise too_many(taken.wait, "Demasiadas solicitudes; espere un momento.", limit.burst)
        if key not in self._leases and len(self._leases) >= _MAX_LEASES:
            self._leases.pop(next(iter(self._leases)))
        lease = self._leases[key] = _Lease(float(taken.given), now + 1.0, float(taken.left))
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

    async def count_pin(self, tenant_id: UUID, user_id: UUID, asker_id: UUID) -> None:
        """Spend one try of somebody's PIN by this person; raises 429."""
        rate = Rate(f"rate:pin:{tenant_id.hex}:{user_id.hex}|{asker_id.hex}", 6.0, 10)
        await self._spend([rate], "Demasiados intentos; espere un momento.")

    async def count_key_check(self, address: str) -> None:
        """Spend one look at an API key of this address; raises 429. A right key costs one in five minutes."""
        rate = Rate(f"rate:key:{address}", 60 / KEY_CHECKS, KEY_CHECKS)
        await self._spend([rate], "Demasiados intentos; espere un momento.")

    async def _spend(self, rates: list[Rate], detail: str) -> None:
        taken = await self.gcra.take(rates)
        if not taken.given:
            raise too_many(taken.wait, detail)


def digest(account: str) -> str:
    """An account as part of a key: of one length, and not the address itself."""
    return blake2b(account.encode("utf-8", "surrogatepass"), digest_size=15).hexdigest()


def _company_key(tenant_id: UUID, limit: _Limit) -> str:
    """Another limit counts anew: what was spent by another measure says nothing in this one."""
    return f"rate:api:{tenant_id.hex}:{limit.per_minute}"


def too_many(wait: float, detail: str, limit: int | None = None) -> TooMany:
    """The refusal of a limit that has room again in `wait` seconds."""
    seconds = max(1, int(-(-wait // 1)))
    headers = {"Retry-After": str(seconds), "RateLimit-Remaining": "0", "RateLimit-Reset": str(seconds)}
    return TooMany(detail, headers=headers if limit is None else {"RateLimit-Limit": str(limit), **headers})
