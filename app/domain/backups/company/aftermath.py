"""What a restore must change of what the archive says, because the world went on, or because it is another place now."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from app.db.session import Database, system_actor
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
_COUNTERS: Final = (
    ("document_counter", "range_id", "next_no"),
    ("dian_file_counter", "family || ' ' || year", "next_no"),
    ("webhook_feed", "'eventos'", "event_no"),
)
_ON_THEIR_WAY: Final = (
    # What was told or mailed after the snapshot is not told again.
    "UPDATE webhook_delivery SET status = 'failed', last_error = 'La empresa se restauró.' "
    "WHERE tenant_id = $1 AND status = 'pending'",
    "UPDATE document_delivery_state SET status = 'uncertain', claim = NULL, claimed_until = NULL, "
    "message = 'La empresa se restauró: no se sabe si el correo salió.' "
    "WHERE tenant_id = $1 AND status IN ('pending','sending')",
    "UPDATE webhook_feed SET audit_seq = greatest(audit_seq, h.seq) FROM audit_head h "
    "WHERE webhook_feed.tenant_id = $1 AND h.tenant_id = $1",
)
_TRAIL_OF_ANOTHER: Final = (
    # Signed for the company and the installation they were made by.
    "DELETE FROM audit_checkpoint WHERE tenant_id = $1",
    "DELETE FROM audit_archive WHERE tenant_id = $1",
)
_NOT_FROM_HERE: Final = (
    # Other systems know the company it came from, and what signed for it did not come along.
    "UPDATE webhook_endpoint SET is_active = false, removed_at = coalesce(removed_at, now()) WHERE tenant_id = $1",
    "UPDATE webhook_feed SET is_listening = false, stock_seq = NULL, stock_at = NULL WHERE tenant_id = $1",
    # Its secret came in through a session that did not come along.
    "UPDATE api_key SET revoked_at = now() WHERE tenant_id = $1 AND revoked_at IS NULL",
)


class Before(msgspec.Struct, frozen=True):
    """Of the live company, what may not be turned back."""

    erased: list[UUID]
    """People whose personal data was destroyed at their wish."""
    left: list[UUID]
    """Users who were put out."""
    counters: dict[str, dict[str, int]]


async def remember(connection: Connection, tenant_id: UUID) -> Before:
    """Read it before anything is deleted."""
    erased = await connection.fetch(
        "SELECT person_id FROM person_key WHERE tenant_id = $1 AND erased_at IS NOT NULL", tenant_id
    )
    left = await connection.fetch("SELECT user_id FROM membership WHERE tenant_id = $1 AND NOT is_active", tenant_id)
    counters: dict[str, dict[str, int]] = {}
    for table, key, column in _COUNTERS:
        rows = await connection.fetch(
            f"SELECT {key} AS key, {column} AS next FROM {table} WHERE tenant_id = $1", tenant_id
        )
        counters[table] = {str(row["key"]): row["next"] for row in rows}
    return Before([row["person_id"] for row in erased], [row["user_id"] for row in left], counters)


async def in_place(connection: Connection, tenant_id: UUID, before: Before) -> list[str]:
    """Keep what may not be turned back; answers what was done, in Spanish."""
    notes: list[str] = []
    count = await _count(
        connection,
        "UPDATE person_key SET wrapped = NULL, erased_at = now() WHERE tenant_id = $1 AND person_id = ANY($2) "
        "AND wrapped IS NOT NULL",
        tenant_id,
        before.erased,
    )
    if count:
        people = ", ".join(str(person) for person in before.erased[:20])
        notes.append(f"Personas suprimidas después de la copia: {count}; suprima de nuevo sus datos: {people}.")
    count = await _count(
        connection,
        "UPDATE membership SET is_active = false WHERE tenant_id = $1 AND user_id = ANY($2) AND is_active",
        tenant_id,
        before.left,
    )
    if count:
        notes.append(f"Personas retiradas después de la copia, que siguen retiradas: {count}.")
    for table, key, column in _COUNTERS:
        for name, following in before.counters[table].items():
            raised = await _count(
                connection,
                f"UPDATE {table} SET {column} = $3 WHERE tenant_id = $1 AND ({key})::text = $2 AND {column} < $3",
                tenant_id,
                name,
                following,
            )
            if raised:
                notes.append(f"El consecutivo de {table} {name} sigue en {following}: un número usado no se repite.")
    count = await _count(
        connection,
        "UPDATE outbox SET status = 'done', finished_at = now(), last_error = 'Descartado: la empresa se restauró.' "
        "WHERE tenant_id = $1 AND status IN ('pending','queued') AND kind NOT LIKE 'backups.%'",
        tenant_id,
    )
    if count:
        notes.append(f"Trabajos pendientes que se descartaron: {count}.")
    for sql in _ON_THEIR_WAY:
        await connection.execute(sql, tenant_id)
    return notes


async def as_new(
    connection: Connection, database: Database, contents: Contents, tenant_id: UUID, user_id: UUID, *, beside: bool
) -> list[str]:
    """Make a copy fit to live: no secret it cannot open, no document twice at DIAN, a trail that says where it came from."""
    notes = [
        "Firma electrónica, PIN y claves técnicas no viajan: cárguelos de nuevo para facturar.",
        "Webhooks y llaves de API no viajan: créelos de nuevo si los necesita.",
    ]
    for sql in (*_ON_THEIR_WAY, *SEALED.values(), *_TRAIL_OF_ANOTHER, *_NOT_FROM_HERE):
        await connection.execute(sql, tenant_id)
    if beside:
        day = contents.snapshot_at[:10]
        await connection.execute(
            "UPDATE tenant SET name = left(name, 120) || $2 WHERE tenant_id = $1", tenant_id, f" (copia {day})"
        )
        await connection.execute(
            "UPDATE membership SET is_active = false WHERE tenant_id = $1 AND user_id <> $2", tenant_id, user_id
        )
        await connection.execute(
            "UPDATE document_state SET next_at = $2 WHERE tenant_id = $1 AND status NOT IN ('accepted','rejected')",
            tenant_id,
            clock.now() + _FAR,
        )
        notes.append("Entra solo quien la pidió; los documentos en camino son de la empresa original.")
    await _keep_origin(connection, database, contents, tenant_id)
    return notes


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
