"""The driver's own exception behind SQLAlchemy's wrappers."""

from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

POSTGRES_AWAY: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What the driver says of a connection that breaks in the middle of a message.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What a PostgreSQL that is away, starting, stopping or out of room looks like to who asks it directly."""


def driver_error(error: DBAPIError) -> BaseException:
    """What asyncpg raised; it tells the constraint and the SQLSTATE class that the wrappers hide."""
    wrapped = error.orig
    if wrapped is None:
        return error
    return wrapped.__cause__ or wrapped


def constraint_of(error: DBAPIError) -> str | None:
    """Name of the broken constraint, if one was."""
    return getattr(driver_error(error), "constraint_name", None)
