"""The fence between companies: row level security, grants and roles, written by migrations through here alone.

Every tenant table gets its policy, its grants and its check from `protect`; `tests/db/test_catalogue.py` fails on any that did not.
"""

from collections.abc import Iterable
from typing import Literal

from alembic import op

APP_ROLE = "mostrador_app"
"""Plain role of the API and of jobs: owns nothing, bypasses nothing."""
PLATFORM_ROLE = "mostrador_platform"
"""What must see across companies (relay, schedules, the operator's panel): a short, tested list of tables."""
BACKUP_ROLE = "mostrador_backup"
"""Reads everything, writes nothing."""

TENANT_SETTING = "nullif(current_setting('app.tenant_id', true), '')::uuid"
"""Unset reads as `''` on a reused connection, never as another company."""
USER_SETTING = "nullif(current_setting('app.user_id', true), '')::uuid"
LOGIN_SETTING = "nullif(current_setting('app.login_email', true), '')"

Grant = Literal["select", "insert", "update", "delete"]


def protect(
    table: str,
    grants: Iterable[Grant] = ("select", "insert"),
    *,
    tenant_column: str = "tenant_id",
    update_columns: Iterable[str] = (),
    platform: Iterable[Grant] = (),
) -> None:
    """Fence a tenant table and say what the application may do with it.

    The default grants fit a row that is never edited. `update_columns` narrows an update grant to columns;
    `platform` opens the table across companies to the platform role for those verbs only.
    """
    grants = list(grants)
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(
        f'CREATE POLICY tenant_fence ON "{table}" TO {APP_ROLE} '
        f"USING ({tenant_column} = {TENANT_SETTING}) WITH CHECK ({tenant_column} = {TENANT_SETTING})"
    )
    _grant(table, grants, APP_ROLE, update_columns)
    open_to_platform(table, platform)
    op.execute(f'GRANT SELECT ON "{table}" TO {BACKUP_ROLE}')


def also_visible(table: str, name: str, condition: str, verb: Literal["select", "update"] = "select") -> None:
    """A second policy for the application role: what one person may see of companies before one is chosen."""
    op.execute(f'CREATE POLICY {name} ON "{table}" FOR {verb.upper()} TO {APP_ROLE} USING ({condition})')


def open_to_platform(table: str, verbs: Iterable[Grant]) -> None:
    """Let the platform role see all rows of a fenced table for these verbs: upkeep across people or companies."""
    verbs = list(verbs)
    for verb in verbs:
        check = "WITH CHECK (true)" if verb == "insert" else "USING (true)"
        op.execute(f'CREATE POLICY platform_{verb} ON "{table}" FOR {verb.upper()} TO {PLATFORM_ROLE} {check}')
    _grant(table, verbs, PLATFORM_ROLE, ())


def protect_person(table: str, condition: str, grants: Iterable[Grant], update_columns: Iterable[str] = ()) -> None:
    """Fence a global table of people: a request sees the rows of its own person, or of the e-mail that logs in."""
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY person_fence ON "{table}" TO {APP_ROLE} USING ({condition}) WITH CHECK ({condition})')
    _grant(table, list(grants), APP_ROLE, update_columns)
    op.execute(f'GRANT SELECT ON "{table}" TO {BACKUP_ROLE}')


def share(table: str, grants: Iterable[Grant] = ("select",), platform: Iterable[Grant] = ("select",)) -> None:
    """A small global table (tax rates, schedules, heartbeats): no company in it, no fence, only grants."""
    _grant(table, list(grants), APP_ROLE, ())
    _grant(table, list(platform), PLATFORM_ROLE, ())
    op.execute(f'GRANT SELECT ON "{table}" TO {BACKUP_ROLE}')


def _grant(table: str, verbs: list[Grant], role: str, update_columns: Iterable[str]) -> None:
    columns = ", ".join(update_columns)
    for verb in verbs:
        scope = f" ({columns})" if verb == "update" and columns else ""
        op.execute(f'GRANT {verb.upper()}{scope} ON "{table}" TO {role}')
