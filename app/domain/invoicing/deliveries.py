"""Mailings of documents: who gets one by itself, asking for another, and what became of them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, SQLColumnExpression, and_, func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Work
from app.domain.invoicing.delivery_models import DeliverySetting, DeliveryState, DocumentDelivery
from app.domain.invoicing.delivery_schemas import (
    DeliverDocument,
    DeliveryOut,
    DeliveryPage,
    DeliverySettingsOut,
    PutDeliverySettings,
)
from app.domain.invoicing.documents import check_document_branch
from app.domain.invoicing.kept import Standing, note, standing
from app.domain.invoicing.kinds import POS_KINDS, Kind
from app.domain.invoicing.models import Document, DocumentEvent, DocumentState
from app.domain.tenants.scope import in_branches
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken
from app.lib.pages import after, cut
from app.lib.schemas import fingerprint

WAITS_FOR_CERTIFICATE: Final = timedelta(hours=1)
MOST: Final = 20
"""Mailings of one document: enough for a buyer who lost it many times, too few to bother a stranger with."""
_POS: Final = POS_KINDS | {Kind.POS_CREDIT_NOTE, Kind.POS_DEBIT_NOTE}
ID_TAKEN: Final = Conflict("Ya existe otro envío con ese identificador.", code="id-taken")
BROKEN_CONSTRAINTS["pk_document_delivery"] = ID_TAKEN


def ask_mail(work: Work, delivery_id: UUID, wait: timedelta = timedelta()) -> None:
    """Want a mailing once this transaction has committed."""
    work.ask("invoicing.mail", {"deliveryId": str(delivery_id)}, "short", wait)


async def deliver_by_itself(work: Work, document: Standing, setting: DeliverySetting | None) -> UUID | None:
    """The one mailing that a document gets without being asked for; None when it gets none, or had it."""
    wanted = "all" if setting is None else setting.mails
    address = document.content.counterpart.email.strip()
    if not address or wanted == "none" or (wanted == "invoices" and document.kind in _POS):
        return None
    return await _add(work, document, uuid7(), address, is_automatic=True, body_hash=None)


async def deliver_provisional(work: Work, document: Standing, setting: DeliverySetting | None) -> UUID | None:
    """The mailing of a document of a contingency, as soon as it is signed; the one with DIAN's answer comes besides."""
    address = document.content.counterpart.email.strip()
    if not address or (setting is not None and setting.mails == "none"):
        return None
    return await _add(work, document, uuid7(), address, is_automatic=False, body_hash=None)


async def wait_for_certificate(work: Work, document_id: UUID, problem: str) -> None:
    """Say once in the document's history why it is not delivered."""
    last = await work.session.scalar(
        select(DocumentEvent.kind)
        .where(DocumentEvent.tenant_id == work.tenant_id, DocumentEvent.document_id == document_id)
        .order_by(DocumentEvent.id.desc())
        .limit(1)
    )
    if last != "waits":
        note(work, document_id, "waits", f"No se puede entregar todavía. {problem}")


class Deliveries:
    """Of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def ask(self, document_id: UUID, data: DeliverDocument) -> tuple[DeliveryOut, bool]:
        """Want a document mailed; answers the mailing and whether it is new.

        Raises 404, 409 `document-not-accepted`, 422 `no-address`, 422 `too-many-deliveries`.
        """
        work = self._work
        document = await standing(work, document_id)
        if document is None:
            raise NotFound("No existe ese documento.")
        check_document_branch(work.actor, document.row.branch_id)
        body = fingerprint([document_id, data])
        if data.id is not None:
            earlier = await work.session.get(DocumentDelivery, (work.tenant_id, data.id))
            if earlier is not None:
                if earlier.body_hash != body:
                    raise ID_TAKEN
                return await self._read(data.id), False
        if not document.is_deliverable:
            raise Conflict("La DIAN todavía no ha validado ese documento.", code="document-not-accepted")
        address = data.to or document.content.counterpart.email.strip()
        if not address:
            detail = "El documento no tiene correo del cliente: diga a cuál enviarlo."
            raise RuleBroken(detail, code="no-address", errors=(FieldError("/to", "no-address", detail),))
        # One at a time, or two would both be the last one.
        await work.session.execute(
            select(DocumentState.document_id)
            .where(DocumentState.tenant_id == work.tenant_id, DocumentState.document_id == document_id)
            .with_for_update()
        )
        count = await work.session.scalar(
            select(func.count()).where(
                DocumentDelivery.tenant_id == work.tenant_id, DocumentDelivery.document_id == document_id
            )
        )
        if (count or 0) >= MOST:
            raise RuleBroken(f"Ese documento ya se envió {MOST} veces.", code="too-many-deliveries")
        delivery_id = data.id or uuid7()
        if await _add(work, document, delivery_id, address, is_automatic=False, body_hash=body) is None:
            raise ID_TAKEN
        note(work, document_id, "mail-asked", f"Envío pedido a {address}.", work.actor.user_id)
        work.record("document.delivery-asked", document_id, after={"deliveryId": delivery_id})
        ask_mail(work, delivery_id)
        return await self._read(delivery_id), True

    async def of(self, document_id: UUID, limit: int, cursor: str | None) -> DeliveryPage:
        """Mailings of a document, the newest first."""
        document = await standing(self._work, document_id)
        if document is None:
            raise NotFound("No existe ese documento.")
        check_document_branch(self._work.actor, document.row.branch_id)
        return await self._page([DocumentDelivery.document_id == document_id], limit, cursor)

    async def page(self, status: str | None, limit: int, cursor: str | None) -> DeliveryPage:
        """Mailings of the caller's branches, the newest first; one status, such as those that did not arrive."""
        conditions: list[SQLColumnExpression[bool]] = [*in_branches(self._work.actor, Document.branch_id)]  # type: ignore[arg-type]
        if status is not None:
            conditions.append(DeliveryState.status == status)
        return await self._page(conditions, limit, cursor)

    async def _page(
        self, conditions: Sequence[SQLColumnExpression[bool]], limit: int, cursor: str | None
    ) -> DeliveryPage:
        statement = after(
            _rows(self._work).where(*conditions).limit(limit + 1),
            (DocumentDelivery.id,),
            cursor,
            tuple[UUID],
            descending=True,
        )
        rows, next_cursor = cut(
            list((await self._work.session.execute(statement)).all()), limit, lambda row: (row[0].id,)
        )
        return DeliveryPage(items=[_out(row) for row in rows], next_cursor=next_cursor)

    async def settings(self) -> DeliverySettingsOut:
        """How documents go to buyers; as it begins when nobody said."""
        row = await self._work.session.get(DeliverySetting, self._work.tenant_id, populate_existing=True)
        if row is None:
            return DeliverySettingsOut(mails="all", attach_pdf=True, line_of_business="")
        return DeliverySettingsOut(mails=row.mails, attach_pdf=row.attach_pdf, line_of_business=row.line_of_business)

    async def put_settings(
        self, data: PutDeliverySettings, check: Callable[[DeliverySettingsOut], None]
    ) -> DeliverySettingsOut:
        """Write them. `check` may refuse the version that is being changed."""
        before = await self.settings()
        check(before)
        values = {
            "mails": data.mails,
            "attach_pdf": data.attach_pdf,
            "line_of_business": data.line_of_business.strip(),
            "updated_at": clock.now(),
        }
        await self._work.session.execute(
            insert(DeliverySetting)
            .values(tenant_id=self._work.tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )
        saved = await self.settings()
        if saved != before:
            self._work.record("dian.delivery-changed", self._work.tenant_id, before=before, after=saved)
        return saved

    async def _read(self, delivery_id: UUID) -> DeliveryOut:
        row = (await self._work.session.execute(_rows(self._work).where(DocumentDelivery.id == delivery_id))).one()
        return _out(row)


async def _add(
    work: Work, document: Standing, delivery_id: UUID, address: str, *, is_automatic: bool, body_hash: bytes | None
) -> UUID | None:
    """A mailing with its state; None when there is that one already."""
    made: UUID | None = await work.session.scalar(
        insert(DocumentDelivery)
        .values(
            tenant_id=work.tenant_id,
            id=delivery_id,
            document_id=document.row.id,
            version=document.version,
            address=address,
            is_automatic=is_automatic,
            user_id=SYSTEM_USER if is_automatic else work.actor.user_id,
            body_hash=body_hash,
        )
        .on_conflict_do_nothing()
        .returning(DocumentDelivery.id)
    )
    if made is not None:
        await work.session.execute(insert(DeliveryState).values(tenant_id=work.tenant_id, delivery_id=made))
    return made


def _rows(work: Work) -> Select[*tuple[Any, ...]]:
    return (
        select(DocumentDelivery, DeliveryState, Document.number)
        .join(Document, and_(Document.tenant_id == work.tenant_id, Document.id == DocumentDelivery.document_id))
        .join(
            DeliveryState,
            and_(DeliveryState.tenant_id == work.tenant_id, DeliveryState.delivery_id == DocumentDelivery.id),
        )
        .where(DocumentDelivery.tenant_id == work.tenant_id)
        .execution_options(populate_existing=True)
    )


def _out(row: Row[*tuple[Any, ...]]) -> DeliveryOut:
    delivery, state, number = row
    return DeliveryOut(
        id=delivery.id,
        document_id=delivery.document_id,
        number=number,
        to=delivery.address,
        is_automatic=delivery.is_automatic,
        status=state.status,
        attempts=state.attempts,
        message=state.message,
        asked_at=delivery.created_at,
        sent_at=state.sent_at,
    )
