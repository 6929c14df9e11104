"""Rate limits: GCRA in Redis, atomic, and what happens while Redis is away.

Requests take leases, of their company and of their person: a process asks Redis for many at once and spends them in
memory, so the limits cost the sale no round trip; the overshoot is at most one lease a process. Logins and costly routes
ask Redis each time.
"""

import asyncio
import time
from typing import Any, Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.lib.errors import TooMany
from app.lib.tokens import Claims
from app.settings import Settings

_GCRA: Final = """
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
local answers = {}
for place, key in ipairs(KEYS) do
  local gap = tonumber(ARGV[place * 3 - 2])
  local burst = tonumber(ARGV[place * 3 - 1])
  local wanted = tonumber(ARGV[place * 3])
  local tat = tonumber(redis.call('GET', key) or at)
  if tat < at then tat = at end
  local room = math.floor((at + gap * burst - tat) / gap)
  local given, wait, left = 0, 0, 0
  if room < 1 then
    wait = math.ceil((tat - at - gap * (burst - 1)) / 1000)
  else
    given = math.min(room, wanted)
    tat = tat + gap * given
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - at) / 1000) + 1000)
    left = room - given
  end
  answers[place * 3 - 2], answers[place * 3 - 1], answers[place * 3] = given, wait, left
end
return answers
"""
"""One theoretical arrival time per key, in microseconds; gives as many of the wanted as there is room for, key by key."""

_LIMIT: Final = 0.2
"""Seconds Redis may take."""
_MISSES: Final = 3
_SKIP: Final = 2.0
"""Seconds Redis is left alone after that many misses in a row."""
_LEASES_A_SECOND: Final = 10
_MAX_LOCAL: Final = 50_000
"""Keys kept in memory while Redis is away; the oldest goes first."""


class _Rate(msgspec.Struct, frozen=True):
    """One limit: how many a minute, how many at once."""

    per_minute: int
    burst: int

    @property
    def lease(self) -> int:
        """What a process takes at once."""
        return max(1, self.per_minute // 60 // _LEASES_A_SECOND)


class _Wish(msgspec.Struct, frozen=True):
    """What is asked of one key."""

    key: str
    gap: float
    """Seconds."""
    burst: int
    wanted: int


class _Lease(msgspec.Struct):
    """Requests a process may still let pass, and until when."""

    left: float
    until: float
    room: float
    """What Redis had beyond the lease."""


class RateLimits:
    """Counts requests of a process against limits shared by all."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._script = redis.register_script(_GCRA)
        self._of_company = _Rate(settings.rate_per_minute, settings.rate_burst)
        self._of_person = _Rate(settings.rate_user_per_minute, settings.rate_user_per_minute)
        self._of_heavy = settings.rate_heavy_per_minute
        self._signups = settings.signups_per_hour
        self._plans: dict[UUID, _Rate] = {}
        self._leases: dict[str, _Lease] = {}
        self._local: dict[str, float] = {}
        self._misses = 0
        self._skip_until = 0.0

    def learn(self, tenant_id: UUID, per_minute: int | None) -> None:
        """Remember what a company's plan allows a minute, as its row says; None: what the installation allows.

        Said by every request that reads the row. The sale does not; until another request came, the installation's holds.
        """
        whole = self._of_company
        rate = whole if per_minute is None else _Rate(min(per_minute, whole.per_minute), min(per_minute, whole.burst))
        if self._plans.get(tenant_id, whole) == rate:
            return
        self._plans.pop(tenant_id, None)
        if rate == whole:
            return
        if len(self._plans) >= _MAX_LOCAL:
            self._plans.pop(next(iter(self._plans)))
        self._plans[tenant_id] = rate

    async def count_request(self, scope: Any, claims: Claims) -> None:
        """Spend one request of the caller's company and of the caller; raises 429.

        With Redis away only this process's limits hold. The answer's headers tell of the tighter one.
        """
        of_company = self._plans.get(claims.tenant_id, self._of_company)
        wanted = (
            (_company_key(claims.tenant_id, of_company), of_company),
            (f"rate:user:{claims.tenant_id.hex}:{claims.user_id.hex}", self._of_person),
        )
        now = time.monotonic()
        leases = [self._leases.get(key) for key, _ in wanted]
        spent = [
            limit
            for limit, lease in zip(wanted, leases, strict=True)
            if lease is None or lease.left < 1 or lease.until < now
        ]
        if spent:
            await self._take_leases(spent, now)
        tightest: tuple[float, _Rate, _Lease] | None = None
        for key, rate in wanted:
            held = self._leases.get(key)
            if held is None:
                continue
            held.left -= 1
            share = (held.left + held.room) / rate.burst
            if tightest is None or share < tightest[0]:
                tightest = (share, rate, held)
        if tightest is not None:
            _, rate, held = tightest
            scope["state"]["rate"] = (rate.burst, int(held.left + held.room), rate.per_minute)

    async def count_heavy(self, scope: Any, claims: Claims, route: str) -> None:
        """Spend one call of a costly route by this person; raises 429."""
        per_minute = self._of_heavy
        key = f"rate:heavy:{claims.tenant_id.hex}:{claims.user_id.hex}:{route}"
        given, wait_ms, room = await self._take(key, 60 / per_minute, per_minute, 1)
        if not given:
            raise _too_many(wait_ms, "Demasiadas operaciones pesadas seguidas; espere un momento.", per_minute)
        burst, left, _ = scope["state"].get("rate", (1, 1, 1))
        if room / per_minute < left / burst:
            scope["state"]["rate"] = (per_minute, room, per_minute)

    async def _take_leases(self, spent: list[tuple[str, _Rate]], now: float) -> None:
        answers = await self._take_all(
            [_Wish(key, 60 / rate.per_minute, rate.burst, rate.lease) for key, rate in spent]
        )
        for (key, rate), (given, wait_ms, room) in zip(spent, answers, strict=True):
            if not given:
                self._leases.pop(key, None)
                raise _too_many(wait_ms, "Demasiadas solicitudes; espere un momento.", rate.burst)
            if key not in self._leases and len(self._leases) >= _MAX_LOCAL:
                self._leases.pop(next(iter(self._leases)))
            self._leases[key] = _Lease(float(given), now + 1.0, float(room))

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

    async def _take(self, key: str, gap: float, burst: int, wanted: int) -> tuple[int, int, int]:
        (answer,) = await self._take_all([_Wish(key, gap, burst, wanted)])
        return answer

    async def _take_all(self, wishes: list[_Wish]) -> list[tuple[int, int, int]]:
        """Given, milliseconds to wait when nothing was, and room left, key by key, in one round trip."""
        if time.monotonic() >= self._skip_until:
            arguments = [part for wish in wishes for part in (int(wish.gap * 1e6), wish.burst, wish.wanted)]
            try:
                async with asyncio.timeout(_LIMIT):
                    found = await self._script(keys=[wish.key for wish in wishes], args=arguments)
            except (RedisError, OSError, TimeoutError):
                self._misses += 1
                if self._misses >= _MISSES:
                    self._misses = 0
                    self._skip_until = time.monotonic() + _SKIP
            else:
                self._misses = 0
                return [
                    (int(found[place]), int(found[place + 1]), int(found[place + 2]))
                    for place in range(0, len(found), 3)
                ]
        return [self._take_locally(wish.key, wish.gap, wish.burst, wish.wanted) for wish in wishes]

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


def _company_key(tenant_id: UUID, rate: _Rate) -> str:
    """Another rate counts anew: what was spent by another measure says nothing in this one."""
    return f"rate:api:{tenant_id.hex}:{rate.per_minute}"


def _too_many(wait_ms: int, detail: str, limit: int | None = None) -> TooMany:
    seconds = max(1, -(-wait_ms // 1000))
    headers = {"Retry-After": str(seconds), "RateLimit-Remaining": "0", "RateLimit-Reset": str(seconds)}
    return TooMany(detail, headers=headers if limit is None else {"RateLimit-Limit": str(limit), **headers})
