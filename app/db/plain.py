"""Whether `DATABASE_URL` names the plain role that the fence between companies relies on; asked with nothing but the driver.

Row level security does not bind a superuser, a role with BYPASSRLS or, without FORCE, an owner: such a `DATABASE_URL`
would show every company everything, and no request would look wrong.
"""

import asyncio
from typing import Any, Final

import asyncpg

from app.settings import Settings, SettingsError

_FAULTS: Final = (
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


async def check_role(settings: Settings) -> None:
    """Raise `SettingsError` when `DATABASE_URL` names a role that the fence does not bind."""
    options: dict[str, Any] = {"timeout": _PATIENCE}
    if settings.behind_pooler:
        options["statement_cache_size"] = 0
    connection = await asyncpg.connect(settings.database_url, **options)
    try:
        row = await connection.fetchrow(_FAULTS)
    finally:
        await connection.close(timeout=_PATIENCE)
    assert row is not None
    if row["faults"]:
        raise SettingsError(
            f"DATABASE_URL: the role {row['name']} {' and '.join(row['faults'])}; companies are kept apart only from a "
            "plain role. Use mostrador_app, which `mostrador migrate` makes; tables and roles are for DATABASE_ADMIN_URL"
        )


async def why_unknown(settings: Settings) -> str | None:
    """None once the database has answered with a plain role, else why it did not. Raises `SettingsError` for another."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await check_role(settings)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return None
