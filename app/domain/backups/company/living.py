"""What a restore in place leaves as it is now: what the operator decided, who may do what, what people agreed to, and keys.

The archive's rows of these tables are loaded and compared like all others, so that the restore is proven whole; then the
live company's own are put back over them, in the same transaction. Of a company that was destroyed nothing is put back.
"""

from typing import Final
from uuid import UUID

import asyncpg

from app.domain.backups.catalogue import Connection, Table, literal, quoted, references
from app.domain.backups.company.format import RestoreRefused

LIVE: Final = {
    "tenant_transition": "the operator's: what became of the company",
    "tenant_module": "the operator's: modules switched by hand",
    "subscription_transition": "the operator's: the life of the subscription",
    "subscription": "the operator's: what is paid for, and the customer at the payment provider",
    "billing_invoice": "the operator's invoices",
    "mrr_movement": "the operator's revenue",
    "billing_notice": "reminders that were mailed",
    "support_ticket": "what was written to the operator",
    "support_ticket_state": "likewise",
    "support_message": "likewise",
    "company_role": "what roles may do",
    "membership": "who belongs to the company, with which role",
    "membership_branch": "branches that people are limited to",
    "invitation": "who was invited, and whose invitation was taken back",
    "member_pin": "a PIN that was changed stays changed",
    "member_pin_try": "a PIN that is locked stays locked",
    "api_key": "a key that was revoked stays revoked",
    "terms_acceptance": "which terms were accepted",
    "consent": "what people agreed to or took back",
    "person_key": "keys of the personal fields of the trail, which goes on",
    "webhook_endpoint": "where the company's data is sent to",
    "webhook_secret": "what signs it",
    "dian_setting": "sealed under a key that may be gone",
    "dian_certificate": "likewise; one that was renewed stays renewed",
    "document_range": "likewise; authorisations that were added stay",
    "dian_former_secret": "likewise",
}
"""Tables that a restore in place does not turn back, and why. Each is looked at as a whole."""

_MAY_BE_EMPTY: Final = frozenset(
    {"membership_branch", "member_pin", "member_pin_try", "webhook_secret", "dian_former_secret"}
)
"""Rows of these are deleted in daily life. Any other table that is empty now while the archive has rows was destroyed."""

TENANT_COLUMNS: Final = (
    "status",
    "status_seq",
    "status_since",
    "trial_ends_at",
    "plan",
    "plan_version",
    "modules",
    "requests_per_minute",
    "totp_required",
)
"""Of `tenant`: the operator's, and whether people need a second factor."""

_COUNTERS: Final = (
    ("document_counter", ("range_id",), "next_no"),
    ("dian_file_counter", ("family", "year"), "next_no"),
    ("webhook_feed", (), "event_no"),
)
"""Numbers that others have seen: they only ever grow."""

_LOOSE: Final = (
    # What they point at went with the restore.
    "DELETE FROM was_membership_branch w WHERE NOT EXISTS "
    "(SELECT FROM branch b WHERE b.tenant_id = w.tenant_id AND b.id = w.branch_id)",
    "DELETE FROM was_consent w WHERE w.customer_id IS NOT NULL AND NOT EXISTS "
    "(SELECT FROM customer c WHERE c.tenant_id = w.tenant_id AND c.id = w.customer_id)",
    # A range without its place would number everywhere.
    "UPDATE was_document_range w SET branch_id = NULL, register_id = NULL, retired_at = coalesce(w.retired_at, now()) "
    "WHERE (w.branch_id IS NOT NULL AND NOT EXISTS "
    "(SELECT FROM branch b WHERE b.tenant_id = w.tenant_id AND b.id = w.branch_id)) "
    "OR (w.register_id IS NOT NULL AND NOT EXISTS "
    "(SELECT FROM cash_register r WHERE r.tenant_id = w.tenant_id AND r.id = w.register_id))",
)
_MAKE_ROOM: Final = (
    # Unique among those in force; what is in force is said by what is put back.
    "UPDATE company_role SET code = id::text WHERE tenant_id = $1 AND EXISTS (SELECT FROM was_company_role)",
    "UPDATE document_range SET retired_at = now() WHERE tenant_id = $1 AND retired_at IS NULL "
    "AND EXISTS (SELECT FROM was_document_range)",
)
_AFTERWARDS: Final = (
    # Roles that were deleted since; nobody has them any more.
    "DELETE FROM company_role r WHERE tenant_id = $1 AND EXISTS (SELECT FROM was_company_role) "
    "AND NOT EXISTS (SELECT FROM was_company_role w WHERE w.id = r.id)",
    "DELETE FROM company_role r WHERE tenant_id = $1 AND NOT EXISTS (SELECT FROM was_company_role) "
    "AND EXISTS (SELECT FROM was_membership) "
    "AND NOT EXISTS (SELECT FROM membership m WHERE m.tenant_id = $1 AND m.company_role_id = r.id)",
    "UPDATE webhook_feed f SET is_listening = w.is_listening FROM was_webhook_feed w "
    "WHERE f.tenant_id = $1 AND w.tenant_id = $1",
    "UPDATE tenant_usage SET used = (SELECT count(*) FROM membership WHERE tenant_id = $1 AND is_active) "
    "WHERE tenant_id = $1 AND resource = 'users'",
)
_ERASED: Final = (
    "SELECT w.person_id FROM was_person_key w JOIN person_key p ON p.tenant_id = w.tenant_id AND p.person_id = w.person_id "
    "WHERE w.erased_at IS NOT NULL AND p.wrapped IS NOT NULL ORDER BY w.person_id"
)
_OTHERWISE: Final = (
    "SELECT count(*) FROM was_membership w LEFT JOIN membership m ON m.tenant_id = w.tenant_id AND m.id = w.id "
    "WHERE m.id IS NULL OR (m.role, m.is_active, m.permissions, m.all_branches) "
    "IS DISTINCT FROM (w.role, w.is_active, w.permissions, w.all_branches)"
)
_DECIDED: Final = (
    "SELECT (t.status, t.plan, t.plan_version, t.trial_ends_at, t.modules) IS DISTINCT FROM "
    "(w.status, w.plan, w.plan_version, w.trial_ends_at, w.modules) FROM was_tenant w JOIN tenant t USING (tenant_id)"
)


async def remember(connection: Connection, tenant_id: UUID, tables: dict[str, Table]) -> None:
    """Set the live company's rows aside, before anything is deleted."""
    for name in (*LIVE, "tenant", *(table for table, _, _ in _COUNTERS)):
        await connection.execute(
            f"CREATE TEMP TABLE {_was(name)} ON COMMIT DROP AS SELECT {_columns(tables[name])} FROM {quoted(name)} "
            f"WHERE tenant_id = {literal(str(tenant_id))}"
        )


async def put_back(connection: Connection, tenant_id: UUID, tables: dict[str, Table]) -> list[str]:
    """Lay what was set aside over what was loaded; answers what was done, in Spanish. Raises `RestoreRefused`."""
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM was_tenant)"):
        return []
    notes = await _notes(connection)
    try:
        for sql in _LOOSE:
            await connection.execute(sql)
        for sql in _MAKE_ROOM:
            await connection.execute(sql, tenant_id)
        laid = [name for name in tables if name in LIVE and await _is_laid(connection, name)]
        emptied = await _emptied(connection, laid)
        for name in reversed(laid):
            if name in emptied:
                await connection.execute(f"DELETE FROM {quoted(name)} WHERE tenant_id = $1", tenant_id)
        for name in laid:
            await _lay(connection, tables[name])
        columns = ", ".join(f"{name} = w.{name}" for name in TENANT_COLUMNS)
        await connection.execute(
            f"UPDATE tenant t SET {columns} FROM was_tenant w WHERE t.tenant_id = $1 AND w.tenant_id = $1", tenant_id
        )
        for sql in _AFTERWARDS:
            await connection.execute(sql, tenant_id)
        notes += await _count_on(connection, tenant_id, tables)
    except asyncpg.PostgresError as error:
        raise RestoreRefused(f"what may not be turned back does not fit what the archive has: {error}") from error
    return notes


async def _is_laid(connection: Connection, name: str) -> bool:
    return name in _MAY_BE_EMPTY or bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM {_was(name)})"))


async def _emptied(connection: Connection, laid: list[str]) -> set[str]:
    """Which of these, parents first, no row that stays points at."""
    found: set[str] = set()
    pairs = await references(connection)
    for name in reversed(laid):
        if all(child in found for child, parent in pairs if parent == name):
            found.add(name)
    return found


async def _lay(connection: Connection, table: Table) -> None:
    """Put the rows of one table back over those of the archive."""
    columns = _columns(table)
    key = ", ".join(quoted(column) for column in table.key)
    changes = ", ".join(
        f"{quoted(one.name)} = excluded.{quoted(one.name)}" for one in table.data if one.name not in table.key
    )
    over = f"UPDATE SET {changes}" if changes else "NOTHING"
    await connection.execute(
        f"INSERT INTO {quoted(table.name)} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {_was(table.name)} "
        f"ON CONFLICT ({key}) DO {over}"
    )


async def _notes(connection: Connection) -> list[str]:
    notes: list[str] = []
    erased = [str(row["person_id"]) for row in await connection.fetch(_ERASED)]
    if erased:
        # All of them: whoever is left out stays with data that was to be destroyed.
        notes.append(
            f"Personas suprimidas después de la copia: {len(erased)}; suprima de nuevo sus datos: {', '.join(erased)}."
        )
    if changed := await connection.fetchval(_OTHERWISE):
        notes.append(
            f"Personas que entraron, salieron o cambiaron de rol después de la copia, y siguen como están hoy: {changed}."
        )
    if await connection.fetchval(_DECIDED):
        notes.append("Estado, plan, módulos y suscripción de la empresa siguen como están hoy.")
    return notes


async def _count_on(connection: Connection, tenant_id: UUID, tables: dict[str, Table]) -> list[str]:
    notes: list[str] = []
    for name, keys, column in _COUNTERS:
        same = " AND ".join(f"c.{key} = w.{key}" for key in keys) or "true"
        label = " || ' ' || ".join(f"w.{key}::text" for key in keys) or "'eventos'"
        raised = await connection.fetch(
            f"UPDATE {name} c SET {column} = w.{column} FROM {_was(name)} w "
            f"WHERE c.tenant_id = $1 AND w.tenant_id = $1 AND {same} AND c.{column} < w.{column} "
            f"RETURNING {label} AS name, w.{column} AS next",
            tenant_id,
        )
        notes += [
            f"El consecutivo de {name} {row['name']} sigue en {row['next']}: un número usado no se repite."
            for row in raised
        ]
        columns = _columns(tables[name])
        await connection.execute(
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {_was(name)} ON CONFLICT DO NOTHING"
        )
    return notes


def _columns(table: Table) -> str:
    return ", ".join(quoted(column.name) for column in table.data)


def _was(name: str) -> str:
    return f"was_{name}"
