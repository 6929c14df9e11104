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
    "transfer-out",
    "transfer-in",
)
REASONS = ("opening", "count", "damage", "loss", "found", "other", "revaluation", "reversal")
"""Why stock was changed by hand; the movements of an adjustment carry its reason as their kind."""
BY_HAND = text("kind NOT IN ('sale', 'return', 'void', 'shortfall')")
"""Movements of adjustments and transfers: an index of these alone costs a sale nothing."""
LOSSES = ("damage", "loss", "other")
"""Why units that left one warehouse did not reach the other."""


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
    """The sale, return, void, adjustment or transfer that moved it."""
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


class StockTransfer(TenantRow, ClientCreated, DefaultBase):
    """Goods that left one warehouse for another. Append-only; where it stands is in `StockTransferState`."""

    __tablename__ = "stock_transfer"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "from_warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        ForeignKeyConstraint(["tenant_id", "to_warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        CheckConstraint("from_warehouse_id <> to_warehouse_id", name="two_warehouses"),
        Index("ix_stock_transfer_created", "tenant_id", "created_at", "id"),
    )

    from_warehouse_id: Mapped[UUID]
    to_warehouse_id: Mapped[UUID]
    note: Mapped[str]
    user_id: Mapped[UUID]
    line_count: Mapped[int]
    value: Mapped[Money]
    """Pesos that left the source."""


class StockTransferLine(TenantOwned, DefaultBase):
    """What a transfer took of one product, at the source's moving average. Append-only."""

    __tablename__ = "stock_transfer_line"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "transfer_id"], ["stock_transfer.tenant_id", "stock_transfer.id"]),
        # The source's shelf, which the sender holds locked: a key to the product would wait for whoever changes it.
        ForeignKeyConstraint(
            ["tenant_id", "product_id", "from_warehouse_id"],
            ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
        ),
        CheckConstraint("quantity > 0 AND value >= 0", name="amounts"),
    )

    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_warehouse_id: Mapped[UUID]
    position: Mapped[int]
    """1, 2, 3 … as it was asked for."""
    quantity: Mapped[Quantity]
    value: Mapped[Money]


class StockTransit(TenantOwned, DefaultBase):
    """What of a transfer's line is on its way: the mutable companion of `StockTransferLine`."""

    __tablename__ = "stock_transit"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "transfer_id", "product_id"],
            ["stock_transfer_line.tenant_id", "stock_transfer_line.transfer_id", "stock_transfer_line.product_id"],
        ),
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint("value >= 0 AND (quantity > 0 OR value = 0)", name="value"),
        Index("ix_stock_transit_product", "tenant_id", "product_id", postgresql_where=text("quantity > 0")),
    )

    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity]
    value: Mapped[Money]


class StockTransferState(TenantOwned, DefaultBase):
    """Where a transfer stands. Whoever receives or cancels locks this row first."""

    __tablename__ = "stock_transfer_state"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "transfer_id"], ["stock_transfer.tenant_id", "stock_transfer.id"]),
        CheckConstraint("status IN ('in-transit', 'partly-received', 'received', 'cancelled')", name="status"),
        CheckConstraint("(status IN ('received', 'cancelled')) = (open_lines = 0)", name="open_lines"),
        CheckConstraint("value >= 0 AND (open_lines > 0 OR value = 0)", name="value"),
        Index("ix_stock_transfer_state_open", "tenant_id", "transfer_id", postgresql_where=text("open_lines > 0")),
    )

    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    open_lines: Mapped[int]
    """Lines with units on their way."""
    value: Mapped[Money]
    """Pesos on their way."""


class StockArrival(TenantRow, ClientCreated, DefaultBase):
    """Units that ended their way: received in the destination, or taken back to the source. Append-only."""

    __tablename__ = "stock_arrival"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "transfer_id"], ["stock_transfer.tenant_id", "stock_transfer.id"]),
        CheckConstraint("kind IN ('received', 'cancelled')", name="kind"),
        Index("ix_stock_arrival_transfer", "tenant_id", "transfer_id"),
    )

    transfer_id: Mapped[UUID]
    kind: Mapped[str]
    note: Mapped[str]
    user_id: Mapped[UUID]
    line_count: Mapped[int]
    value: Mapped[Money]
    """Pesos that came onto the shelf and stayed there."""
    lost_value: Mapped[Money]
    """Pesos written off."""


class StockArrivalLine(TenantOwned, DefaultBase):
    """What arrived of one product, and what did not. Append-only."""

    __tablename__ = "stock_arrival_line"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "arrival_id"], ["stock_arrival.tenant_id", "stock_arrival.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "transfer_id", "product_id"],
            ["stock_transfer_line.tenant_id", "stock_transfer_line.transfer_id", "stock_transfer_line.product_id"],
        ),
        ForeignKeyConstraint(["tenant_id", "adjustment_id"], ["stock_adjustment.tenant_id", "stock_adjustment.id"]),
        CheckConstraint("quantity >= 0 AND lost_quantity >= 0 AND quantity + lost_quantity > 0", name="quantity"),
        CheckConstraint("value >= 0 AND lost_value >= 0", name="value"),
        CheckConstraint(f"reason IN {LOSSES}", name="reason"),
        CheckConstraint(
            "(lost_quantity > 0) = (reason IS NOT NULL) AND (reason IS NULL) = (adjustment_id IS NULL)", name="lost"
        ),
        Index("ix_stock_arrival_line_transfer", "tenant_id", "transfer_id", "product_id"),
    )

    arrival_id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    transfer_id: Mapped[UUID]
    quantity: Mapped[Quantity]
    value: Mapped[Money]
    lost_quantity: Mapped[Quantity]
    lost_value: Mapped[Money]
    reason: Mapped[str | None]
    adjustment_id: Mapped[UUID | None]
    """The adjustment that wrote the lost units off; undone when they turn up."""


class StockCount(TenantRow, ClientCreated, DefaultBase):
    """A session in which people count what lies in one warehouse."""

    __tablename__ = "stock_count"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        ForeignKeyConstraint(["tenant_id", "category_id"], ["category.tenant_id", "category.id"]),
        ForeignKeyConstraint(["tenant_id", "adjustment_id"], ["stock_adjustment.tenant_id", "stock_adjustment.id"]),
        CheckConstraint("scope IN ('all', 'category', 'products')", name="scope"),
        CheckConstraint("(scope = 'category') = (category_id IS NOT NULL)", name="category"),
        CheckConstraint("status IN ('open', 'closed', 'cancelled')", name="status"),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_at"),
        CheckConstraint("adjustment_id IS NULL OR status = 'closed'", name="adjustment"),
        Index("ix_stock_count_created", "tenant_id", "created_at", "id"),
    )

    warehouse_id: Mapped[UUID]
    scope: Mapped[str]
    category_id: Mapped[UUID | None]
    note: Mapped[str]
    user_id: Mapped[UUID]
    status: Mapped[str]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    adjustment_id: Mapped[UUID | None]
    """What the close posted; none when nothing differed."""


class StockCountItem(TenantOwned, DefaultBase):
    """One product of a count: what was expected, what was counted, and what the books said at that moment."""

    __tablename__ = "stock_count_item"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "count_id"], ["stock_count.tenant_id", "stock_count.id"]),
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        CheckConstraint("counted >= 0", name="counted"),
        CheckConstraint(
            "(counted IS NULL) = (counted_at IS NULL) AND (counted IS NULL) = (counted_by IS NULL) "
            "AND (counted IS NULL) = (book_quantity IS NULL) AND (counted IS NULL) = (book_position IS NULL) "
            "AND (counted IS NULL) = (first_position IS NULL)",
            name="count_whole",
        ),
        Index(
            "uq_stock_count_item_open",
            "tenant_id",
            "warehouse_id",
            "product_id",
            unique=True,
            postgresql_where=text("is_open"),
        ),
    )

    count_id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID]
    is_open: Mapped[bool]
    """Until the count ends: a product is in one open count of its warehouse at a time."""
    expected_quantity: Mapped[Quantity]
    expected_value: Mapped[Money]
    """What the books said when the count was opened."""
    round: Mapped[int]
    """1, and one more for each recount."""
    entries: Mapped[int]
    """How many there are: the position of the last one."""
    counted: Mapped[Quantity | None]
    """Units counted in this round; none yet."""
    counted_at: Mapped[datetime | None]
    counted_by: Mapped[UUID | None]
    book_quantity: Mapped[Quantity | None]
    """What the books said when the last units were counted: what came or went later changes both alike."""
    book_position: Mapped[int | None]
    """Movements of the shelf by then."""
    first_position: Mapped[int | None]
    """Movements of the shelf when the first units of this round were counted."""


class StockCountEntry(TenantRow, DefaultBase):
    """What one person counted at one moment on one device. Append-only."""

    __tablename__ = "stock_count_entry"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "count_id", "product_id"],
            ["stock_count_item.tenant_id", "stock_count_item.count_id", "stock_count_item.product_id"],
        ),
        CheckConstraint("mode IN ('add', 'set')", name="mode"),
        UniqueConstraint("tenant_id", "count_id", "product_id", "position"),
    )

    count_id: Mapped[UUID]
    product_id: Mapped[UUID]
    position: Mapped[int]
    """1, 2, 3 … per product of the count."""
    round: Mapped[int]
    mode: Mapped[str]
    quantity: Mapped[Quantity]
    total: Mapped[Quantity]
    """Units counted in the round after this."""
    book_quantity: Mapped[Quantity]
    device: Mapped[str]
    user_id: Mapped[UUID]
