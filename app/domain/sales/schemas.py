"""Bodies of the counter."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.domain.invoicing.reads import Shown
from app.lib.money import SomePesos, SomeUnits, ZeroOrMorePesos, ZeroOrMorePrice
from app.lib.schemas import Input, Output, Page

Method = Literal["cash", "debit-card", "credit-card", "transfer", "nequi", "daviplata", "check", "voucher", "credit"]
DocumentWanted = Literal["auto", "invoice", "pos", "none"]
Reason = Annotated[str, Meta(min_length=1, max_length=300)]
Reference = Annotated[str, Meta(max_length=100)]
MAX_LINES = 2_000
MAX_PAYMENTS = 50


class PostSaleLine(Input):
    """One product of a ticket; the same one may stand on several lines."""

    product_id: UUID
    quantity: Annotated[SomeUnits, Meta(examples=["2.5"])]
    unit_code: Annotated[str, Meta(max_length=3)] | None = None
    """A pack of the product; its base unit when absent."""
    unit_price: ZeroOrMorePrice | None = None
    """Pesos the customer pays for one unit, taxes included; the catalogue's when absent."""
    discount: ZeroOrMorePesos | None = None
    """Pesos less on the whole line, taxes included."""


class Payment(Input):
    """What is handed over in one tender; for cash, before the change."""

    method: Method
    amount: SomePesos
    reference: Reference | None = None


class PostSale(Input):
    """A ticket. `soldAt` is for a till that sold without network: not in the future, at most 72 hours ago."""

    session_id: UUID
    lines: Annotated[list[PostSaleLine], Meta(min_length=1, max_length=MAX_LINES)]
    payments: Annotated[list[Payment], Meta(max_length=MAX_PAYMENTS)]
    id: UUID | None = None
    customer_id: UUID | None = None
    seller_id: UUID | None = None
    sold_at: Annotated[datetime, Meta(tz=True)] | None = None
    document: DocumentWanted = "auto"
    discount: ZeroOrMorePesos | None = None
    """Pesos less on the whole ticket, spread over the lines by their totals."""
    approval_ids: Annotated[list[UUID], Meta(max_length=4)] = []
    """Of kinds `discount` and `below-cost`, from a supervisor, for what the seller may not do alone."""


class SaleLineOut(Output):
    id: UUID
    product_id: UUID
    sku: str
    name: str
    unit_code: str
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    """Of the line and its share of the ticket's."""
    tax_class: str
    tax_rate: Decimal
    base: Decimal
    tax: Decimal
    total: Decimal
    unit_cost: Decimal | None
    """Pesos of one sold unit; null without `costs:read`."""
    returned: Decimal
    """Units that came back."""


class PaymentOut(Output):
    method: str
    amount: Decimal
    change: Decimal
    reference: str


class BuyerOut(Output):
    id: UUID
    name: str
    identification: str


class NoticeOut(Output):
    """Something the shop should know; nothing was refused."""

    code: str
    detail: str


class ConflictOut(Output):
    """Units an offline till sold that the books did not have."""

    product_id: UUID
    missing: Decimal


class DocumentOut(Output):
    """The electronic document of a ticket."""

    id: UUID
    kind: str
    number: str
    status: str
    uuid: str
    qr: str
    issued_at: datetime

    @classmethod
    def of(cls, shown: Shown | None) -> "DocumentOut | None":
        """As `app.domain.invoicing.reads` found it."""
        if shown is None:
            return None
        return cls(**{name: getattr(shown, name) for name in cls.__struct_fields__})


class SaleOut(Output):
    id: UUID
    number: str
    """As printed."""
    sequence: int
    status: Literal["posted", "partly-returned", "returned", "voided"]
    session_id: UUID
    branch_id: UUID
    register_id: UUID
    customer: BuyerOut
    seller_id: UUID
    user_id: UUID
    sold_at: datetime
    posted_at: datetime
    business_day: date
    lines: list[SaleLineOut]
    payments: list[PaymentOut]
    subtotal: Decimal
    tax_total: Decimal
    discount_total: Decimal
    total: Decimal
    rounding: Decimal
    """Tender line that closes the gap between the total and the rounded cash."""
    change: Decimal
    document: DocumentOut | None
    warnings: list[NoticeOut]
    conflicts: list[ConflictOut]


class SaleSummaryOut(Output):
    id: UUID
    number: str
    sequence: int
    status: str
    session_id: UUID
    branch_id: UUID
    customer: BuyerOut
    seller_id: UUID
    sold_at: datetime
    posted_at: datetime
    business_day: date
    total: Decimal
    tax_total: Decimal


class SalePage(Page):
    items: list[SaleSummaryOut]


class VoidSale(Input):
    """Undo a whole ticket, or what remains of it."""

    reason: Reason
    session_id: UUID | None = None
    id: UUID | None = None
    approval_id: UUID | None = None
    """Of kind `void`, from a supervisor; who may approve needs none."""


class ReturnLine(Input):
    sale_line_id: UUID
    quantity: SomeUnits
    """In the units of the sold line."""


class Refund(Input):
    method: Method
    amount: SomePesos
    reference: Reference | None = None


class PostReturn(Input):
    """Goods that come back. The refunds add up exactly to what is returned, each capped by what its tender paid."""

    sale_id: UUID
    lines: Annotated[list[ReturnLine], Meta(min_length=1, max_length=MAX_LINES)]
    refunds: Annotated[list[Refund], Meta(max_length=MAX_PAYMENTS)]
    reason: Reason
    id: UUID | None = None
    session_id: UUID | None = None


class ReturnLineOut(Output):
    id: UUID
    sale_line_id: UUID
    product_id: UUID
    quantity: Decimal
    base: Decimal
    tax: Decimal
    total: Decimal
    unit_cost: Decimal | None


class RefundOut(Output):
    method: str
    amount: Decimal
    reference: str


class ReturnOut(Output):
    id: UUID
    kind: Literal["return", "void"]
    number: str
    sequence: int
    sale_id: UUID
    session_id: UUID
    reason: str
    user_id: UUID
    posted_at: datetime
    business_day: date
    lines: list[ReturnLineOut]
    refunds: list[RefundOut]
    subtotal: Decimal
    tax_total: Decimal
    total: Decimal
    document: DocumentOut | None


class ReturnPage(Page):
    items: list[ReturnOut]


class HoldTicket(Input):
    """Put a ticket aside: nothing is charged and nothing leaves stock."""

    register_id: UUID
    label: Annotated[str, Meta(min_length=1, max_length=80)]
    lines: Annotated[list[PostSaleLine], Meta(min_length=1, max_length=MAX_LINES)]
    id: UUID | None = None
    customer_id: UUID | None = None
    discount: ZeroOrMorePesos | None = None


class HeldLineOut(Output):
    product_id: UUID
    quantity: Decimal
    unit_code: str | None
    unit_price: Decimal | None
    discount: Decimal | None


class HeldTicketOut(Output):
    id: UUID
    register_id: UUID
    label: str
    customer_id: UUID | None
    discount: Decimal | None
    lines: list[HeldLineOut]
    user_id: UUID
    created_at: datetime


class HeldTicketPage(Page):
    items: list[HeldTicketOut]
