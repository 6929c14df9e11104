"""Numbering, tickets, returns, held tickets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sale",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=False),
        sa.Column("customer_identification", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sold_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("document_wanted", sa.Text(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("subtotal", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("tax_total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("discount_total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("cost_total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("rounding", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("change", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_sale_tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["cash_session.tenant_id", "cash_session.id"],
            name=op.f("fk_sale_tenant_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sale")),
        sa.UniqueConstraint("tenant_id", "branch_id", "sequence", name=op.f("uq_sale_tenant_id_branch_id_sequence")),
    )
    op.create_index("ix_sale_posted", "sale", ["tenant_id", "posted_at", "id"], unique=False)
    op.create_table(
        "sale_line",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sale_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("factor", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("discount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("tax_rate", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("base", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("tax", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("nominal_tax", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("cost", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("tracks_stock", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_sale_line_tenant_id_product_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"], name=op.f("fk_sale_line_tenant_id_sale_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sale_line")),
        sa.UniqueConstraint("tenant_id", "sale_id", "position", name=op.f("uq_sale_line_tenant_id_sale_id_position")),
    )
    op.create_table(
        "sale_line_remaining",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sale_line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("base", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("nominal_tax", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("cost", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.CheckConstraint(
            "quantity >= 0 AND total >= 0 AND base >= 0 AND nominal_tax >= 0 AND cost >= 0 AND total >= base",
            name=op.f("ck_sale_line_remaining_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sale_line_id"],
            ["sale_line.tenant_id", "sale_line.id"],
            name=op.f("fk_sale_line_remaining_tenant_id_sale_line_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "sale_line_id", name=op.f("pk_sale_line_remaining")),
        postgresql_with={"fillfactor": 90},
    )
    op.create_table(
        "sale_payment",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sale_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("change", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"], name=op.f("fk_sale_payment_tenant_id_sale_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sale_payment")),
    )
    op.create_index("ix_sale_payment_sale", "sale_payment", ["tenant_id", "sale_id"], unique=False)
    op.create_table(
        "sale_return",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sale_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("subtotal", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("tax_total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("cost_total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("kind IN ('return','void')", name=op.f("ck_sale_return_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sale_id"], ["sale.tenant_id", "sale.id"], name=op.f("fk_sale_return_tenant_id_sale_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["cash_session.tenant_id", "cash_session.id"],
            name=op.f("fk_sale_return_tenant_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sale_return")),
        sa.UniqueConstraint(
            "tenant_id", "branch_id", "kind", "sequence", name=op.f("uq_sale_return_tenant_id_branch_id_kind_sequence")
        ),
    )
    op.create_index("ix_sale_return_posted", "sale_return", ["tenant_id", "posted_at", "id"], unique=False)
    op.create_index("ix_sale_return_sale", "sale_return", ["tenant_id", "sale_id"], unique=False)
    op.create_table(
        "sale_return_line",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("sale_line_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("base", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("tax", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("nominal_tax", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("total", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("cost", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "return_id"],
            ["sale_return.tenant_id", "sale_return.id"],
            name=op.f("fk_sale_return_line_tenant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sale_line_id"],
            ["sale_line.tenant_id", "sale_line.id"],
            name=op.f("fk_sale_return_line_tenant_id_sale_line_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sale_return_line")),
    )
    op.create_index("ix_sale_return_line_line", "sale_return_line", ["tenant_id", "sale_line_id"], unique=False)
    op.create_index("ix_sale_return_line_return", "sale_return_line", ["tenant_id", "return_id"], unique=False)
    op.create_table(
        "sale_refund",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "return_id"],
            ["sale_return.tenant_id", "sale_return.id"],
            name=op.f("fk_sale_refund_tenant_id_return_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sale_refund")),
    )
    op.create_index("ix_sale_refund_return", "sale_refund", ["tenant_id", "return_id"], unique=False)
    op.create_table(
        "held_ticket",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("ticket", postgresql.JSONB(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "register_id"],
            ["cash_register.tenant_id", "cash_register.id"],
            name=op.f("fk_held_ticket_tenant_id_register_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_held_ticket")),
    )
    op.create_index("ix_held_ticket_created", "held_ticket", ["tenant_id", "created_at", "id"], unique=False)
    tenancy.protect("sale")
    tenancy.protect("sale_line")
    tenancy.protect("sale_line_remaining", ("select", "insert", "update"))
    tenancy.protect("sale_payment")
    tenancy.protect("sale_return")
    tenancy.protect("sale_return_line")
    tenancy.protect("sale_refund")
    tenancy.protect("held_ticket", ("select", "insert", "delete"))


def downgrade() -> None:
    op.drop_table("held_ticket")
    op.drop_table("sale_refund")
    op.drop_table("sale_return_line")
    op.drop_table("sale_return")
    op.drop_table("sale_payment")
    op.drop_table("sale_line_remaining")
    op.drop_table("sale_line")
    op.drop_table("sale")
