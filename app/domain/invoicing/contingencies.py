"""Times in which DIAN was away, declared by a person or by the company's settings."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.invoicing.models import DianContingency, Document, DocumentState
from app.domain.invoicing.schemas import ContingencyOut, ContingencyPage, DeclareContingency
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

DEADLINE: Final = timedelta(hours=48)
"""After the end of a contingency, for what was issued inside it (annex §12)."""
_AHEAD: Final = timedelta(minutes=2)
_OLDEST: Final = timedelta(days=10)

ID_TAKEN: Final = Conflict("Ya existe otra contingencia con ese identificador.", code="id-taken")
BROKEN_CONSTRAINTS["pk_dian_contingency"] = ID_TAKEN
BROKEN_CONSTRAINTS["uq_dian_contingency_open"] = Conflict(
    "Ya hay una contingencia en curso: termínela antes.", code="contingency-open"
)


class Contingencies:
    """Of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> ContingencyPage:
        """The newest first."""
        statement = after(
            select(DianContingency).where(DianContingency.tenant_id == self._work.tenant_id).limit(limit + 1),
            (DianContingency.started_at, DianContingency.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows, next_cursor = cut(
            list(await self._work.session.scalars(statement)), limit, lambda row: (row.started_at, row.id)
        )
        return ContingencyPage(items=[await self._out(row) for row in rows], next_cursor=next_cursor)

    async def declare(self, data: DeclareContingency) -> tuple[ContingencyOut, bool]:
        """Declare DIAN away; answers it and whether it is new. Raises 409 `contingency-open`, 422 for a wrong period."""
        body, now = fingerprint(data), clock.now()
        if data.id is not None:
            earlier = await self._work.session.get(DianContingency, (self._work.tenant_id, data.id))
            if earlier is not None:
                if earlier.body_hash != body:
                    raise ID_TAKEN
                return await self._out(earlier), False
        if not now - _OLDEST <= data.started_at <= now + _AHEAD:
            raise _refuse("/startedAt", "Debe haber comenzado ya, hace menos de 10 días.")
        if data.ended_at is not None and not data.started_at < data.ended_at <= now + _AHEAD:
            raise _refuse("/endedAt", "Debe terminar después de comenzar, y no en el futuro.")
        row = DianContingency(
            tenant_id=self._work.tenant_id,
            id=data.id or uuid7(),
            started_at=data.started_at,
            ended_at=data.ended_at,
            reason=data.reason.strip(),
            is_automatic=False,
            user_id=self._work.actor.user_id,
            body_hash=body,
        )
        self._work.session.add(row)
        await self._work.flush()
        answer = await self._out(row)
        self._work.record("dian.contingency-declared", row.id, after=answer)
        return answer, True

    async def end(self, contingency_id: UUID) -> ContingencyOut:
        """Say that DIAN is back. Again: nothing happens. What was issued inside goes within 48 hours, by itself."""
        mine = (DianContingency.tenant_id == self._work.tenant_id, DianContingency.id == contingency_id)
        row = (await self._work.session.scalars(select(DianContingency).where(*mine).with_for_update())).one_or_none()
        if row is None:
            raise NotFound("No existe esa contingencia.")
        if row.ended_at is not None:
            return await self._out(row)
        before = await self._out(row)
        await self._work.session.execute(
            update(DianContingency)
            .where(*mine)
            .values(ended_at=max(clock.now(), row.started_at + timedelta(seconds=1)))
            .execution_options(synchronize_session=False)
        )
        await self._work.session.refresh(row)
        answer = await self._out(row)
        self._work.ask("invoicing.catch-up", {})
        self._work.record("dian.contingency-ended", contingency_id, before=before, after=answer)
        return answer

    async def _out(self, row: DianContingency) -> ContingencyOut:
        pending = await self._work.session.scalar(
            select(func.count())
            .select_from(Document)
            .join(
                DocumentState,
                (DocumentState.tenant_id == Document.tenant_id) & (DocumentState.document_id == Document.id),
            )
            .where(
                Document.tenant_id == self._work.tenant_id,
                Document.issued_at >= row.started_at,
                Document.issued_at <= (row.ended_at or clock.now()),
                DocumentState.status.in_(("pending", "signed", "sent", "unknown")),
            )
        )
        return ContingencyOut(
            id=row.id,
            started_at=row.started_at,
            ended_at=row.ended_at,
            reason=row.reason,
            is_automatic=row.is_automatic,
            pending=pending or 0,
            deadline=None if row.ended_at is None else row.ended_at + DEADLINE,
        )


def _refuse(pointer: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code="invalid-period", errors=(FieldError(pointer, "invalid-period", detail),))
