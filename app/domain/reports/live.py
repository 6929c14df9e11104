"""Today's figures as they change: server-sent events, each the dashboard whole, read by the reports' own definitions."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

from msgspec import structs
from sqlalchemy import text

from app.db.session import Database
from app.domain.reports.dashboard import dashboard
from app.domain.reports.tables import heading
from app.lib.actor import ACTOR_TABLES, GATE_COLUMNS, Access, Actor, admit
from app.lib.errors import DomainError, TooMany
from app.lib.schemas import JSON

EVERY: Final = 2.0
"""Seconds between looks."""
MOST: Final = 6
"""Streams of one person that one process keeps open: tabs that nobody closed must not read the books for ever."""
_open: Counter[tuple[UUID, UUID]] = Counter()
_STILL: Final = text(
    f"SELECT {GATE_COLUMNS} FROM {ACTOR_TABLES} WHERE m.tenant_id = :tenant_id AND t.tenant_id = :tenant_id "
    "AND m.user_id = :user_id AND a.id = :session_id"
)
_ACCESS: Final = Access("reports:read", writes=False, in_read_only=False)
_AGAIN: Final = b"retry: 3000\n\n"
"""Milliseconds after which a browser comes back by itself."""
_QUIET: Final = b": sigue\n\n"
"""A comment, so that no proxy takes a quiet shop for a dead connection."""


def check_streams(actor: Actor) -> None:
    """Raises 429 for whoever has enough of them."""
    if _open[actor.tenant_id, actor.user_id] >= MOST:
        raise TooMany(
            f"Ya tiene {MOST} tableros en vivo abiertos; cierre alguno.", headers={"Retry-After": f"{int(EVERY)}"}
        )


async def events(database: Database, actor: Actor, seconds: float, every: float = EVERY) -> AsyncGenerator[bytes, None]:
    """One event at once, and one whenever a figure changed, for so many seconds; the browser then asks again.

    Ends at once for somebody who was put out meanwhile; shows no more than the person may see at each look.
    """
    mine = (actor.tenant_id, actor.user_id)
    _open[mine] += 1
    try:
        async for one in _looks(database, actor, seconds, every):
            yield one
    finally:
        _open[mine] -= 1
        if not _open[mine]:
            del _open[mine]


async def _looks(database: Database, actor: Actor, seconds: float, every: float) -> AsyncGenerator[bytes, None]:
    yield _AGAIN
    until = time.monotonic() + seconds
    last = b""
    while True:
        now = await _look(database, actor)
        if now is None:
            return
        stamp, body = now
        if stamp != last:
            yield b"event: dashboard\ndata: " + body + b"\n\n"
            last = stamp
        else:
            yield _QUIET
        if time.monotonic() + every > until:
            return
        await asyncio.sleep(every)


async def _look(database: Database, actor: Actor) -> tuple[bytes, bytes] | None:
    """What changes and the whole of it; None for whoever may no longer see it."""
    async with database.tenant_transaction(actor) as work:
        values = {"tenant_id": actor.tenant_id, "user_id": actor.user_id, "session_id": actor.session_id}
        row = (await work.session.execute(_STILL, values)).mappings().one_or_none()
        try:
            role, permissions = admit(dict(row) if row else None, _ACCESS)
        except DomainError:
            return None
        assert row is not None
        branches = None if row["branches"] is None else frozenset(row["branches"])
        work.actor = structs.replace(actor, role=role, permissions=permissions, branches=branches)
        found = await dashboard(work, (await heading(work)).company)
    compared = JSON.encode([found.today, found.month, found.tenders, found.open_sessions])
    return compared, JSON.encode(found)
