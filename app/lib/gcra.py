"""Rates: GCRA in Redis, atomic over several limits at once, and in this process while Redis is away."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

_TAKE: Final = """
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
local wanted = tonumber(ARGV[1])
local given = wanted
local left = wanted
local tats = {}
for i, key in ipairs(KEYS) do
  local gap, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local tat = tonumber(redis.call('GET', key) or at)
  if tat < at then tat = at end
  local room = math.floor((at + gap * burst - tat) / gap)
  if room < 1 then return {0, math.ceil((tat - at - gap * (burst - 1)) / 1000), i} end
  tats[i] = tat
  if room < given then given = room end
  if i == 1 or room < left then left = room end
end
for i, key in ipairs(KEYS) do
  local tat = tats[i] + tonumber(ARGV[2 * i]) * given
  redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - at) / 1000) + 1000)
end
return {given, 0, left - given}
"""
"""One theoretical arrival time per key, in microseconds. All limits have room, or none is spent: answers what was given,
the milliseconds to wait, and what is left, or the limit that refused."""

_GIVE_BACK: Final = """
local now = redis.call('TIME')
local at = now[1] * 1000000 + now[2]
for i, key in ipairs(KEYS) do
  local tat = tonumber(redis.call('GET', key) or 0) - tonumber(ARGV[i])
  if tat > at then redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - at) / 1000) + 1000)
  else redis.call('DEL', key) end
end
return 1
"""

_LIMIT: Final = 0.2
"""Seconds Redis may take."""
_MISSES: Final = 3
_SKIP: Final = 2.0
"""Seconds Redis is left alone after that many misses in a row."""
_MAX_LOCAL: Final = 50_000
"""Keys kept in memory while Redis is away; the oldest goes first."""


class Rate(msgspec.Struct, frozen=True):
    """At most `burst` at once, then one every `gap` seconds, of whatever `key` names."""

    key: str
    gap: float
    burst: int


class Taken(msgspec.Struct, frozen=True):
    """How a question to the limits ended."""

    given: int
    """0 refuses."""
    wait: float
    """Seconds until one would be given."""
    left: int
    refused_by: Rate | None


class Gcra:
    """Limits shared by all processes. While Redis is away each process counts for itself, with its share of them."""

    def __init__(self, redis: Redis, processes: int = 1) -> None:
        self._redis = redis
        self._processes = processes
        self._take = redis.register_script(_TAKE)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._local: dict[str, float] = {}
        self._misses = 0
        self._skip_until = 0.0

    async def take(self, rates: Sequence[Rate], wanted: int = 1) -> Taken:
        """Spend up to `wanted` of all rates together, or nothing."""
        arguments: list[Any] = [wanted]
        for rate in rates:
            arguments += [int(rate.gap * 1e6), rate.burst]
        answer = await self.ask(self._take, [rate.key for rate in rates], arguments)
        if answer is None:
            return self._take_here(rates, wanted)
        given, wait_ms, last = (int(number) for number in answer)
        return Taken(given, wait_ms / 1000, 0 if not given else last, None if given else rates[last - 1])

    async def give_back(self, rates: Sequence[Rate]) -> None:
        """Un-spend one of each: what was counted turned out not to count."""
        if not rates:
            return
        keys = [rate.key for rate in rates]
        if await self.ask(self._give_back, keys, [int(rate.gap * 1e6) for rate in rates]) is None:
            for rate in rates:
                if rate.key in self._local:
                    self._local[rate.key] -= rate.gap * self._processes

    async def ask(self, script: Any, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script within the time limit; None while Redis is away."""
        if time.monotonic() < self._skip_until:
            return None
        try:
            async with asyncio.timeout(_LIMIT):
                answer = await script(keys=list(keys), args=list(arguments))
        except (RedisError, OSError, TimeoutError):
            self._misses += 1
            if self._misses >= _MISSES:
                self._misses = 0
                self._skip_until = time.monotonic() + _SKIP
            return None
        self._misses = 0
        return answer

    def _take_here(self, rates: Sequence[Rate], wanted: int) -> Taken:
        now = time.monotonic()
        given = left = wanted
        arrivals: list[float] = []
        for place, rate in enumerate(rates):
            gap, burst = rate.gap * self._processes, max(1, rate.burst // self._processes)
            arrival = max(self._local.get(rate.key, now), now)
            # A hair of tolerance: these are sums of floats, in Redis they are whole microseconds.
            room = int((now + gap * burst - arrival) / gap + 1e-6)
            if room < 1:
                return Taken(0, max(0.001, arrival - now - gap * (burst - 1)), 0, rate)
            arrivals.append(arrival)
            given = min(given, room)
            left = room if place == 0 else min(left, room)
        for rate, arrival in zip(rates, arrivals, strict=True):
            self._local.pop(rate.key, None)
            if len(self._local) >= _MAX_LOCAL:
                self._local.pop(next(iter(self._local)))
            self._local[rate.key] = arrival + rate.gap * self._processes * given
        return Taken(given, 0.0, left - given, None)
