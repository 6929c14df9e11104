"""The log of consents: what was granted, what was taken back, never changed."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Database, Work
from app.domain.accounts.names import member_names
from app.domain.customers.service import CustomerService
from app.domain.privacy.models import Consent
from app.domain.privacy.schemas import ConsentOut, ConsentPage, RecordConsent
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

_MAX_AHEAD: Final = timedelta(minutes=2)
_BATCH: Final = 200


class ConsentService:
    """Consents of the people of one company."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def record(self, data: RecordConsent) -> tuple[ConsentOut, bool]:
        """Write down a decision; answers it and whether it is new.

        Raises 422 `whose-consent` unless it is of one person, `unknown-reference`, `future-instant`.
        """
        body_hash = fingerprint(data)
        if data.id is not None and (earlier := await self._earlier(data.id, body_hash)):
            return earlier, False
        await self._check(data)
        now = clock.now()
        made = await self._work.session.scalars(
            insert(Consent)
            .values(
                tenant_id=self._work.tenant_id,
                id=data.id or uuid7(),
                customer_id=data.customer_id,
                user_id=data.user_id,
                purpose=data.purpose,
                version=data.version.strip(),
                channel=data.channel,
                decision=data.decision,
                at=data.at or now,
                recorded_by=self._work.actor.user_id,
                created_at=now,
                body_hash=body_hash,
            )
            .on_conflict_do_nothing()
            .returning(Consent)
        )
        row = made.one_or_none()
        if row is None:
            assert data.id is not None
            twin = await self._earlier(data.id, body_hash)
            assert twin is not None
            return twin, False
        answer = consent_out(row)
        self._work.record(f"consent.{data.decision}", row.id, after=answer)
        return answer, True

    async def page(
        self, *, customer_id: UUID | None, user_id: UUID | None, limit: int, cursor: str | None
    ) -> ConsentPage:
        """Decisions, the last recorded first."""
        statement: Select[*tuple[Any, ...]] = _of(self._work.tenant_id, customer_id, user_id).limit(limit + 1)
        key = (Consent.created_at, Consent.id)
        statement = after(statement, key, cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return ConsentPage(items=[consent_out(row) for row in page], next_cursor=next_cursor)

    async def _check(self, data: RecordConsent) -> None:
        if data.user_id is not None and not await member_names(self._work, [data.user_id]):
            raise unknown_reference("/userId", "No hay tal persona en esta empresa.")
        if data.customer_id is not None:
            try:
                await CustomerService(self._work).find(data.customer_id)
            except NotFound as error:
                raise unknown_reference("/customerId", "No hay tal cliente.") from error
        if (data.customer_id is None) == (data.user_id is None):
            raise RuleBroken(
                "Diga de quién es: un cliente o una persona de la empresa.",
                code="whose-consent",
                errors=(FieldError("/customerId", "whose-consent", "Envíe customerId o userId, uno de los dos."),),
            )
        if data.at is not None and data.at > clock.now() + _MAX_AHEAD:
            raise RuleBroken(
                "Una decisión no puede ser futura.",
                code="future-instant",
                errors=(FieldError("/at", "future-instant", "No puede ser futura."),),
            )

    async def _earlier(self, wanted: UUID, body_hash: bytes) -> ConsentOut | None:
        row = await self._work.session.scalar(
            select(Consent).where(Consent.tenant_id == self._work.tenant_id, Consent.id == wanted)
        )
        if row is None:
            return None
        if row.body_hash != body_hash:
            raise Conflict("Ya existe otro consentimiento con ese identificador.", code="id-taken")
        return consent_out(row)


async def all_consents(
    database: Database, actor: Actor, *, customers: list[UUID] | None = None, user_id: UUID | None = None
) -> AsyncIterator[ConsentOut]:
    """Everything that some customers, or a person of the company, decided; oldest first, in batches."""
    statement = select(Consent).where(Consent.tenant_id == actor.tenant_id).order_by(Consent.id).limit(_BATCH)
    whose = Consent.user_id == user_id if customers is None else Consent.customer_id.in_(customers)
    behind: UUID | None = None
    while True:
        page = statement.where(whose) if behind is None else statement.where(whose, Consent.id > behind)
        async with database.tenant_transaction(actor) as work:
            rows = (await work.session.scalars(page)).all()
        for row in rows:
            yield consent_out(row)
        if len(rows) < _BATCH:
            return
        behind = rows[-1].id


def _of(tenant_id: UUID, customer_id: UUID | None, user_id: UUID | None) -> Select[Consent]:
    statement = select(Consent).where(Consent.tenant_id == tenant_id)
    if customer_id is not None:
        statement = statement.where(Consent.customer_id == customer_id)
    if user_id is not None:
        statement = statement.where(Consent.user_id == user_id)
    return statement


def consent_out(row: Consent) -> ConsentOut:
    return ConsentOut(
        id=row.id,
        customer_id=row.customer_id,
        user_id=row.user_id,
        purpose=row.purpose,
        version=row.version,
        channel=row.channel,
        decision=row.decision,
        at=row.at,
        recorded_by=row.recorded_by,
        recorded_at=row.created_at,
    )
