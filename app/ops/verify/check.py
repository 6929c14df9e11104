"""A question of `mostrador verify`, and what it may answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import asyncpg
import httpx
import msgspec

from app.db.session import SERVER_SETTINGS
from app.settings import Settings

State = Literal["ok", "warning", "red", "skipped"]

LIMIT: Final = 20.0
"""Seconds a check may take."""
CONNECT: Final = 5
"""Seconds to reach a server."""


class Fault(msgspec.Struct, frozen=True):
    """Something wrong: what was seen, and what to do about it, both in Spanish."""

    seen: str
    cure: str
    name: str | None = None
    """Of the result, where the check speaks of several things; the check's own unless given."""
    is_warning: bool = False
    """May be deployed with, knowing it."""


class NotAsked(Exception):
    """The question does not arise in this installation; the message says why."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked."""

    environ: Mapping[str, str]
    settings: Settings | None
    """None when the variables do not make any."""
    refused: tuple[str, ...] = ()
    """Why not, one sentence a variable."""
    known: frozenset[str] = frozenset()
    """Every variable that the settings ask for."""
    is_running: bool = False
    """Also what only a running installation can answer."""
    evidence: Path | None = None
    """Where CI wrote which commit its tests were green at."""
    lock: Path | None = None
    """The pinned requirements."""
    least_free: int = 2_000_000_000
    """Bytes that each disk must have left."""

    @property
    def whole(self) -> Settings:
        """The settings. Raises `NotAsked` without any."""
        if self.settings is None:
            raise NotAsked("las variables no forman una configuración")
        return self.settings

    def is_set(self, name: str) -> bool:
        return bool(self.environ.get(name, "").strip())


Ask = Callable[[Context], Awaitable[Sequence[Fault]]]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question. Its name is what an operator greps for."""

    name: str
    area: str
    title: str
    ask: Ask
    needs: tuple[str, ...] = ()
    """Checks that must not be red for this one to make sense."""


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """One line of the table."""

    name: str
    area: str
    title: str
    state: State
    seen: str = ""
    cure: str = ""


async def answer(check: Check, context: Context, red: frozenset[str]) -> list[Result]:
    """Ask, and never raise: what cannot be found out is red, for nobody knows that it is right."""

    def result(state: State, seen: str = "", cure: str = "", name: str | None = None) -> Result:
        return Result(name or check.name, check.area, check.title, state, seen, cure)

    blocked = [name for name in check.needs if name in red]
    if blocked:
        return [result("skipped", f"depende de {', '.join(blocked)}")]
    try:
        async with asyncio.timeout(LIMIT):
            faults = await check.ask(context)
    except NotAsked as reason:
        return [result("skipped", str(reason))]
    except TimeoutError:
        return [result("red", f"no respondió en {LIMIT:.0f} segundos", "Compruebe la red hasta ese servicio.")]
    except Exception as error:  # noqa: BLE001 - said in its line, with its type
        return [result("red", f"no se pudo comprobar: {type(error).__name__}: {error}"[:400], "Corrija lo que dice.")]
    if not faults:
        return [result("ok")]
    return [result("warning" if f.is_warning else "red", f.seen, f.cure, f.name) for f in faults]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for a few questions, through a pooler or not."""
    connection = await asyncpg.connect(url, timeout=CONNECT, server_settings=SERVER_SETTINGS, statement_cache_size=0)
    try:
        yield connection
    finally:
        connection.terminate()


def outside() -> httpx.AsyncClient:
    """A client that trusts whom this machine trusts, and follows nobody anywhere."""
    return httpx.AsyncClient(
        timeout=CONNECT, follow_redirects=False, trust_env=False, verify=ssl.create_default_context()
    )
