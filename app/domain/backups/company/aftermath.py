"""What a restore must change of what the archive says, because the world went on, or because it is another place now."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Database, system_actor
from app.domain.audit.origin import COLUMNS, Stretch, statement
from app.domain.backups.catalogue import Connection
from app.domain.backups.company.format import SEALED, Contents
from app.lib import clock
from app.lib.audit import APPEND, Entry, entry_content

_FAR: Final = timedelta(days=36_500)
_APPEND: Final = "SELECT " + APPEND.format(
    tenant="$1::uuid",
    id="$2::uuid",
    at="$3::timestamptz",
    action="$4::text",
    subject="$5::uuid",
    number="0",
    content="$6::text",
    ipad="$7::bytea",
    opad="$8::bytea",
)
_ON_THEIR_WAY: Final = (
    # What was told or mailed after the snapshot is not told again.
    "UPDATE webhook_delivery SET status = 'failed', last_error = 'La empresa se restauró.' "
    "WHERE tenant_id = $1 AND status = 'pending'",
    "UPDATE document_delivery_state SET status = 'uncertain', claim = NULL, claimed_until = NULL, "
    "message = 'La empresa se restauró: no se sabe si el correo salió.' "
    "WHERE tenant_id = $1 AND status IN ('pending','sending')",
    "UPDATE company_alert_mail SET status = 'skipped', finished_at = now(), reason = 'La empresa se restauró.' "
    "WHERE tenant_id = $1 AND status = 'pending'",
    "UPDATE webhook_feed SET audit_seq = greatest(audit_seq, h.seq) FROM audit_head h "
    "WHERE webhook_feed.tenant_id = $1 AND h.tenant_id = $1",
)
_TRAIL_OF_ANOTHER: Final = (
    # Signed for the company and the installation they were made by.
    "DELETE FROM audit_checkpoint WHERE tenant_id = $1",
    "DELETE FROM audit_archive WHERE tenant_id = $1",
)
_PAID_ELSEWHERE: Final = (
    # One customer at the payment provider pays for one company: neither its payments nor its end are the copy's.
    "DELETE FROM billing_notice WHERE tenant_id = $1",
    "DELETE FROM billing_invoice WHERE tenant_id = $1",
    "DELETE FROM mrr_movement WHERE tenant_id = $1",
    "DELETE FROM subscription WHERE tenant_id = $1",
    "DELETE FROM subscription_transition WHERE tenant_id = $1",
)
_SELLS: Final = ("active", "past-due")
_TO_READ: Final = (
    "WITH step AS (INSERT INTO tenant_transition (tenant_id, seq, previous_seq, from_status, to_status, reason, actor_id, "
    "actor_name, at) SELECT tenant_id, status_seq + 1, status_seq, status, 'read-only', "
    "'Copia de otra empresa: sin suscripción propia.', $2, 'Sistema', $3 FROM tenant WHERE tenant_id = $1 "
    "RETURNING seq, at) "
    "SELECT seq, at FROM step"
)
_STANDS: Final = "UPDATE tenant SET status = 'read-only', status_seq = $2, status_since = $3, trial_ends_at = NULL WHERE tenant_id = $1"
_NOBODY_BUT: Final = "UPDATE membership SET is_active = false WHERE tenant_id = $1 AND user_id <> $2"
_OWNER: Final = (
    "INSERT INTO membership (tenant_id, id, user_id, role, display_name) "
    "SELECT $1, $3, u.id, 'owner', u.name FROM app_user u WHERE u.id = $2 "
    "ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = 'owner', company_role_id = NULL, permissions = NULL, "
    "is_active = true, all_branches = true"
)
_NOBODY_BUT_OWNERS: Final = "UPDATE membership SET is_active = false WHERE tenant_id = $1 AND role <> 'owner'"
_NOBODY_ELSE_COMES: Final = (
    "UPDATE invitation SET revoked_at = now() WHERE tenant_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL",
    "UPDATE tenant_usage SET used = (SELECT count(*) FROM membership WHERE tenant_id = $1 AND is_active) "
    "WHERE tenant_id = $1 AND resource = 'users'",
)
_NOT_FROM_HERE: Final = (
    # Other systems know the company it came from, and what signed for it did not come along.
    "UPDATE webhook_endpoint SET is_active = false, removed_at = coalesce(removed_at, now()) WHERE tenant_id = $1",
    "UPDATE webhook_feed SET is_listening = false, stock_seq = NULL, stock_at = NULL WHERE tenant_id = $1",
    # Its secret came in through a session that did not come along.
    "UPDATE api_key SET revoked_at = now() WHERE tenant_id = $1 AND revoked_at IS NULL",
)


async def in_place(connection: Connection, tenant_id: UUID) -> list[str]:
    """Stop what was on its way when the archive was made; answers what was done, in Spanish."""
    count = await _count(
        connection,
        "UPDATE outbox SET status = 'done', finished_at = now(), last_error = 'Descartado: la empresa se restauró.' "
        "WHERE tenant_id = $1 AND status IN ('pending','queued') AND kind NOT LIKE 'backups.%'",
        tenant_id,
    )
    for sql in _ON_THEIR_WAY:
        await connection.execute(sql, tenant_id)
    return [f"Trabajos pendientes que se descartaron: {count}."] if count else []


async def as_new(
    connection: Connection, database: Database, contents: Contents, tenant_id: UUID, user_id: UUID, *, beside: bool
) -> list[str]:
    """Make a copy fit to live: no secret it cannot open, no document twice at DIAN, a trail that says where it came from."""
    notes = [
        "Firma electrónica, PIN y claves técnicas no viajan: cárguelos de nuevo para facturar.",
        "Webhooks y llaves de API no viajan: créelos de nuevo si los necesita.",
    ]
    for sql in (*_ON_THEIR_WAY, *SEALED.values(), *_TRAIL_OF_ANOTHER, *_NOT_FROM_HERE, *_PAID_ELSEWHERE):
        await connection.execute(sql, tenant_id)
    if beside:
        day = contents.snapshot_at[:10]
        await connection.execute(
            "UPDATE tenant SET name = left(name, 120) || $2 WHERE tenant_id = $1", tenant_id, f" (copia {day})"
        )
        await _let_in(connection, tenant_id, user_id)
        if await _only_reads(connection, tenant_id):
            notes.append("La copia no tiene suscripción y queda en solo lectura: elija un plan para vender en ella.")
        await connection.execute(
            "UPDATE document_state SET next_at = $2 WHERE tenant_id = $1 AND status NOT IN ('accepted','rejected')",
            tenant_id,
            clock.now() + _FAR,
        )
        who = "sus dueños" if user_id == SYSTEM_USER else "quien la pidió, como dueño"
        notes.append(f"Entra solo {who}; los documentos en camino son de la empresa original.")
    await _keep_origin(connection, database, contents, tenant_id)
    return notes


async def _let_in(connection: Connection, tenant_id: UUID, user_id: UUID) -> None:
    """Only an owner may ask for a copy, and is its owner whatever they were at the archive's time; none: those of then."""
    if user_id == SYSTEM_USER:
        await connection.execute(_NOBODY_BUT_OWNERS, tenant_id)
    else:
        await connection.execute(_NOBODY_BUT, tenant_id, user_id)
        await connection.execute(_OWNER, tenant_id, user_id, uuid7())
    for sql in _NOBODY_ELSE_COMES:
        await connection.execute(sql, tenant_id)


async def _only_reads(connection: Connection, tenant_id: UUID) -> bool:
    """Take a copy that could sell to read-only: a second company for the price of one would be had for the asking."""
    status = await connection.fetchval("SELECT status FROM tenant WHERE tenant_id = $1", tenant_id)
    if status not in _SELLS:
        return False
    step = await connection.fetchrow(_TO_READ, tenant_id, SYSTEM_USER, clock.now())
    assert step is not None
    await connection.execute(_STANDS, tenant_id, step["seq"], step["at"])
    return True


async def _keep_origin(connection: Connection, database: Database, contents: Contents, tenant_id: UUID) -> None:
    stretch = Stretch()
    async for row in connection.cursor(
        f"SELECT {COLUMNS} FROM audit_entry WHERE tenant_id = $1 AND seq <= $2 ORDER BY seq",
        tenant_id,
        contents.chain.seq,
    ):
        stretch.add(row)
    last_hash = bytes.fromhex(contents.chain.hash)
    said = statement(tenant_id, contents.tenant_id, contents.chain.seq, last_hash, stretch.digest())
    await connection.execute(
        "INSERT INTO audit_origin (tenant_id, source_tenant_id, last_seq, last_hash, content_hash, signature) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        tenant_id,
        contents.tenant_id,
        contents.chain.seq,
        last_hash,
        stretch.digest(),
        database.audit_seal.sign(said),
    )


async def record(
    connection: Connection,
    database: Database,
    tenant_id: UUID,
    user_id: UUID,
    action: str,
    contents: Contents,
    notes: list[str],
    trail: dict[str, object],
) -> None:
    """The restore's own entry in the company's trail, in the same transaction."""
    after: dict[str, Any] = {
        "archiveOf": contents.tenant_id,
        "snapshotAt": contents.snapshot_at,
        "rootHash": contents.root_hash,
        "rows": contents.rows,
        "chainEnd": {"seq": contents.chain.seq, "hash": contents.chain.hash, "publicKey": contents.chain.public_key},
        "requestedBy": user_id,
        "notes": notes,
        **trail,
    }
    actor, at, entry_id = system_actor(tenant_id), clock.now(), uuid7()
    ipad, opad = database.audit_keys.pads(tenant_id, entry_id)
    content = entry_content(actor, Entry(action=action, subject_id=tenant_id, after=after), at)
    await connection.execute(_APPEND, tenant_id, entry_id, at, action, tenant_id, content, ipad, opad)


async def _count(connection: Connection, sql: str, *values: object) -> int:
    done: str = await connection.execute(sql, *values)
    return int(done.rpartition(" ")[2])
