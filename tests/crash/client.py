"""A client that insists: it repeats a request, with the same key and body, until there is an answer that settles it."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.cli.replay.wire import Answer, Unreachable, Wire
from app.lib.nit import check_digit
from app.lib.schemas import JSON

PATIENCE_SECONDS = 180.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
_RENEW_AT = 0.6
"""Part of an access token's life after which it is renewed."""
_JSON = {"Content-Type": "application/json"}

Headers = Callable[[], Awaitable[dict[str, str]]]


class GaveUp(Exception):
    """No settling answer within the patience; the message says what came instead."""


class Refused(Exception):
    """The API said no to what it should have taken."""


@dataclass
class Insistence:
    """Sends through lost connections and 5xx, and counts them."""

    interrupted: Counter[str] = field(default_factory=Counter)

    async def send(self, wire: Wire, method: str, path: str, headers: Headers, body: bytes = b"") -> tuple[Answer, int]:
        """The answer that settles it, and how many tries it took; `headers` are made anew for each. Raises `GaveUp`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = _FIRST_PAUSE
        tries = 0
        while True:
            tries += 1
            try:
                answer = await wire.send(method, path, await headers(), body)
                if not _is_later(answer):
                    return answer, tries
                reason = str(answer.status)
                detail = answer.body.decode(errors="replace")[:300]
            except Unreachable as error:
                reason, detail = "no answer", str(error)
            self.interrupted[reason] += 1
            if time.monotonic() > deadline:
                raise GaveUp(f"{method} {path}: {reason} after {tries} tries: {detail}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _unsigned() -> dict[str, str]:
    return _JSON


def _is_later(answer: Answer) -> bool:
    return answer.status >= 500 or answer.status == 429 or (answer.status == 409 and "retry-after" in answer.headers)


class Account:
    """A person of a company, always with a token that still lives for a while."""

    def __init__(self, insistence: Insistence, url: str, number: int) -> None:
        self._insistence = insistence
        self._wire = Wire(url)
        self._number = number
        self._turn = asyncio.Lock()
        self._access = ""
        self._refresh = ""
        self._renew_at = 0.0
        self.email = f"dueno-{uuid7().hex}@tienda.test"
        self.password = secrets.token_urlsafe(18)
        self.tenant = ""

    async def sign_up(self) -> int:
        """Found the company; answers how many tries it took."""
        nit = str(800_000_000 + secrets.randbelow(199_000_000))
        body = {
            "company": {"name": f"Tienda {self._number}", "nit": f"{nit}-{check_digit(nit)}"},
            "owner": {"name": "Dueña", "email": self.email, "password": self.password},
        }
        answer, tries = await self._send("/v1/auth/signup", body)
        if answer.status == 409 and tries > 1:
            # The first try was carried out and its answer lost: sign-up has no key, the address is its identity.
            answer = await self._log_in()
        self._keep(_good(answer))
        return tries

    async def headers(self, key: str | None = None) -> dict[str, str]:
        """Of a request as this person; renews the token when it is time to."""
        if time.monotonic() > self._renew_at:
            async with self._turn:
                if time.monotonic() > self._renew_at:
                    answer, _ = await self._send("/v1/auth/refresh", {"refreshToken": self._refresh})
                    self._keep(_good(answer if answer.status == 200 else await self._log_in()))
        headers = {**_JSON, "Authorization": f"Bearer {self._access}"}
        return {**headers, "Idempotency-Key": key} if key else headers

    def forget_token(self) -> None:
        """It was refused: renew it before the next request."""
        self._renew_at = 0.0

    async def close(self) -> None:
        await self._wire.close()

    async def get(self, path: str) -> Any:
        answer, _ = await self._insistence.send(self._wire, "GET", path, self.headers)
        return _good(answer).json()

    async def post(self, path: str, body: Any) -> Any:
        headers = partial(self.headers, uuid7().hex)
        answer, _ = await self._insistence.send(self._wire, "POST", path, headers, JSON.encode(body))
        return _good(answer).json()

    async def log_in(self, email: str, password: str) -> None:
        """Be somebody who signed up before."""
        self.email, self.password = email, password
        self._keep(_good(await self._log_in()))

    async def _log_in(self) -> Answer:
        answer, _ = await self._send("/v1/auth/login", {"email": self.email, "password": self.password})
        return answer

    async def _send(self, path: str, body: Any) -> tuple[Answer, int]:
        return await self._insistence.send(self._wire, "POST", path, _unsigned, JSON.encode(body))

    def _keep(self, answer: Answer) -> None:
        tokens = answer.json()
        self._access, self._refresh = tokens["accessToken"], tokens["refreshToken"]
        self._renew_at = time.monotonic() + _RENEW_AT * tokens["expiresIn"]
        if "tenant" in tokens:
            self.tenant = str(UUID(tokens["tenant"]["id"]))


def _good(answer: Answer) -> Answer:
    if answer.status not in {200, 201}:
        raise Refused(f"{answer.status}: {answer.body.decode(errors='replace')[:500]}")
    return answer
