"""Guessing passwords is slow: limits of one account from one address, of the account alone, of the address alone.

An account's own limit counts only addresses it never logged in from, so that strangers who guess at it do not lock its owner
out. Whoever keeps failing waits longer each time; nobody waits inside a request: the answer is 429 with `Retry-After`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis

from app.lib.errors import DomainError, Unavailable
from app.lib.gcra import Gcra, Rate
from app.lib.ratelimit import digest, too_many

PAIR: Final = (6.0, 10)
"""Seconds between two tries of an account from an address, and how many at once (RELIABILITY 9)."""
ACCOUNT: Final = (6.0, 10)
"""Of an account from all the addresses that are strange to it."""
ADDRESS: Final = (1.0, 100)
"""Of an address with all accounts: a whole shop begins its day behind one."""
CODES: Final = (300.0, 5)
CODES_OF_ACCOUNT: Final = (120.0, 20)
"""Of second factors, as of passwords: a million codes are soon tried by whoever knows the password."""

PLACES: Final = 3
"""Logins under way in a process: two hash, one reads or writes."""
LONGEST_QUEUE: Final = 200
"""Logins that may wait for a place or have one: some four seconds of them."""

PATIENCE: Final = 10
"""Wrong tries in a row before the waits begin to double."""
_FIRST_PAUSE: Final = 6.0
_LONGEST_PAUSE: Final = 900.0
_REMEMBERED: Final = 1800.0
"""Seconds without a wrong try after which a pair begins anew."""
_MAX_LOCAL: Final = 50_000

GUESSES: Final = frozenset({"wrong-credentials", "totp-invalid", "wrong-password"})
"""Refusals that count as wrong tries."""

_FAIL: Final = """
local count = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local over = count - tonumber(ARGV[2])
if over >= 0 then
  local pause = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ math.min(over, 20))
  redis.call('SET', KEYS[2], '1', 'PX', math.floor(pause))
end
return count
"""
_PAUSE: Final = "return redis.call('PTTL', KEYS[1])"
_FORGET: Final = "return redis.call('DEL', KEYS[1], KEYS[2])"

Knows = Callable[[], Awaitable[bool]]
"""Whether the account has logged in from this address before; asked only when the answer decides."""

_DETAIL: Final = "Demasiados intentos; espere un momento."


class LoginLimits:
    """Counts tries of passwords and codes."""

    def __init__(self, gcra: Gcra, redis: Redis) -> None:
        self._gcra = gcra
        self._fail = redis.register_script(_FAIL)
        self._pause = redis.register_script(_PAUSE)
        self._forget = redis.register_script(_FORGET)
        self._places = asyncio.Semaphore(PLACES)
        self._waiting = 0
        self._failed: dict[str, tuple[int, float]] = {}
        """While Redis is away: wrong tries in a row, and until when the pair pauses."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one of a few places: a crowd that logs in at once must not keep everybody else from the event loop.

        Raises `Unavailable` when too many wait already.
        """
        if self._waiting >= LONGEST_QUEUE:
            raise Unavailable("Hay demasiados ingresos a la vez; intente de nuevo.", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._places:
                yield
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def attempt(self, account: str, address: str, knows: Knows) -> AsyncIterator[None]:
        """Spend one try for the block that finds out whether it is right. Raises 429 instead of beginning it.

        A block that raises one of `GUESSES` was a wrong try; one that ends was a right one, and costs the account and
        the address nothing.
        """
        name = digest(account)
        pair = f"{name}|{address}"
        await self._refuse_pausing(pair)
        spent = await self._spend(
            [
                Rate(f"rate:login:{pair}", *PAIR),
                Rate(f"rate:login-address:{address}", *ADDRESS),
                Rate(f"rate:login-account:{name}", *ACCOUNT),
            ],
            knows,
            _DETAIL,
        )
        try:
            yield
        except DomainError as refusal:
            if refusal.code in GUESSES:
                await self._count_failure(pair)
            raise
        await self._gcra.give_back(spent[1:])
        await self._forget_failures(pair)

    @asynccontextmanager
    async def code(self, account: str, address: str, knows: Knows) -> AsyncIterator[None]:
        """Spend one try of a second factor for the block that checks it. Raises 429 instead of beginning it."""
        name = digest(account)
        rates = [Rate(f"rate:totp:{name}|{address}", *CODES), Rate(f"rate:totp-account:{name}", *CODES_OF_ACCOUNT)]
        spent = await self._spend(rates, knows, "Demasiados códigos equivocados; espere unos minutos.")
        yield
        await self._gcra.give_back(spent)

    async def _spend(self, rates: list[Rate], knows: Knows, detail: str) -> list[Rate]:
        """Spend of all; the last is the account's own, which an address that it knows passes by."""
        taken = await self._gcra.take(rates)
        if taken.refused_by is rates[-1] and await knows():
            rates = rates[:-1]
            taken = await self._gcra.take(rates)
        if not taken.given:
            raise too_many(taken.wait, detail)
        return rates

    async def _refuse_pausing(self, pair: str) -> None:
        left = await self._gcra.ask(self._pause, [_pause_key(pair)], [])
        wait = left / 1000 if left is not None else self._failed.get(pair, (0, 0.0))[1] - time.monotonic()
        if wait > 0:
            raise too_many(wait, _DETAIL)

    async def _count_failure(self, pair: str) -> None:
        arguments = [int(_REMEMBERED * 1000), PATIENCE, int(_FIRST_PAUSE * 1000), int(_LONGEST_PAUSE * 1000)]
        if await self._gcra.ask(self._fail, [_count_key(pair), _pause_key(pair)], arguments) is not None:
            return
        count, until = self._failed.pop(pair, (0, 0.0))
        now = time.monotonic()
        count = 1 if until and now - until > _REMEMBERED else count + 1
        over = count - PATIENCE
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(over, 20)) if over >= 0 else 0.0
        if len(self._failed) >= _MAX_LOCAL:
            self._failed.pop(next(iter(self._failed)))
        self._failed[pair] = count, now + pause

    async def _forget_failures(self, pair: str) -> None:
        self._failed.pop(pair, None)
        await self._gcra.ask(self._forget, [_count_key(pair), _pause_key(pair)], [])


def _count_key(pair: str) -> str:
    return f"login:failed:{pair}"


def _pause_key(pair: str) -> str:
    return f"login:pause:{pair}"
