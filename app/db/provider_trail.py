"""The operator's own audit chain: what its staff does, linked like a company's, in the transaction that does it.

hash(n) = HMAC(key of row n, hash(n-1) ‖ int8(n) ‖ int8(0) ‖ content), under a key that is no company's.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Work
from app.lib import clock
from app.lib.audit import GENESIS, AuditKeys
from app.lib.schemas import canonical
from app.lib.staff import Staff
from app.lib.tokens import NO_COMPANY

_HEAD = text("SELECT seq, hash FROM provider_trail_head WHERE id = 1 FOR UPDATE")
_APPEND = text(
    "INSERT INTO provider_entry (seq, id, at, action, staff_id, company_id, content, hash) "
    "VALUES (:seq, :id, :at, :action, :staff_id, :company_id, :content, :hash)"
)
_MOVE = text("UPDATE provider_trail_head SET seq = :seq, hash = :hash WHERE id = 1")
_ENTRIES = text("SELECT seq, id, content, hash FROM provider_entry WHERE seq > :seq ORDER BY seq LIMIT :count")
_END = text("SELECT seq, hash FROM provider_trail_head WHERE id = 1")
_BATCH: Final = 1_000

COMMAND_LINE: Final = Staff(
    id=SYSTEM_USER, session_id=SYSTEM_USER, name="mostrador provider-user", role="admin", address="", request_id=""
)
"""Who acts where somebody with the keys of the machine does."""


async def append(
    work: Work, staff: Staff, action: str, subject_id: UUID, *, company_id: UUID | None = None, after: Any = None
) -> None:
    """Chain one entry. Call last in a transaction: it holds the chain's end until commit."""
    head = (await work.session.execute(_HEAD)).one()
    seq, entry_id, at = head.seq + 1, uuid7(), clock.now()
    content = canonical(
        {
            "at": at,
            "staff": {"id": staff.id, "name": staff.name, "role": staff.role},
            "address": staff.address,
            "requestId": staff.request_id,
            "action": action,
            "subject": subject_id,
            "company": company_id,
            "after": after,
        }
    ).decode()
    linked = work.database.audit_keys.link(NO_COMPANY, entry_id, head.hash, seq, 0, content)
    await work.session.execute(
        _APPEND,
        {
            "seq": seq,
            "id": entry_id,
            "at": at,
            "action": action,
            "staff_id": staff.id,
            "company_id": company_id,
            "content": content,
            "hash": linked,
        },
    )
    await work.session.execute(_MOVE, {"seq": seq, "hash": linked})


async def broken_links(session: AsyncSession, keys: AuditKeys) -> tuple[int, list[int]]:
    """Recompute the chain in a transaction of the platform role; answers its length and the numbers that do not fit.

    A link that is gone shows as the number it had.
    """
    head, seq, broken = GENESIS, 0, list[int]()
    end = (await session.execute(_END)).one()
    while True:
        rows: Sequence[Any] = (await session.execute(_ENTRIES, {"seq": seq, "count": _BATCH})).all()
        for row in rows:
            broken += range(seq + 1, row.seq)
            if keys.link(NO_COMPANY, row.id, head, row.seq, 0, row.content) != row.hash:
                broken.append(row.seq)
            head, seq = row.hash, row.seq
        if len(rows) < _BATCH:
            break
    broken += range(seq + 1, end.seq + 1)
    if not broken and (seq, head) != (end.seq, end.hash):
        broken.append(seq)
    return seq, broken
