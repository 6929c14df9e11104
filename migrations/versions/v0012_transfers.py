"""Stock transfers with transit, and stock counts."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KINDS = (
    "'sale', 'return', 'void', 'opening', 'count', 'damage', 'loss', 'found', 'other', 'shortfall', 'revaluation', "
    "'reversal'"
)


def upgrade() -> None:
    _movement_kinds(f"{_KINDS}, 'transfer-out', 'transfer-in'")
    op.create_table(
        "stock_transfer",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("to_warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("from_warehouse_id <> to_warehouse_id", name=op.f("ck_stock_transfer_two_warehouses")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "from_warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_stock_transfer_tenant_id_from_warehouse_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "to_warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_stock_transfer_tenant_id_to_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_transfer")),
    )
    op.create_index("ix_stock_transfer_created", "stock_transfer", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "stock_transfer_line",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("from_warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.CheckConstraint("quantity > 0 AND value >= 0", name=op.f("ck_stock_transfer_line_amounts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id", "from_warehouse_id"],
            ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
            name=op.f("fk_stock_transfer_line_tenant_id_product_id_from_warehouse_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transfer_id"],
            ["stock_transfer.tenant_id", "stock_transfer.id"],
            name=op.f("fk_stock_transfer_line_tenant_id_transfer_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "transfer_id", "product_id", name=op.f("pk_stock_transfer_line")),
    )
    op.create_table(
        "stock_transit",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_stock_transit_quantity")),
        sa.CheckConstraint("value >= 0 AND (quantity > 0 OR value = 0)", name=op.f("ck_stock_transit_value")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transfer_id", "product_id"],
            ["stock_transfer_line.tenant_id", "stock_transfer_line.transfer_id", "stock_transfer_line.product_id"],
            name=op.f("fk_stock_transit_tenant_id_transfer_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "transfer_id", "product_id", name=op.f("pk_stock_transit")),
    )
    op.create_index(
        "ix_stock_transit_product",
        "stock_transit",
        ["tenant_id", "product_id"],
        unique=False,
        postgresql_where=sa.text("quantity > 0"),
    )
    op.create_table(
        "stock_transfer_state",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("open_lines", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.CheckConstraint(
            "(status IN ('received', 'cancelled')) = (open_lines = 0)", name=op.f("ck_stock_transfer_state_open_lines")
        ),
        sa.CheckConstraint(
            "status IN ('in-transit', 'partly-received', 'received', 'cancelled')",
            name=op.f("ck_stock_transfer_state_status"),
        ),
        sa.CheckConstraint("value >= 0 AND (open_lines > 0 OR value = 0)", name=op.f("ck_stock_transfer_state_value")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transfer_id"],
            ["stock_transfer.tenant_id", "stock_transfer.id"],
            name=op.f("fk_stock_transfer_state_tenant_id_transfer_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "transfer_id", name=op.f("pk_stock_transfer_state")),
    )
    op.create_index(
        "ix_stock_transfer_state_open",
        "stock_transfer_state",
        ["tenant_id", "transfer_id"],
        unique=False,
        postgresql_where=sa.text("open_lines > 0"),
    )
    op.create_table(
        "stock_arrival",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("lost_value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("kind IN ('received', 'cancelled')", name=op.f("ck_stock_arrival_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transfer_id"],
            ["stock_transfer.tenant_id", "stock_transfer.id"],
            name=op.f("fk_stock_arrival_tenant_id_transfer_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_arrival")),
    )
    op.create_index("ix_stock_arrival_transfer", "stock_arrival", ["tenant_id", "transfer_id"], unique=False)
    op.create_table(
        "stock_arrival_line",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("arrival_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("lost_quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("lost_value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("adjustment_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(lost_quantity > 0) = (reason IS NOT NULL) AND (reason IS NULL) = (adjustment_id IS NULL)",
            name=op.f("ck_stock_arrival_line_lost"),
        ),
        sa.CheckConstraint(
            "quantity >= 0 AND lost_quantity >= 0 AND quantity + lost_quantity > 0",
            name=op.f("ck_stock_arrival_line_quantity"),
        ),
        sa.CheckConstraint("reason IN ('damage', 'loss', 'other')", name=op.f("ck_stock_arrival_line_reason")),
        sa.CheckConstraint("value >= 0 AND lost_value >= 0", name=op.f("ck_stock_arrival_line_value")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "adjustment_id"],
            ["stock_adjustment.tenant_id", "stock_adjustment.id"],
            name=op.f("fk_stock_arrival_line_tenant_id_adjustment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "arrival_id"],
            ["stock_arrival.tenant_id", "stock_arrival.id"],
            name=op.f("fk_stock_arrival_line_tenant_id_arrival_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "transfer_id", "product_id"],
            ["stock_transfer_line.tenant_id", "stock_transfer_line.transfer_id", "stock_transfer_line.product_id"],
            name=op.f("fk_stock_arrival_line_tenant_id_transfer_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "arrival_id", "product_id", name=op.f("pk_stock_arrival_line")),
    )
    op.create_index(
        "ix_stock_arrival_line_transfer", "stock_arrival_line", ["tenant_id", "transfer_id", "product_id"], unique=False
    )
    op.create_table(
        "stock_count",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("adjustment_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("adjustment_id IS NULL OR status = 'closed'", name=op.f("ck_stock_count_adjustment")),
        sa.CheckConstraint("(scope = 'category') = (category_id IS NOT NULL)", name=op.f("ck_stock_count_category")),
        sa.CheckConstraint("(status = 'open') = (closed_at IS NULL)", name=op.f("ck_stock_count_closed_at")),
        sa.CheckConstraint("scope IN ('all', 'category', 'products')", name=op.f("ck_stock_count_scope")),
        sa.CheckConstraint("status IN ('open', 'closed', 'cancelled')", name=op.f("ck_stock_count_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "adjustment_id"],
            ["stock_adjustment.tenant_id", "stock_adjustment.id"],
            name=op.f("fk_stock_count_tenant_id_adjustment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "category_id"],
            ["category.tenant_id", "category.id"],
            name=op.f("fk_stock_count_tenant_id_category_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_stock_count_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_count")),
    )
    op.create_index("ix_stock_count_created", "stock_count", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "stock_count_item",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("count_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("expected_quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("expected_value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counted_by", sa.Uuid(), nullable=True),
        sa.Column("book_quantity", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("book_position", sa.BigInteger(), nullable=True),
        sa.Column("first_position", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(counted IS NULL) = (counted_at IS NULL) AND (counted IS NULL) = (counted_by IS NULL) AND (counted IS NULL) = (book_quantity IS NULL) AND (counted IS NULL) = (book_position IS NULL) AND (counted IS NULL) = (first_position IS NULL)",
            name=op.f("ck_stock_count_item_count_whole"),
        ),
        sa.CheckConstraint("counted >= 0", name=op.f("ck_stock_count_item_counted")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "count_id"],
            ["stock_count.tenant_id", "stock_count.id"],
            name=op.f("fk_stock_count_item_tenant_id_count_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_stock_count_item_tenant_id_product_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_stock_count_item_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "count_id", "product_id", name=op.f("pk_stock_count_item")),
    )
    op.create_index(
        "uq_stock_count_item_open",
        "stock_count_item",
        ["tenant_id", "warehouse_id", "product_id"],
        unique=True,
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "stock_count_entry",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("count_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("book_quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("mode IN ('add', 'set')", name=op.f("ck_stock_count_entry_mode")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "count_id", "product_id"],
            ["stock_count_item.tenant_id", "stock_count_item.count_id", "stock_count_item.product_id"],
            name=op.f("fk_stock_count_entry_tenant_id_count_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_count_entry")),
        sa.UniqueConstraint(
            "tenant_id",
            "count_id",
            "product_id",
            "position",
            name=op.f("uq_stock_count_entry_tenant_id_count_id_product_id_position"),
        ),
    )
    tenancy.protect("stock_transfer")
    tenancy.protect("stock_transfer_line")
    tenancy.protect("stock_transit", ("select", "insert", "update"), update_columns=("quantity", "value"))
    tenancy.protect(
        "stock_transfer_state", ("select", "insert", "update"), update_columns=("status", "open_lines", "value")
    )
    tenancy.protect("stock_arrival")
    tenancy.protect("stock_arrival_line")
    tenancy.protect(
        "stock_count",
        ("select", "insert", "update"),
        update_columns=("status", "closed_at", "closed_by", "adjustment_id"),
    )
    tenancy.protect(
        "stock_count_item",
        ("select", "insert", "update"),
        update_columns=(
            "is_open",
            "round",
            "entries",
            "counted",
            "counted_at",
            "counted_by",
            "book_quantity",
            "book_position",
            "first_position",
        ),
    )
    tenancy.protect("stock_count_entry")


def downgrade() -> None:
    # Stops when goods were transferred: the ledger keeps every movement, and this revision's kinds are then in it.
    _movement_kinds(_KINDS)
    for table in (
        "stock_count_entry",
        "stock_count_item",
        "stock_count",
        "stock_arrival_line",
        "stock_arrival",
        "stock_transfer_state",
        "stock_transit",
        "stock_transfer_line",
        "stock_transfer",
    ):
        op.drop_table(table)


def _movement_kinds(kinds: str) -> None:
    """Say anew what kinds the ledger knows."""
    op.drop_constraint(op.f("ck_stock_movement_kind"), "stock_movement", type_="check")
    op.create_check_constraint(op.f("ck_stock_movement_kind"), "stock_movement", f"kind IN ({kinds})")
