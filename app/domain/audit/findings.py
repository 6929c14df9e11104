"""What a nightly proof found wrong with one company's books, for the operator's monitor to tell."""

from typing import Final, Literal
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.lib import clock

Proof = Literal["audit-chain", "books"]
PREFIXES: Final[tuple[Proof, ...]] = ("audit-chain", "books")
"""Findings are open alerts whose fingerprint is one of these, a colon and the company."""

_OPEN = text(
    "INSERT INTO monitor_alert (id, fingerprint, severity, detail, opened_at, last_seen_at) "
    "VALUES (:id, :fingerprint, 'critical', :detail, :now, :now) "
    "ON CONFLICT (fingerprint) WHERE resolved_at IS NULL "
    "DO UPDATE SET detail = excluded.detail, last_seen_at = excluded.last_seen_at"
)
_CLOSE = text("UPDATE monitor_alert SET resolved_at = :now WHERE fingerprint = :fingerprint AND resolved_at IS NULL")


async def tell(database: Database, proof: Proof, tenant_id: UUID, detail: str | None) -> None:
    """Keep what a proof found, or, with None, that it found nothing."""
    values = {"fingerprint": f"{proof}:{tenant_id}", "now": clock.now()}
    async with database.platform_transaction() as session:
        if detail is None:
            await session.execute(_CLOSE, values)
        else:
            await session.execute(_OPEN, values | {"id": uuid7(), "detail": detail})
