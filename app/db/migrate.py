"""`mostrador migrate`: login roles from the configured URLs, then Alembic's revisions, under one advisory lock."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.locks import AdvisoryLock
from app.db.registry import METADATA
from app.db.session import driver_url
from app.db.tenancy import APP_ROLE, BACKUP_ROLE, PLATFORM_ROLE
from app.lib.driver import driver_error
from app.settings import Settings, SettingsError

_FOLDER: Final = Path(__file__).resolve().parents[2] / "migrations"

LOCK_LIMIT: Final = 800
"""Milliseconds that a revision waits for a table: everybody who sells waits behind it."""
_PAUSES: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 5.0)
"""Seconds between tries."""
_LOG = structlog.stdlib.get_logger("mostrador.migrate")

_ROLES: Final = (APP_ROLE, PLATFORM_ROLE, BACKUP_ROLE)


def alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


async def migrate(settings: Settings, revision: str = "head") -> None:
    """Bring the database to a revision. Raises `SettingsError` without an administrator's URL."""
    await _as_admin(settings, lambda connection: _move(connection, settings, revision))


async def prepare_roles(settings: Settings) -> None:
    """Make the plain login roles, as before the first revision: a restore needs them to give back their rights."""
    await _as_admin(settings, lambda connection: _create_roles(connection, settings))


async def drift(settings: Settings) -> list[str]:
    """What models and database disagree about; empty when they are the same."""
    found: list[str] = []
    await _as_admin(settings, lambda connection: found.extend(_compare(connection)))
    return found


def _compare(connection: Connection) -> Iterator[str]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    for difference in compare_metadata(context, METADATA):
        yield repr(difference)


def _move(connection: Connection, settings: Settings, revision: str) -> None:
    with _turn(connection):
        _create_roles(connection, settings)
        config = alembic_config(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        step = command.downgrade if _is_older(revision, current) else command.upgrade
        for pause in _PAUSES:
            try:
                step(config, revision)
                return
            except DBAPIError as error:
                if not isinstance(driver_error(error), asyncpg.LockNotAvailableError):
                    raise
                connection.rollback()
                # A relative step that was taken before the refused one must not be taken twice.
                if MigrationContext.configure(connection).get_current_revision() != current and revision[0] in "+-":
                    raise
                connection.commit()
                _LOG.warning("a table is in use, the revision waits", seconds=pause)
            time.sleep(pause)
        step(config, revision)


def _is_older(revision: str, current: str | None) -> bool:
    if revision == "base" or revision.startswith("-"):
        return True
    if revision in {"head", "heads"} or revision.startswith("+") or current is None:
        return False
    script = ScriptDirectory.from_config(alembic_config())
    return revision in {step.revision for step in script.iterate_revisions(current, "base")} and revision != current


@contextmanager
def _turn(connection: Connection) -> Iterator[None]:
    # Two migrators started together take turns.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int(AdvisoryLock.MIGRATION)})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": int(AdvisoryLock.MIGRATION)})
        connection.commit()


def _create_roles(connection: Connection, settings: Settings) -> None:
    """Make the plain login roles that are missing, with the passwords their URLs name; never touches an existing one's rights."""
    passwords: dict[str, str | None] = {}
    for url in (settings.database_url, settings.database_platform_url, settings.database_backup_url):
        if url:
            parsed = make_url(url)
            passwords[parsed.username or ""] = parsed.password and str(parsed.password)
    existing = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    for role in _ROLES:
        password = passwords.get(role)
        # CREATE ROLE takes no parameters; format(%L) quotes on the server.
        if role not in existing:
            bypass = "BYPASSRLS" if role == BACKUP_ROLE else "NOBYPASSRLS"
            _format(
                connection,
                f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {bypass} PASSWORD %L",
                password,
            )
        elif password is not None:
            _format(connection, f"ALTER ROLE {role} PASSWORD %L", password)
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {', '.join(_ROLES)}"))
    connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    connection.commit()


def _format(connection: Connection, template: str, value: str | None) -> None:
    statement = connection.execute(
        text("SELECT format(:template, CAST(:value AS text))"), {"template": template, "value": value}
    )
    connection.exec_driver_sql(statement.scalar_one())


async def _as_admin(settings: Settings, block: Callable[[Connection], None]) -> None:
    if settings.database_admin_url is None:
        raise SettingsError("DATABASE_ADMIN_URL is missing: revisions need the owner of the tables")
    engine = create_async_engine(driver_url(settings.database_admin_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(block)
    finally:
        await engine.dispose()
