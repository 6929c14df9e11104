"""Tables of the counter."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Money, Quantity, Rate, TenantOwned, TenantRow, UnitAmount


class Sale(TenantRow, ClientCreated, DefaultBase):
    """A posted ticket. Never edited: a mistake is answered by a return or a void."""

    __tablename__ = "sale"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "session_id"], ["cash_session.tenant_id", "cash_session.id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
        UniqueConstraint("tenant_id", "branch_id", "sequence"),
        Index("ix_sale_posted", "tenant_id", "posted_at", "id"),
    )

    session_id: Mapped[UUID]
    branch_id: Mapped[UUID]
    register_id: Mapped[UUID]
    warehouse_id: Mapped[UUID]
    sequence: Mapped[int]
    number: Mapped[str]
    """Printed on the ticket: the branch's prefix and the sequence."""
    customer_id: Mapped[UUID]
    customer_name: Mapped[str]
    """Frozen as printed."""
    customer_identification: Mapped[str]
    seller_id: Mapped[UUID]
    user_id: Mapped[UUID]
    sold_at: Mapped[datetime]
    posted_at: Mapped[datetime]
    business_day: Mapped[date]
    """Day of `sold_at` in the shop's zone."""
    document_wanted: Mapped[str]
    """What the cashier asked for: auto, invoice, pos, none."""
    line_count: Mapped[int]
    subtotal: Mapped[Money]
    """Sum of the lines' bases."""
    tax_total: Mapped[Money]
    discount_total: Mapped[Money]
    """Pesos less, taxes included; already inside the lines' totals."""
    total: Mapped[Money]
    cost_total: Mapped[Money]
    rounding: Mapped[Money]
    """Tender that closes the gap between the total and the rounded cash; never a price."""
    change: Mapped[Money]


class SaleLine(TenantRow, DefaultBase):
    """One product on a ticket, with the prices, rates and cost of that moment."""

    __tablename__ = "sale_line"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"]),
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        UniqueConstraint("tenant_id", "sale_id", "position"),
    )

    sale_id: Mapped[UUID]
    position: Mapped[int]
    product_id: Mapped[UUID]
    sku: Mapped[str]
    name: Mapped[str]
    unit_code: Mapped[str]
    factor: Mapped[Quantity]
    """Base units in one sold unit."""
    quantity: Mapped[Quantity]
    """In sold units."""
    unit_price: Mapped[UnitAmount]
    discount: Mapped[Money]
    """Of the line and its share of the ticket's, taxes included."""
    tax_class: Mapped[str]
    tax_rate: Mapped[Rate]
    base: Mapped[Money]
    tax: Mapped[Money]
    """All taxes of the line, the nominal one included."""
    nominal_tax: Mapped[Money]
    total: Mapped[Money]
    cost: Mapped[Money]
    """Pesos that left stock for this line; 0 where stock is not tracked."""
    tracks_stock: Mapped[bool]


class SaleLineRemaining(TenantOwned, DefaultBase):
    """Mutable companion of a line: what has not been returned. Two returns cannot race past zero.

    Made for all lines of a ticket by its first return; a line without one is whole.
    """

    __tablename__ = "sale_line_remaining"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sale_line_id"], ["sale_line.tenant_id", "sale_line.id"]),
        CheckConstraint(
            "quantity >= 0 AND total >= 0 AND base >= 0 AND nominal_tax >= 0 AND cost >= 0 AND total >= base",
            name="not_negative",
        ),
        {"postgresql_with": {"fillfactor": 90}},
    )

    sale_line_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity]
    total: Mapped[Money]
    base: Mapped[Money]
    nominal_tax: Mapped[Money]
    cost: Mapped[Money]


class SalePayment(TenantRow, DefaultBase):
    """What was handed over in one tender."""

    __tablename__ = "sale_payment"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"]),
        Index("ix_sale_payment_sale", "tenant_id", "sale_id"),
    )

    sale_id: Mapped[UUID]
    position: Mapped[int]
    method: Mapped[str]
    amount: Mapped[Money]
    """As handed over: for cash, before the change."""
    change: Mapped[Money]
    reference: Mapped[str] = mapped_column(server_default="")


class SaleReturn(TenantRow, ClientCreated, DefaultBase):
    """Goods that came back (kind `return`), or a whole ticket undone (kind `void`)."""

    __tablename__ = "sale_return"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"]),
        ForeignKeyConstraint(["tenant_id", "session_id"], ["cash_session.tenant_id", "cash_session.id"]),
        CheckConstraint("kind IN ('return','void')", name="kind"),
        UniqueConstraint("tenant_id", "branch_id", "kind", "sequence"),
        Index("ix_sale_return_sale", "tenant_id", "sale_id"),
        Index("ix_sale_return_posted", "tenant_id", "posted_at", "id"),
    )

    sale_id: Mapped[UUID]
    session_id: Mapped[UUID]
    """The session that paid it out, not the one that sold."""
    branch_id: Mapped[UUID]
    kind: Mapped[str]
    sequence: Mapped[int]
    number: Mapped[str]
    reason: Mapped[str]
    user_id: Mapped[UUID]
    posted_at: Mapped[datetime]
    business_day: Mapped[date]
    subtotal: Mapped[Money]
    tax_total: Mapped[Money]
    total: Mapped[Money]
    cost_total: Mapped[Money]


class SaleReturnLine(TenantRow, DefaultBase):
    """What came back of one line; pesos prorated, the last piece takes the remainder."""

    __tablename__ = "sale_return_line"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "return_id"], ["sale_return.tenant_id", "sale_return.id"]),
        ForeignKeyConstraint(["tenant_id", "sale_line_id"], ["sale_line.tenant_id", "sale_line.id"]),
        Index("ix_sale_return_line_return", "tenant_id", "return_id"),
        Index("ix_sale_return_line_line", "tenant_id", "sale_line_id"),
    )

    return_id: Mapped[UUID]
    sale_line_id: Mapped[UUID]
    position: Mapped[int]
    quantity: Mapped[Quantity]
    base: Mapped[Money]
    tax: Mapped[Money]
    nominal_tax: Mapped[Money]
    total: Mapped[Money]
    cost: Mapped[Money]


class SaleRefund(TenantRow, DefaultBase):
    """Money given back in one tender."""

    __tablename__ = "sale_refund"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "return_id"], ["sale_return.tenant_id", "sale_return.id"]),
        Index("ix_sale_refund_return", "tenant_id", "return_id"),
    )

    return_id: Mapped[UUID]
    method: Mapped[str]
    amount: Mapped[Money]
    reference: Mapped[str] = mapped_column(server_default="")


class HeldTicket(TenantRow, ClientCreated, DefaultBase):
    """A ticket put aside before payment: no money, no stock, taken up again by one till."""

    __tablename__ = "held_ticket"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "register_id"], ["cash_register.tenant_id", "cash_register.id"]),
        Index("ix_held_ticket_created", "tenant_id", "created_at", "id"),
    )

    register_id: Mapped[UUID]
    label: Mapped[str]
    ticket: Mapped[dict[str, Any]]
    """Lines, customer and discount as `POST /v1/sales` takes them."""
    user_id: Mapped[UUID]
