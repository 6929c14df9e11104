"""What the company's places ask of the drawers in them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.db.session import Work

_OPEN_DRAWERS: Final = text(
    "SELECT count(*) FROM cash_drawer WHERE tenant_id = :tenant_id AND is_open "
    "AND register_id = ANY(CAST(:register_ids AS uuid[]))"
)


async def count_open_drawers(work: Work, register_ids: Sequence[UUID]) -> int:
    """Shifts that are open on these tills. The caller holds the tills' rows, so that none opens meanwhile."""
    key = {"tenant_id": work.tenant_id, "register_ids": list(register_ids)}
    return int(await work.session.scalar(_OPEN_DRAWERS, key) or 0)
