"""Tables of stock."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import CURRENT_XID, ClientCreated, DefaultBase, Money, Quantity, TenantOwned, TenantRow, UnitAmount

MOVEMENT_KINDS = (
    "sale",
    "return",
    "void",
    "opening",
    "count",
    "damage",
    "loss",
    "found",
    "other",
    "shortfall",
    "revaluation",
    "reversal",
)
REASONS = ("opening", "count", "damage", "loss", "found", "other", "revaluation", "reversal")
"""Why stock was changed by hand; the movements of an adjustment carry its reason as their kind."""
BY_HAND = text("kind NOT IN ('sale', 'return', 'void', 'shortfall')")
"""Movements of adjustments: an index of these alone costs a sale nothing."""


class Stock(TenantOwned, DefaultBase):
    """Quantity and value of one product in one warehouse, kept in the transaction of each movement.

    One row for every product and warehouse, also of products that do not track stock: a sale locks by it.
    `changed_xid` has no index on purpose: an update then stays on its page (HOT).
    """

    __tablename__ = "stock"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint("value >= 0 AND (quantity > 0 OR value = 0)", name="value"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity] = mapped_column(server_default="0")
    value: Mapped[Money] = mapped_column(server_default="0")
    """Pesos; the moving average cost is value / quantity."""
    moves: Mapped[int] = mapped_column(server_default="0")
    """Movements so far: the position of the last one."""
    changed_xid: Mapped[int] = mapped_column(server_default=CURRENT_XID)


class StockMovement(TenantRow, DefaultBase):
    """One signed change of stock, with the balance after it. Append-only."""

    __tablename__ = "stock_movement"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "product_id", "warehouse_id"],
            ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
        ),
        UniqueConstraint("tenant_id", "product_id", "warehouse_id", "position"),
        CheckConstraint(f"kind IN {MOVEMENT_KINDS}", name="kind"),
        Index("ix_stock_movement_by_hand", "tenant_id", "document_id", postgresql_where=BY_HAND),
    )

    product_id: Mapped[UUID]
    warehouse_id: Mapped[UUID]
    position: Mapped[int]
    """1, 2, 3 … per product and warehouse: the order of the kardex."""
    kind: Mapped[str]
    document_id: Mapped[UUID]
    """The sale, return, void or adjustment that moved it."""
    quantity: Mapped[Quantity]
    value: Mapped[Money]
    """Pesos that came in (positive) or left (negative)."""
    balance_quantity: Mapped[Quantity]
    balance_value: Mapped[Money]
    user_id: Mapped[UUID]


class StockAdjustment(TenantRow, ClientCreated, DefaultBase):
    """Why stock was changed by hand; its lines are movements. Append-only: a mistake is answered by another."""

    __tablename__ = "stock_adjustment"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        ForeignKeyConstraint(["tenant_id", "reverses"], ["stock_adjustment.tenant_id", "stock_adjustment.id"]),
        UniqueConstraint("tenant_id", "reverses"),
        CheckConstraint(f"reason IN {REASONS}", name="reason"),
        Index("ix_stock_adjustment_created", "tenant_id", "created_at", "id"),
    )

    warehouse_id: Mapped[UUID]
    reason: Mapped[str]
    note: Mapped[str]
    user_id: Mapped[UUID]
    reverses: Mapped[UUID | None]
    """The adjustment that this one undoes; each can be undone once."""
    line_count: Mapped[int]
    value: Mapped[Money]
    """Pesos that the lines brought, less what they took."""


class StockConflict(TenantRow, DefaultBase):
    """Units an offline till sold that the books did not have; the owner settles them."""

    __tablename__ = "stock_conflict"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "product_id", "warehouse_id"],
            ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
        ),
        CheckConstraint("missing > 0", name="missing"),
        CheckConstraint("settlement IN ('counted', 'accepted')", name="settlement"),
        Index("ix_stock_conflict_open", "tenant_id", "created_at", postgresql_where=text("settled_at IS NULL")),
    )

    product_id: Mapped[UUID]
    warehouse_id: Mapped[UUID]
    document_id: Mapped[UUID]
    """The sale."""
    missing: Mapped[Quantity]
    unit_cost: Mapped[UnitAmount]
    """Pesos a missing unit was booked at: the average, else the last known cost."""
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[UUID | None]
    settlement: Mapped[str | None]
    """`counted`: the shelf was counted and corrected by an adjustment; `accepted`: the units were there, the books erred."""
    settlement_note: Mapped[str] = mapped_column(server_default="")
