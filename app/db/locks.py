"""PostgreSQL's advisory locks that the installation uses, in one place: one number for two purposes stops both.

Seen once: the monitor holds its lock as long as it lives, and changes of the staff waited for the same number in vain.
"""

from enum import IntEnum, unique
from typing import Any, Final

from sqlalchemy import text

_TAKE: Final = text("SELECT pg_advisory_xact_lock(:key)")
_TAKE_FOR: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, :key))")


@unique
class AdvisoryLock(IntEnum):
    """Key of each. Those of one name are its hash, with the key as the seed."""

    MIGRATION = 7_046_029
    MONITOR = 7_046_030
    COMPANY_OF_AN_ID = 7_046_031
    STAFF = 7_046_032


async def take_turn(session: Any, lock: AdvisoryLock, name: str | None = None) -> None:
    """Wait for a lock of the whole installation, or for that of one name, until the transaction ends."""
    if name is None:
        await session.execute(_TAKE, {"key": int(lock)})
    else:
        await session.execute(_TAKE_FOR, {"name": name, "key": int(lock)})
