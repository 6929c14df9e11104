"""The driver's own exception behind SQLAlchemy's wrappers."""

import re
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


_SHARD: Final = re.compile(r"_\d{5,}$")
"""What Citus adds to the name that a constraint has on a shard."""


def constraint_name(error: BaseException) -> str:
    """Name of the broken constraint as our models have it, none of which ends in a number; empty if none was."""
    return _SHARD.sub("", getattr(error, "constraint_name", None) or "")


def constraint_of(error: DBAPIError) -> str | None:
    """Name of the broken constraint, if one was."""
    return constraint_name(driver_error(error)) or None
