"""A priced ticket on its way into the database: what is answered and the rows it leaves, both as JSON.

Rows travel as JSON because the driver inspects every element of an array it sends: measured at half of the API's time
in the write statement.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from app.domain.invoicing.drafts import Draft
from app.domain.invoicing.fragments import NUMBER_MARK, UUID_MARK
from app.domain.invoicing.kinds import HABILITATION
from app.domain.sales.goods import Basket, BasketLine
from app.domain.sales.pricing import PricedLine, Settled
from app.domain.sales.read import notices
from app.domain.sales.schemas import BuyerOut, ConflictOut, DocumentOut, PaymentOut, PostSale, SaleLineOut, SaleOut
from app.lib.actor import Actor
from app.lib.money import NO_UNITS, ZERO, as_price, as_quantity, unit_cost
from app.lib.schemas import JSON
from app.lib.tenders import TENDER_COLUMNS

NUMBER: Final = "\x01"
SEQUENCE: Final = "\x02"
"""Stand for the printed number and its integer until they are taken: raw control characters, impossible in JSON."""
_BUYER: Final = b"\x03"
"""Stands for the buyer, whom the trail names otherwise than the answer."""
_CODE: Final = b"\x04"
"""Stands for the text of the document's QR, which names the buyer too."""
_NUMBER: Final = cast("str", msgspec.Raw(f'"{NUMBER}"'.encode()))
_SEQUENCE: Final = cast("int", msgspec.Raw(SEQUENCE.encode()))
_DOCUMENT_NUMBER: Final = cast("str", msgspec.Raw(f'"{NUMBER_MARK}"'.encode()))
_DOCUMENT_UUID: Final = cast("str", msgspec.Raw(f'"{UUID_MARK}"'.encode()))
_QR: Final = cast("str", msgspec.Raw(_CODE))
_CUSTOMER: Final = cast("BuyerOut", msgspec.Raw(_BUYER))


class _LineRow(msgspec.Struct):
    """As `statements.WRITE` reads it."""

    id: UUID
    position: int
    product_id: UUID
    sku: str
    name: str
    unit_code: str
    factor: Decimal
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    tax_class: str
    tax_rate: Decimal
    base: Decimal
    tax: Decimal
    nominal_tax: Decimal
    total: Decimal
    cost: Decimal
    tracks_stock: bool


class _PaymentRow(msgspec.Struct):
    id: UUID
    position: int
    method: str
    amount: Decimal
    change: Decimal
    reference: str


class _GoodsRow(msgspec.Struct):
    product_id: UUID
    quantity: Decimal
    value: Decimal
    had: Decimal
    worth: Decimal
    id: UUID


class _MoneyRow(msgspec.Struct):
    id: UUID
    method: str
    amount: Decimal


class _Totals(msgspec.Struct):
    lines: int
    subtotal: Decimal
    tax: Decimal
    discount: Decimal
    total: Decimal
    cost: Decimal
    rounding: Decimal
    change: Decimal


class PostedTicket:
    """Everything about a ticket but its number."""

    def __init__(
        self,
        *,
        sale_id: UUID,
        sold_at: datetime,
        posted_at: datetime,
        data: PostSale,
        head: Mapping[str, Any],
        actor: Actor,
        basket: Basket,
        priced: list[PricedLine],
        settled: Settled,
        paper: Draft | None,
        approved: Mapping[str, UUID],
    ) -> None:
        self.paper = paper
        self.sale_id = sale_id
        self.sold_at = sold_at
        self.posted_at = posted_at
        self.actor = actor
        self._data = data
        self._head = head
        self._basket = basket
        self._priced = priced
        self._settled = settled
        self._approved = approved
        self._lines = list(zip([uuid7() for _ in priced], basket.lines, priced, strict=True))
        self._payments = _payments(data, settled.change)
        self._totals = _totals(basket, priced, settled)

    def answer_and_record(self) -> tuple[bytes, bytes]:
        """The encoded `SaleOut` as its client gets it and as the trail keeps it, with marks where its number goes.

        The trail always has the costs, most cashiers' answers have not; it also says who approved what.
        """
        whole = self._encoded(costs=True)
        answer = whole if self.actor.may("costs:read") else self._encoded(costs=False)
        head = self._head
        buyer = JSON.encode(
            BuyerOut(id=head["customer_id"], name=head["customer_name"], identification=head["customer_identification"])
        )
        kept: bytes = (
            head["customer_trail"].encode() if head["customer_trail"] else JSON.encode({"id": head["customer_id"]})
        )
        if self._approved:
            kept += b',"approvedBy":' + JSON.encode(self._approved)
        code = b'""' if self.paper is None else _code_of(self.paper)
        return answer.replace(_BUYER, buyer).replace(_CODE, code), whole.replace(_BUYER, kept).replace(_CODE, b'""')

    def _encoded(self, *, costs: bool) -> bytes:
        head, data, totals = self._head, self._data, self._totals
        return JSON.encode(
            SaleOut(
                id=self.sale_id,
                number=_NUMBER,
                sequence=_SEQUENCE,
                status="posted",
                session_id=data.session_id,
                branch_id=head["branch_id"],
                register_id=head["register_id"],
                customer=_CUSTOMER,
                seller_id=self.seller_id,
                user_id=self.actor.user_id,
                sold_at=self.sold_at,
                posted_at=self.posted_at,
                business_day=head["business_day"],
                lines=[_line_out(line_id, line, priced, costs=costs) for line_id, line, priced in self._lines],
                payments=[
                    PaymentOut(method=row.method, amount=row.amount, change=row.change, reference=row.reference)
                    for row in self._payments
                ],
                subtotal=totals.subtotal,
                tax_total=totals.tax,
                discount_total=totals.discount,
                total=totals.total,
                rounding=totals.rounding,
                change=totals.change,
                document=None if self.paper is None else _document_out(self.paper),
                warnings=notices(
                    data.document,
                    is_documented=self.paper is not None,
                    is_trial=self.paper is not None and self.paper.document.environment == HABILITATION,
                ),
                conflicts=[
                    ConflictOut(product_id=short.shelf.product_id, missing=as_quantity(short.missing))
                    for short in self._basket.missing
                ],
            )
        )

    @property
    def branch_id(self) -> UUID:
        found: UUID = self._head["branch_id"]
        return found

    @property
    def seller_id(self) -> UUID:
        return self._data.seller_id or self.actor.user_id

    def arguments(self, answer: bytes, body: bytes) -> tuple[Any, ...]:
        """Values of `statements.WRITE` up to the audit's, in its order."""
        head, data, taken, tenders = self._head, self._data, self._basket.taken, self._settled.tenders
        return (
            self.actor.tenant_id,
            self.sale_id,
            data.session_id,
            head["branch_id"],
            head["register_id"],
            head["warehouse_id"],
            head["customer_id"],
            head["customer_name"],
            head["customer_identification"],
            self.seller_id,
            self.actor.user_id,
            self.sold_at,
            self.posted_at,
            head["business_day"],
            data.document,
            _rows(self._totals),
            body,
            [each.shelf.product_id for each in taken],
            _rows(
                [
                    _GoodsRow(each.shelf.product_id, each.quantity, each.value, each.had, each.worth, uuid7())
                    for each in taken
                ]
            ),
            _rows({TENDER_COLUMNS[method]: amount for method, amount in tenders.items()}),
            _rows([_MoneyRow(uuid7(), method, amount) for method, amount in tenders.items()]),
            _rows([_line_row(number, *each) for number, each in enumerate(self._lines, start=1)]),
            _rows(self._payments),
            answer.decode(),
            NUMBER,
        )


def _rows(value: object) -> str:
    return JSON.encode(value).decode()


def _document_out(paper: Draft) -> DocumentOut:
    """The document with marks where number, UUID and QR go."""
    return DocumentOut(
        id=paper.id,
        kind=paper.document.kind,
        number=_DOCUMENT_NUMBER,
        status="pending",
        uuid=_DOCUMENT_UUID,
        qr=_QR,
        issued_at=paper.document.issued_at,
    )


def _code_of(paper: Draft) -> bytes:
    """The QR's text in JSON, with marks where number and UUID go; it has no text of anybody's but ours."""
    qr: bytes = JSON.encode(paper.qr)
    for mark in (NUMBER_MARK, UUID_MARK):
        qr = qr.replace(f"\\u{ord(mark):04x}".encode(), mark.encode())
    return qr


def _line_out(line_id: UUID, line: BasketLine, priced: PricedLine, *, costs: bool) -> SaleLineOut:
    shelf, wanted = line.shelf, line.to_price
    return SaleLineOut(
        id=line_id,
        product_id=shelf.product_id,
        sku=shelf.sku,
        name=shelf.name,
        unit_code=line.unit_code,
        quantity=as_quantity(wanted.quantity),
        unit_price=as_price(wanted.unit_price),
        discount=priced.discount,
        tax_class=shelf.tax_class,
        tax_rate=wanted.rate,
        base=priced.base,
        tax=priced.tax,
        total=priced.total,
        unit_cost=as_price(unit_cost(line.cost, wanted.quantity)) if costs else None,
        returned=NO_UNITS,
    )


def _line_row(position: int, line_id: UUID, line: BasketLine, priced: PricedLine) -> _LineRow:
    shelf, wanted = line.shelf, line.to_price
    return _LineRow(
        line_id,
        position,
        shelf.product_id,
        shelf.sku,
        shelf.name,
        line.unit_code,
        line.factor,
        wanted.quantity,
        wanted.unit_price,
        priced.discount,
        shelf.tax_class,
        wanted.rate,
        priced.base,
        priced.tax,
        priced.nominal_tax,
        priced.total,
        line.cost,
        shelf.tracks_stock,
    )


def _payments(data: PostSale, change: Decimal) -> list[_PaymentRow]:
    """Each payment with the change it gives back: the last cash first."""
    rows: list[_PaymentRow] = []
    for position in range(len(data.payments), 0, -1):
        payment = data.payments[position - 1]
        given = min(change, payment.amount) if payment.method == "cash" else ZERO
        change -= given
        rows.append(
            _PaymentRow(uuid7(), position, payment.method, payment.amount + ZERO, given, payment.reference or "")
        )
    return rows[::-1]


def _totals(basket: Basket, priced: list[PricedLine], settled: Settled) -> _Totals:
    subtotal = tax = discount = total = cost = ZERO
    for line in priced:
        subtotal += line.base
        tax += line.tax
        discount += line.discount
        total += line.total
    for goods in basket.lines:
        cost += goods.cost
    return _Totals(len(priced), subtotal, tax, discount, total, cost, settled.rounding, settled.change)


def numbered(answer: bytes, number: str, sequence: str) -> bytes:
    """An answer with its number in place of the marks."""
    return answer.replace(NUMBER.encode(), number.encode()).replace(SEQUENCE.encode(), sequence.encode())


def documented(answer: bytes, number: str, uuid: str) -> bytes:
    """An answer with its document's number and UUID in place of the marks."""
    return answer.replace(NUMBER_MARK.encode(), number.encode()).replace(UUID_MARK.encode(), uuid.encode())
