"""Nightly proofs of every company's books."""

from datetime import time
from typing import Final

import structlog

from app.db.jobs import JobContext
from app.domain.audit.findings import tell
from app.domain.audit.reconcile import reconcile
from app.domain.audit.verify import verify_chain
from app.lib.jobs import NoPayload, job

_LOG = structlog.stdlib.get_logger("mostrador.audit")
_LIMIT: Final = 3600
"""Seconds; a chain of ten million entries takes some minutes."""


@job("audit.verify-chain", queue="long", timeout=_LIMIT, nightly=time(2, 30))
async def verify_chain_nightly(context: JobContext, _payload: NoPayload) -> None:
    """Prove the company's audit chain; a break is the operator's alert."""
    async with context.transaction() as work:
        found = await verify_chain(work)
    detail = None
    if not found.intact:
        places = ", ".join(str(one.seq) for one in found.breaks[:5])
        detail = f"La cadena de auditoría tiene {len(found.breaks)} faltas; entradas: {places}."
        _LOG.error("audit chain broken", breaks=len(found.breaks), first=found.breaks[0].seq)
    await tell(context.database, "audit-chain", context.tenant_id, detail)


@job("audit.reconcile", queue="long", timeout=_LIMIT, nightly=time(3, 0))
async def reconcile_nightly(context: JobContext, _payload: NoPayload) -> None:
    """Prove that the company's kept figures are the sums of their rows; a difference is the operator's alert."""
    async with context.transaction() as work:
        found = await reconcile(work)
    detail = None
    if not found.is_clean:
        titles = ", ".join(check.title for check in found.checks if check.differences)
        detail = f"Los libros de una empresa no cuadran: {titles}."
        _LOG.error("books differ", differences=len(found.differences), checks=titles)
    await tell(context.database, "books", context.tenant_id, detail)
