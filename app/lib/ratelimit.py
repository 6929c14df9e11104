"""Rate limits: GCRA in Redis, atomic, and what happens while Redis is away.

Requests of a company take leases: a process asks Redis for many at once and spends them in memory, so the limit costs
the sale no round trip; the overshoot is at most one lease a process. Logins ask Redis each time.
"""

import asyncio
import time
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.lib.errors import TooMany
from app.lib.tokens import Claims
from app.settings import Settings

_GCRA: Final = """
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
local gap = tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local wanted = tonumber(ARGV[3])
local tat = tonumber(redis.call('GET', KEYS[1]) or at)
if tat < at then tat = at end
local room = math.floor((at + gap * burst - tat) / gap)
if room < 1 then return {0, math.ceil((tat - at - gap * (burst - 1)) / 1000), 0} end
local given = math.min(room, wanted)
tat = tat + gap * given
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - at) / 1000) + 1000)
return {given, 0, room - given}
"""
"""One theoretical arrival time per key, in microseconds; gives as many of the wanted as there is room for."""

_LIMIT: Final = 0.2
"""Seconds Redis may take."""
_MISSES: Final = 3
_SKIP: Final = 2.0
"""Seconds Redis is left alone after that many misses in a row."""
_LEASES_A_SECOND: Final = 10
KEY_CHECKS: Final = 120
"""Looks at API keys that one address may cause in a minute."""
_MAX_LOCAL: Final = 50_000
"""Keys kept in memory while Redis is away; the oldest goes first."""


class RateLimits:
    """Counts requests of a process against limits shared by all."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._script = redis.register_script(_GCRA)
        self._per_minute = settings.rate_per_minute
        self._burst = settings.rate_burst
        self._signups = settings.signups_per_hour
        self._lease = max(1, settings.rate_per_minute // 60 // _LEASES_A_SECOND)
        self._leases: dict[str, list[float]] = {}
        self._local: dict[str, float] = {}
        self._misses = 0
        self._skip_until = 0.0

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
        given, wait_ms, room = await self._take(f"rate:api:{key}", 60 / self._per_minute, self._burst, self._lease)
        if not given:
            raise _too_many(wait_ms, "Demasiadas solicitudes; espere un momento.")
        if len(self._leases) >= _MAX_LOCAL:
            self._leases.pop(next(iter(self._leases)))
        lease = self._leases[key] = [float(given), now + 1.0, float(room)]
        return lease

    async def count_login(self, account: str, address: str) -> None:
        """Spend one attempt for this account from this address, and of each alone; raises 429. Strict while Redis is away."""
        for key, per_minute, burst in (
            (f"rate:login:{account}|{address}", 10, 10),
            (f"rate:login-account:{account}", 20, 40),
            (f"rate:login-address:{address}", 300, 300),
        ):
            given, wait_ms, _ = await self._take(key, 60 / per_minute, burst, 1)
            if not given:
                raise _too_many(wait_ms, "Demasiados intentos; espere un momento.")

    async def count_signup(self, address: str) -> None:
        """Spend one sign-up of this address; raises 429."""
        given, wait_ms, _ = await self._take(f"rate:signup:{address}", 3600 / self._signups, self._signups, 1)
        if not given:
            raise _too_many(wait_ms, "Demasiados registros desde esta dirección; espere.")

    async def count_key_check(self, address: str) -> None:
        """Spend one look at an API key of this address; raises 429. A right key costs one in five minutes."""
        given, wait_ms, _ = await self._take(f"rate:key:{address}", 60 / KEY_CHECKS, KEY_CHECKS, 1)
        if not given:
            raise _too_many(wait_ms, "Demasiados intentos; espere un momento.")

    async def _take(self, key: str, gap: float, burst: int, wanted: int) -> tuple[int, int, int]:
        if time.monotonic() >= self._skip_until:
            try:
                async with asyncio.timeout(_LIMIT):
                    given, wait_ms, room = await self._script(keys=[key], args=[int(gap * 1e6), burst, wanted])
            except (RedisError, OSError, TimeoutError):
                self._misses += 1
                if self._misses >= _MISSES:
                    self._misses = 0
                    self._skip_until = time.monotonic() + _SKIP
            else:
                self._misses = 0
                return int(given), int(wait_ms), int(room)
        return self._take_locally(key, gap, burst, wanted)

    def _take_locally(self, key: str, gap: float, burst: int, wanted: int) -> tuple[int, int, int]:
        now = time.monotonic()
        arrival = max(self._local.pop(key, now), now)
        room = int((now + gap * burst - arrival) / gap)
        if room < 1:
            self._local[key] = arrival
            return 0, max(1, int((arrival - now - gap * (burst - 1)) * 1000)), 0
        given = min(room, wanted)
        if len(self._local) >= _MAX_LOCAL:
            self._local.pop(next(iter(self._local)))
        self._local[key] = arrival + gap * given
        return given, 0, room - given


def _too_many(wait_ms: int, detail: str) -> TooMany:
    seconds = max(1, -(-wait_ms // 1000))
    return TooMany(
        detail, headers={"Retry-After": str(seconds), "RateLimit-Remaining": "0", "RateLimit-Reset": str(seconds)}
    )
