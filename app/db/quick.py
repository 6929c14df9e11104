"""Questions in one round trip: a pinned statement on a small pool of its own, without BEGIN and COMMIT around it."""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.db.kept import Connection, KeptConnections, begin_pinned, pinned
from app.lib.actor import ACTOR_COLUMNS, ACTOR_TABLES
from app.lib.staff import SUPPORT_COLUMNS, SUPPORT_TABLES
from app.settings import Settings

_NAME: Final = re.compile(r"(?<![:\w]):([a-z_]+)")


class Question:
    """A SELECT with `:named` values, which may use `:tenant_id` and `:user_id` of who asks."""

    def __init__(self, select: str) -> None:
        self.names: list[str] = []
        self.by_support: Question | None = None
        """The same question where the operator's support asks it, whom the guard let in already."""
        self.sql = _NAME.sub(self._place, pinned(select, ":tenant_id", ":user_id"))

    def _place(self, found: re.Match[str]) -> str:
        if found[1] not in self.names:
            self.names.append(found[1])
        return f"${self.names.index(found[1]) + 1}"


def asked_by(select: str) -> Question:
    """A question whose rows also say who asks, by `:session_id`: one row without the rest where the select has none.

    What `app.lib.actor.admit` decides by, so that a person's or a company's end is seen at once and costs no round trip.
    """
    rest = f"found.* FROM {{}} LEFT JOIN LATERAL ({select}) found ON true WHERE t.tenant_id = :tenant_id AND "
    question = Question(
        f"SELECT {ACTOR_COLUMNS}, {rest.replace('{}', ACTOR_TABLES, 1)}"
        "m.tenant_id = :tenant_id AND m.user_id = :user_id AND a.id = :session_id"
    )
    question.by_support = Question(
        f"SELECT {SUPPORT_COLUMNS}, {rest.replace('{}', SUPPORT_TABLES, 1)}"
        "s.tenant_id = :tenant_id AND s.staff_id = :user_id AND s.id = :session_id"
    )
    return question


class Quick:
    """A few connections that only ever answer questions."""

    def __init__(self, settings: Settings) -> None:
        self._connections = KeptConnections(settings)
        self._local = settings.pin == "set_local"

    async def ask(self, question: Question, tenant_id: UUID, user_id: UUID, **values: Any) -> Sequence[asyncpg.Record]:
        """Answer as one person of one company sees it. Raises `Unavailable` when no connection comes free in time.

        A kept connection that turns out to be dead is replaced once: asking again changes nothing.
        """
        values |= {"tenant_id": tenant_id, "user_id": user_id}
        arguments = [values[name] for name in question.names]
        connections = self._connections
        await connections.wait()
        try:
            if kept := connections.kept():
                try:
                    return await self._ask(kept, question, tenant_id, user_id, arguments)
                except _DEAD:
                    connections.drop()
            return await self._ask(await connections.new(), question, tenant_id, user_id, arguments)
        finally:
            connections.leave()

    async def _ask(
        self,
        connection: Connection,
        question: Question,
        tenant_id: UUID,
        user_id: UUID,
        arguments: Sequence[Any],
    ) -> Sequence[asyncpg.Record]:
        """Ask on this connection and keep it, unless it was left in the middle of something."""
        whole = False
        try:
            if self._local:
                await connection.execute(begin_pinned(tenant_id, user_id))
            rows: Sequence[asyncpg.Record] = await connection.fetch(question.sql, *arguments)
            if self._local:
                await connection.execute("COMMIT")
            whole = True
            return rows
        except asyncpg.PostgresError:
            # The statement was refused and is over; a transaction around it would not be.
            whole = not self._local
            raise
        finally:
            if whole:
                self._connections.keep(connection)
            else:
                connection.terminate()

    async def close(self) -> None:
        await self._connections.close()


_DEAD: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    OSError,
)
