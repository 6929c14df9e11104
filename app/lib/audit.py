"""The audit chain's writing side: one link per business write, in its transaction, locked last.

hash(n) = HMAC(key of row n, hash(n-1) ‖ int8(n) ‖ int8(number) ‖ content), with SHA-256, computed inside PostgreSQL with
its own `sha256`: the head never travels, and a statement log shows only keys that are good for one row.
"""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.lib import clock
from app.lib.actor import KEY_ROLE, PROVIDER_ROLE, Actor
from app.lib.schemas import canonical

GENESIS: Final = bytes(32)
"""Head of an empty chain."""

SYSTEM_ROLE: Final = "system"
"""Role of background work, which is nobody."""

_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))

APPEND: Final = "append_audit({tenant}, {id}, {at}, {action}, {subject}, {number}, {content}, {ipad}, {opad})"
"""Call of the function that links one entry (migration 0010), here and in the sale's write statement."""

_APPEND: Final = text(
    "SELECT "
    + APPEND.format(
        tenant="CAST(:tenant_id AS uuid)",
        id="CAST(:id AS uuid)",
        at="CAST(:at AS timestamptz)",
        action=":action",
        subject="CAST(:subject_id AS uuid)",
        number="CAST(:number AS bigint)",
        content="CAST(:content AS text)",
        ipad="CAST(:ipad AS bytea)",
        opad="CAST(:opad AS bytea)",
    )
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A link before it has its place."""

    action: str
    """`product.created`, `sale.posted`: subject and verb."""
    subject_id: UUID
    before: Any = None
    after: Any = None
    number: int = 0


class AuditKeys:
    """Derives a company's key and, from it, one key per row."""

    def __init__(self, secret: bytes) -> None:
        self._root = hmac.digest(secret, b"audit", "sha256")

    def row_key(self, tenant_id: UUID, entry_id: UUID) -> bytes:
        return hmac.digest(hmac.digest(self._root, tenant_id.bytes, "sha256"), entry_id.bytes, "sha256")

    def pads(self, tenant_id: UUID, entry_id: UUID) -> tuple[bytes, bytes]:
        """Inner and outer HMAC pads of a row's key."""
        block = self.row_key(tenant_id, entry_id).ljust(_BLOCK, b"\0")
        return block.translate(_INNER), block.translate(_OUTER)

    def link(self, tenant_id: UUID, entry_id: UUID, head: bytes, seq: int, number: int, content: str) -> bytes:
        """The hash PostgreSQL computes for a row, for verification."""
        message = head + seq.to_bytes(8, "big") + number.to_bytes(8, "big", signed=True) + content.encode()
        return hmac.digest(self.row_key(tenant_id, entry_id), message, sha256)


def entry_content(actor: Actor, entry: Entry, at: datetime) -> str:
    """Canonical JSON of everything a reader of the trail will ask.

    People are named by their id alone: what they are called is read from their membership, so that whoever leaves can be
    forgotten. The system, programs and the operator's staff have none, and are named here. Personal fields of `before`
    and `after` come sealed (`app.lib.person_keys`).
    """
    who: dict[str, Any] = {"userId": actor.user_id, "role": actor.role}
    if actor.role in {SYSTEM_ROLE, KEY_ROLE, PROVIDER_ROLE}:
        who["name"] = actor.display_name
    return canonical(
        {
            "at": at,
            "actor": who,
            "address": actor.address,
            "requestId": actor.request_id,
            "action": entry.action,
            "subject": entry.subject_id,
            "before": entry.before,
            "after": entry.after,
        }
    ).decode()


async def append(session: AsyncSession, keys: AuditKeys, actor: Actor, entry: Entry) -> None:
    """Chain one entry. Call last in a transaction: it holds the company's head until commit."""
    entry_id, at = uuid7(), clock.now()
    ipad, opad = keys.pads(actor.tenant_id, entry_id)
    await session.execute(
        _APPEND,
        {
            "tenant_id": actor.tenant_id,
            "id": entry_id,
            "at": at,
            "action": entry.action,
            "subject_id": entry.subject_id,
            "number": entry.number,
            "content": entry_content(actor, entry, at),
            "ipad": ipad,
            "opad": opad,
        },
    )
