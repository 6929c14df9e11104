"""The monitor says when PostgreSQL writes bound values into its log: the sale binds what identifies documents."""

import asyncpg

from app.settings import Settings
from worker.looks import Looks


async def test_logged_values_are_told(admin: asyncpg.Connection, settings: Settings) -> None:
    looks = Looks(settings)
    name = await admin.fetchval("SELECT current_database()")
    assert await looks.logged_values() is None
    try:
        await admin.execute(f'ALTER DATABASE "{name}" SET log_min_duration_statement = 60000')
        assert "PIN" in str(await looks.logged_values())
        await admin.execute(f'ALTER DATABASE "{name}" SET log_parameter_max_length = 0')
        assert await looks.logged_values() is None
        await admin.execute(f'ALTER DATABASE "{name}" SET log_parameter_max_length_on_error = 100')
        assert "PIN" in str(await looks.logged_values())
    finally:
        for setting in ("log_min_duration_statement", "log_parameter_max_length", "log_parameter_max_length_on_error"):
            await admin.execute(f'ALTER DATABASE "{name}" RESET {setting}')
