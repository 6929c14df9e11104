"""Stepping out of a request's transaction to talk to somebody else: nothing is held meanwhile, and its key is claimed anew after.

Of two requests with one key both may talk, under keys that make it one act there; one of them stores its answer, which the other
repeats.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request

from app.db.desk import provide_desk
from app.db.unit_of_work import RequestWork, provide_work
from app.lib.staff import Staff


@asynccontextmanager
async def outside(request: Request[Any, Any, Any]) -> AsyncIterator[None]:
    """Drop the transaction, which must have written nothing that matters, for the block; then begin it again.

    One of the operator's staff begins again turned to no company. Raises `Replay` after the block when a twin has
    stored its answer meanwhile.
    """
    request_work: RequestWork = request.scope["state"]["request_work"]
    work = request_work.work
    if work is None:
        raise RuntimeError("there is no transaction to step out of")
    # What was read stays readable, as it was; what is written later is read again first.
    work.session.expunge_all()
    await work.session.rollback()
    request_work.key = request_work.keeper = None
    yield
    staff: Staff | None = request.scope["state"].get("staff")
    if staff is not None:
        await work.pin(user_id=staff.id)
        await provide_desk(request)
        return
    await work.pin(tenant_id=work.tenant_id, user_id=work.actor.user_id)
    await provide_work(request)
