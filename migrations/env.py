"""Runs revisions as the administrator, with lock time limits, and knows every model for the drift check."""

from alembic import context
from sqlalchemy import Connection, text

from app.db.migrate import LOCK_LIMIT
from app.db.registry import METADATA

config = context.config


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        # Who waits for a lock holds up everybody behind: it gives up soon, and `mostrador migrate` tries again.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_LIMIT}ms'"))
        context.run_migrations()


supplied = config.attributes.get("connection")
if supplied is None:
    raise RuntimeError("revisions run through `mostrador migrate`")
_run(supplied)
