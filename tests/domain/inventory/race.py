"""Seeing that somebody waits: a race test holds the first transaction open until the second is stuck behind it."""

import asyncio

import asyncpg


async def until_blocked(admin: asyncpg.Connection, waiting: int = 1) -> None:
    """Return once this many sessions of the database wait for a lock. Raises when none ever does."""
    for _ in range(500):
        # Within a transaction the statistics would stay as they were first read.
        await admin.execute("SELECT pg_stat_clear_snapshot()")
        found = await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if found is not None and found >= waiting:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits: the second transaction was not held back by the first")
