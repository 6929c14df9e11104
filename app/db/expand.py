"""What a migration may do while the shops sell: grow the tables, never change under the code that still runs.

docs/operaciones/migraciones.md has the rules, `tests/db/test_expand.py` checks them on every revision after the first release.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text


def add_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False, where: str | None = None) -> None:
    """Build an index beside the sales; one that an earlier try left by halves is built anew."""
    listed = ", ".join(f'"{column}"' for column in columns)
    condition = f" WHERE {where}" if where else ""
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with op.get_context().autocommit_block():
        half = op.get_bind().scalar(
            text("SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid)"),
            {"name": name},
        )
        # It waits for transactions that began before it, and holds nobody up while it does.
        op.execute("SET lock_timeout = '60s'")
        if half:
            op.execute(f'DROP INDEX CONCURRENTLY "{name}"')
        op.execute(f'CREATE {kind} CONCURRENTLY IF NOT EXISTS "{name}" ON "{table}" ({listed}){condition}')
        op.execute("RESET lock_timeout")


def drop_index(name: str) -> None:
    """Take an index away beside the sales."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '60s'")
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        op.execute("RESET lock_timeout")
