"""Nightly proofs of every company's books."""

from datetime import time
from pathlib import Path
from typing import Final

import structlog

from app.db.jobs import JobContext
from app.domain.audit.anchors import anchor_head, append_to_file, read_file
from app.domain.audit.findings import tell
from app.domain.audit.reconcile import reconcile
from app.domain.audit.verify import verify_chain
from app.lib.jobs import NoPayload, job

_LOG = structlog.stdlib.get_logger("mostrador.audit")
_LIMIT: Final = 3600
"""Seconds; a chain of ten million entries takes some minutes."""


@job("audit.anchor-head", timeout=60, nightly=time(2, 0))
async def anchor_head_nightly(context: JobContext, _payload: NoPayload) -> None:
    """Keep where the company's chain ends, also in the configured folder: a cut end is found by it.

    The file comes first: run again after a failure it has the head twice, never not at all.
    """
    async with context.transaction() as work:
        anchor = await anchor_head(work)
        if anchor is not None and (folder := context.settings.audit_checkpoint_dir):
            await append_to_file(Path(folder), anchor)


@job("audit.verify-chain", queue="long", timeout=_LIMIT, nightly=time(2, 30))
async def verify_chain_nightly(context: JobContext, _payload: NoPayload) -> None:
    """Prove the company's audit chain; a break is the operator's alert."""
    folder = context.settings.audit_checkpoint_dir
    anchors = read_file(Path(folder), context.tenant_id) if folder else ()
    async with context.transaction() as work:
        found = await verify_chain(work, anchors=anchors)
    detail = None
    if not found.intact:
        places = ", ".join(f"{one.seq} ({one.kind})" for one in found.breaks[:5])
        detail = f"La cadena de auditoría tiene {found.break_count} faltas; entradas: {places}."
        _LOG.error("audit chain broken", breaks=found.break_count, first=found.breaks[0].seq)
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
