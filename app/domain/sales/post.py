"""Where a sale is made: one statement that reads, plain arithmetic, one statement that writes what was reckoned.

Each of the two is a transaction of its own: the second writes nothing unless the shelves still hold what the first read.
A till that was overtaken by another one tries again with the shelves locked. The one place that writes the rows of four
domains at once (ADR 0002), through fragments that each of them exports.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from uuid_utils.compat import uuid7

from app.db.lane import Lane, LaneConnection
from app.db.unit_of_work import replay_of, request_hash
from app.domain.inventory.fragments import SHELVES_LOCKED
from app.domain.invoicing.drafts import NUMBER_USED
from app.domain.invoicing.drafts import Draft as Paper
from app.domain.invoicing.fragments import RANGE_SPENT
from app.domain.invoicing.vault import Vault
from app.domain.sales.approval import Limits, LineToApprove, approve_ticket, approves_alone
from app.domain.sales.goods import Basket, BasketLine, Shelf, fill_basket
from app.domain.sales.paper import paper_of
from app.domain.sales.posted import SEQUENCE, PostedTicket, documented, numbered
from app.domain.sales.pricing import PricedLine, price_lines, settle
from app.domain.sales.schemas import PostSale
from app.domain.sales.shortfall import book_shortfall
from app.domain.sales.statements import PACKS, READ, READ_TO_ISSUE, WRITE, WRITE_WITH_DOCUMENT
from app.domain.tenants.scope import branch_refusal
from app.lib import audit, clock
from app.lib.actor import Access, Actor, admit
from app.lib.audit import AuditKeys, Entry
from app.lib.driver import constraint_name
from app.lib.edge import client_address, request_id
from app.lib.errors import Conflict, FieldError, RuleBroken, Unavailable, unknown_reference
from app.lib.jobs import Bell
from app.lib.money import ZERO
from app.lib.schemas import fingerprint
from app.lib.tokens import Claims

ACCESS: Final = Access("sales:post", writes=True, in_read_only=False)
_BOGOTA: Final = "America/Bogota"
"""Zone of DIAN's day, wherever the shop is."""
_MAX_AGE: Final = timedelta(hours=72)
_MAX_AHEAD: Final = timedelta(minutes=2)
"""Clocks of tills run ahead; more than this is the future."""


class Caller(msgspec.Struct, frozen=True):
    """Who posts, by token; what they may is read with the first statement."""

    claims: Claims
    key: str
    body_hash: bytes
    address: str
    request_id: str

    @classmethod
    def of(cls, scope: Any, claims: Claims, key: str, body: bytes) -> "Caller":
        """From a `POST` with this body, past its guard."""
        return cls(
            claims=claims,
            key=key,
            body_hash=request_hash("POST", scope["path"], scope["query_string"], body),
            address=client_address(scope),
            request_id=request_id(scope),
        )


class SaleExists(Exception):
    """A ticket with the id that the client chose is there already, with the same body."""


class _Overtaken(Exception):
    """What was read is no longer so, and nothing was written; only with the shelves locked is it sure to stay so."""


class Draft(msgspec.Struct, frozen=True):
    """A ticket as it came in."""

    data: PostSale
    caller: Caller
    sale_id: UUID
    sold_at: datetime
    """As the till says, or now where that cannot be."""
    posted_at: datetime
    fingerprint: bytes
    """Of the body, to know the ticket again by an id that the client chose."""
    products: list[UUID]

    @classmethod
    def of(cls, data: PostSale, caller: Caller) -> "Draft":
        now = clock.now()
        sold_at = data.sold_at if data.sold_at is not None and _is_plausible(data.sold_at, now) else now
        return cls(
            data=data,
            caller=caller,
            sale_id=data.id or uuid7(),
            sold_at=min(sold_at, now),
            posted_at=now,
            fingerprint=fingerprint(data),
            products=list({line.product_id for line in data.lines}),
        )


class SalePoster:
    """Posts tickets on the fast lane."""

    def __init__(self, lane: Lane, keys: AuditKeys, vault: Vault, bell: Bell) -> None:
        self._lane = lane
        self._keys = keys
        self._vault = vault
        self._bell = bell
        self._issuers: set[UUID] = set()
        """Companies that issued documents when they were last read: which of the two readings to begin with."""

    async def post(self, data: PostSale, caller: Caller) -> bytes:
        """Post a ticket; answers the encoded `SaleOut`, exactly as it is kept for a replay.

        Raises `SaleExists` and `Replay` for what was posted before, and the refusals of the contract.
        """
        draft = Draft.of(data, caller)
        if self._lane.statements_pin and not data.approval_ids:
            try:
                async with self._lane.connection() as connection:
                    return await self._attempt(connection, draft, locked=False)
            except _Overtaken:
                pass
        for _ in range(_TRIES):
            try:
                return await self._post_locked(draft)
            except _Overtaken:
                continue
        raise Unavailable("El sistema está ocupado; intente de nuevo.", headers={"Retry-After": "1"})

    async def _post_locked(self, draft: Draft) -> bytes:
        tenant_id, user_id = draft.caller.claims.tenant_id, draft.caller.claims.user_id
        async with self._lane.transaction(tenant_id, user_id) as connection:
            await connection.execute(SHELVES_LOCKED, tenant_id, draft.data.session_id, draft.products)
            return await self._attempt(connection, draft, locked=True)

    async def _attempt(self, connection: LaneConnection, draft: Draft, *, locked: bool) -> bytes:
        """Read, reckon, write. Raises `_Overtaken` when it must be tried (again) with the shelves locked."""
        data, caller, claims = draft.data, draft.caller, draft.caller.claims
        rows = await self._read(connection, draft)
        head = rows[0] if rows else None
        actor = _actor(head, caller)
        assert head is not None
        _check_head(head, draft)
        basket = await _basket(connection, claims, data, rows)
        if basket.missing:
            if not locked:
                raise _Overtaken
            await book_shortfall(connection, claims, head["warehouse_id"], draft.sale_id, basket, draft.posted_at)
        priced = price_lines([line.to_price for line in basket.lines], data.discount or ZERO)
        approved: dict[str, UUID] = {}
        if not approves_alone(actor.permissions):
            lines = _to_approve(basket.lines, priced)
            approved = await approve_ticket(connection, data, actor, Limits.of(head), lines, draft.posted_at)
        total = sum((line.total for line in priced), start=ZERO)
        settled = settle(total, [(p.method, p.amount) for p in data.payments], head["cash_rounding"])
        ticket = PostedTicket(
            sale_id=draft.sale_id,
            sold_at=draft.sold_at,
            posted_at=draft.posted_at,
            data=data,
            head=head,
            actor=actor,
            basket=basket,
            priced=priced,
            settled=settled,
            paper=paper_of(self._vault, rows, draft, actor, basket, priced),
            approved=approved,
        )
        try:
            return await self._write(connection, ticket, draft)
        except asyncpg.UniqueViolationError as error:
            if constraint_name(error) in _TWINS:
                raise _Overtaken from error
            if getattr(error, "constraint_name", None) == "uq_document_number":
                raise NUMBER_USED from error
            raise
        except asyncpg.LockNotAvailableError:
            # A kind of what the closed drawer raises: waiting too long for a lock says nothing about the drawer.
            raise
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            raise _CLOSED from error
        except asyncpg.PostgresError as error:
            # Its last number went to another till: the next reading finds another range, or refuses.
            if getattr(error, "sqlstate", None) == RANGE_SPENT:
                raise _Overtaken from error
            raise

    async def _read(self, connection: LaneConnection, draft: Draft) -> Sequence[Mapping[str, Any]]:
        """Everything the ticket must know; `issuing` with it for a company that issues documents."""
        data, caller, claims = draft.data, draft.caller, draft.caller.claims
        values = (
            claims.tenant_id,
            claims.user_id,
            claims.session_id,
            caller.key,
            draft.sale_id,
            data.session_id,
            data.customer_id,
            draft.products,
            data.seller_id or claims.user_id,
            draft.sold_at,
            data.id is not None,
        )
        if claims.tenant_id not in self._issuers:
            rows: Sequence[Mapping[str, Any]] = await connection.fetch(READ, *values)
            if not rows or not rows[0]["issues"]:
                return rows
            self._issuers.add(claims.tenant_id)
        rows = await connection.fetch(READ_TO_ISSUE, *values, clock.business_day(draft.posted_at, _BOGOTA))
        if rows and not rows[0]["issues"]:
            self._issuers.discard(claims.tenant_id)
        return rows

    async def _write(self, connection: LaneConnection, ticket: PostedTicket, draft: Draft) -> bytes:
        caller = draft.caller
        answer, record = ticket.answer_and_record()
        entry_id = uuid7()
        ipad, opad = self._keys.pads(caller.claims.tenant_id, entry_id)
        # The consecutive is not known yet: the trail keeps it in a column of its own, hashed with the content.
        after = msgspec.Raw(documented(numbered(record, "0", "0"), "", ""))
        entry = Entry(action="sale.posted", subject_id=ticket.sale_id, after=after)
        content = audit.entry_content(ticket.actor, entry, ticket.posted_at)
        paper = ticket.paper
        taken = await connection.fetchrow(
            WRITE if paper is None else WRITE_WITH_DOCUMENT,
            *ticket.arguments(answer, draft.fingerprint),
            ipad,
            opad,
            content,
            entry_id,
            caller.key,
            caller.body_hash,
            SEQUENCE,
            *_of_document(paper, ticket, caller),
        )
        if taken is None:
            raise _Overtaken
        sequence = str(taken["no"])
        answer = numbered(answer, taken["prefix"] + sequence, sequence)
        if paper is None:
            return answer
        self._bell.ring()
        return documented(answer, taken["document_number"], taken["document_uuid"])


def _of_document(paper: Paper | None, ticket: PostedTicket, caller: Caller) -> tuple[Any, ...]:
    """The last values of `statements.WRITE_WITH_DOCUMENT`."""
    return () if paper is None else (paper.row(ticket.branch_id), paper.content, caller.request_id)


_TRIES: Final = 3
"""With locks nothing but a twin, with the same key or the same sale, can be faster; it is there when tried again."""
_TWINS: Final = ("pk_idempotency", "pk_sale", "uq_sale_line_tenant_id_sale_id_position")
"""Which of them is found broken first is not said: the rows of one statement are written in no stated order."""
_CLOSED: Final = Conflict("La caja está cerrada; abra un turno para vender.", code="session-closed")


def _actor(head: Mapping[str, Any] | None, caller: Caller) -> Actor:
    role, permissions = admit(head, ACCESS)
    assert head is not None
    return Actor(
        tenant_id=caller.claims.tenant_id,
        user_id=caller.claims.user_id,
        session_id=caller.claims.session_id,
        role=role,
        display_name=head["display_name"],
        permissions=permissions,
        tenant_status=head["tenant_status"],
        time_zone=head["time_zone"],
        address=caller.address,
        request_id=caller.request_id,
    )


def _check_head(head: Mapping[str, Any], draft: Draft) -> None:
    """Raise what was answered before, and refuse what the ticket's surroundings do not allow, in the contract's order."""
    data = draft.data
    if head["key_hash"] is not None:
        raise replay_of(draft.caller.body_hash, head["key_hash"], head["key_status"], head["key_answer"])
    if head["earlier_hash"] is not None:
        if head["earlier_hash"] == draft.fingerprint:
            raise SaleExists
        raise Conflict("Ya existe otra venta con ese identificador.", code="id-taken")
    # After what was posted before: a ticket that is retried for days was in time once.
    if data.sold_at is not None and not _is_plausible(data.sold_at, draft.posted_at):
        raise RuleBroken(
            "La hora de la venta no puede ser futura ni de hace más de 72 horas.",
            code="sold-at-out-of-range",
            errors=(FieldError("/soldAt", "sold-at-out-of-range", "Debe estar en las últimas 72 horas."),),
        )
    if head["is_open"] is None:
        raise unknown_reference("/sessionId", "No hay tal turno de caja.")
    if not head["branch_allowed"]:
        raise branch_refusal()
    if not head["is_open"]:
        raise _CLOSED
    if head["customer_id"] is None or (data.customer_id is not None and not head["customer_active"]):
        raise unknown_reference("/customerId", "No hay tal cliente.")
    if not head["seller_active"]:
        raise unknown_reference("/sellerId", "No hay tal vendedor.")


async def _basket(
    connection: LaneConnection, claims: Claims, data: PostSale, rows: Sequence[Mapping[str, Any]]
) -> Basket:
    """The ticket's lines with the goods they take; packs are read only for lines that name one."""
    shelves = {row["product_id"]: Shelf.of(row) for row in rows if row["product_id"] is not None}
    packed = [
        line.product_id
        for line in data.lines
        if line.unit_code is not None
        and line.product_id in shelves
        and line.unit_code != shelves[line.product_id].unit_code
    ]
    packs: dict[tuple[UUID, str], tuple[Decimal, Decimal]] = {}
    if packed:
        for row in await connection.fetch(PACKS, claims.tenant_id, claims.user_id, packed):
            packs[row["product_id"], row["unit_code"]] = (row["factor"], row["price"])
    return fill_basket(data.lines, shelves, packs, offline=data.sold_at is not None)


def _to_approve(lines: Sequence[BasketLine], priced: Sequence[PricedLine]) -> list[LineToApprove]:
    return [
        LineToApprove(
            product_id=line.shelf.product_id,
            quantity=line.to_price.quantity,
            list_price=line.list_price,
            total=price.total,
            base=price.base,
            cost=line.cost,
        )
        for line, price in zip(lines, priced, strict=True)
    ]


def _is_plausible(sold_at: datetime, now: datetime) -> bool:
    return now - _MAX_AGE <= sold_at <= now + _MAX_AHEAD
