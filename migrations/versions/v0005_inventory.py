"""Stock, its ledger, adjustments, conflicts."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stock",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("moves", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "changed_xid",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
            nullable=False,
        ),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_stock_quantity")),
        sa.CheckConstraint("value >= 0 AND (quantity > 0 OR value = 0)", name=op.f("ck_stock_value")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"], ["product.tenant_id", "product.id"], name=op.f("fk_stock_tenant_id_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_stock_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "product_id", "warehouse_id", name=op.f("pk_stock")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "stock_movement",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("balance_quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("balance_value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('sale', 'return', 'void', 'opening', 'count', 'damage', 'loss', 'found', 'other', 'shortfall', 'revaluation', 'reversal')",
            name=op.f("ck_stock_movement_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id", "warehouse_id"],
            ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
            name=op.f("fk_stock_movement_tenant_id_product_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_movement")),
        sa.UniqueConstraint(
            "tenant_id",
            "product_id",
            "warehouse_id",
            "position",
            name=op.f("uq_stock_movement_tenant_id_product_id_warehouse_id_position"),
        ),
    )
    op.create_index(
        "ix_stock_movement_by_hand",
        "stock_movement",
        ["tenant_id", "document_id"],
        unique=False,
        postgresql_where=sa.text("kind NOT IN ('sale', 'return', 'void', 'shortfall')"),
    )
    op.create_table(
        "stock_adjustment",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('opening', 'count', 'damage', 'loss', 'found', 'other', 'revaluation', 'reversal')",
            name=op.f("ck_stock_adjustment_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reverses"],
            ["stock_adjustment.tenant_id", "stock_adjustment.id"],
            name=op.f("fk_stock_adjustment_tenant_id_reverses"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_stock_adjustment_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_adjustment")),
        sa.UniqueConstraint("tenant_id", "reverses", name=op.f("uq_stock_adjustment_tenant_id_reverses")),
    )
    op.create_index("ix_stock_adjustment_created", "stock_adjustment", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "stock_conflict",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("missing", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("unit_cost", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.Column("settlement", sa.Text(), nullable=True),
        sa.Column("settlement_note", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("missing > 0", name=op.f("ck_stock_conflict_missing")),
        sa.CheckConstraint("settlement IN ('counted', 'accepted')", name=op.f("ck_stock_conflict_settlement")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id", "warehouse_id"],
            ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
            name=op.f("fk_stock_conflict_tenant_id_product_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stock_conflict")),
    )
    op.create_index(
        "ix_stock_conflict_open",
        "stock_conflict",
        ["tenant_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    tenancy.protect("stock", ("select", "insert", "update"))
    tenancy.protect("stock_movement")
    tenancy.protect("stock_adjustment")
    tenancy.protect(
        "stock_conflict",
        ("select", "insert", "update"),
        update_columns=("settled_at", "settled_by", "settlement", "settlement_note"),
    )


def downgrade() -> None:
    op.drop_table("stock_conflict")
    op.drop_table("stock_adjustment")
    op.drop_table("stock_movement")
    op.drop_table("stock")
