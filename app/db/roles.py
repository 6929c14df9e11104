"""Whether this process connects as the plain role that the fence between companies relies on.

Row level security does not bind a superuser, a role with BYPASSRLS or, without FORCE, an owner: such a `DATABASE_URL`
would show every company everything, and no request would look wrong.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.session import Database
from app.settings import SettingsError

_LOG = structlog.stdlib.get_logger("mostrador.roles")

_FAULTS: Final = text(
    "SELECT current_user AS name, array_remove(ARRAY["
    "CASE WHEN rolsuper THEN 'is a superuser' END, "
    "CASE WHEN rolbypassrls THEN 'bypasses row level security' END, "
    "CASE WHEN rolcreaterole THEN 'creates roles' END, "
    "CASE WHEN EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) THEN 'owns tables' END, "
    "CASE WHEN EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) THEN 'is a member of another role' END, "
    "CASE WHEN has_schema_privilege('public', 'CREATE') THEN 'creates tables' END], NULL) AS faults "
    "FROM pg_roles r WHERE rolname = current_user"
)
_PATIENCE: Final = 2.0
"""Seconds that a start waits for the database."""
_AGAIN: Final = 2.0
"""Seconds between questions to a database that does not answer."""


async def check_role(database: Database) -> None:
    """Raise `SettingsError` when `DATABASE_URL` names a role that the fence does not bind."""
    async with database.engine.connect() as connection:
        row = (await connection.execute(_FAULTS)).one()
    if row.faults:
        raise SettingsError(
            f"DATABASE_URL: the role {row.name} {' and '.join(row.faults)}; companies are kept apart only from a plain "
            "role. Use mostrador_app, which `mostrador migrate` makes; tables and roles are for DATABASE_ADMIN_URL"
        )


@asynccontextmanager
async def plain_role(database: Database) -> AsyncIterator[None]:
    """Serve only as a plain role: raises `SettingsError` at once, or ends the process once an absent database answers."""
    watch: asyncio.Task[None] | None = None
    if not await _is_known(database):
        watch = asyncio.create_task(_watch(database), name="role of the database")
    try:
        yield
    finally:
        if watch is not None:
            watch.cancel()


async def _is_known(database: Database) -> bool:
    """Whether the database answered, with a plain role."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await check_role(database)
    except (DBAPIError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        _LOG.warning("role not checked yet: the database does not answer", reason=f"{type(error).__name__}: {error}")
        return False
    return True


async def _watch(database: Database) -> None:
    """Ask until the answer is known; a wrong role ends the process as its operator would."""
    try:
        while not await _is_known(database):  # noqa: ASYNC110 - what is waited for is another machine
            await asyncio.sleep(_AGAIN)
    except SettingsError as error:
        _LOG.critical("wrong role", reason=str(error))
        signal.raise_signal(signal.SIGTERM)
