"""Stock by day and when shelves were empty, sales of products by month, reports by mail, accounts of the bookkeeper."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_MONEY = ("base", "tax", "total", "cost", "discount", "returned")
_ALL: Final[tuple[tenancy.Grant, ...]] = ("select", "insert", "update", "delete")


def _shelf(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "product_id", "warehouse_id"],
        ["stock.tenant_id", "stock.product_id", "stock.warehouse_id"],
        name=op.f(f"fk_{table}_tenant_id_product_id_warehouse_id"),
    )


def _tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f(f"fk_{table}_tenant_id"))


def upgrade() -> None:
    op.create_table(
        "stock_day",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Numeric(18, 6), nullable=False),
        sa.Column("value", sa.Numeric(18, 2), nullable=False),
        sa.Column("moved_quantity", sa.Numeric(18, 6), nullable=False),
        sa.Column("moved_value", sa.Numeric(18, 2), nullable=False),
        _shelf("stock_day"),
        sa.PrimaryKeyConstraint("tenant_id", "product_id", "warehouse_id", "day", name=op.f("pk_stock_day")),
    )
    tenancy.protect("stock_day", _ALL)
    op.create_table(
        "stock_gap",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _shelf("stock_gap"),
        sa.PrimaryKeyConstraint("tenant_id", "product_id", "warehouse_id", "position", name=op.f("pk_stock_gap")),
    )
    tenancy.protect("stock_gap", _ALL)
    op.create_table(
        "report_product_month",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("tickets", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Numeric(18, 2), nullable=False) for name in _MONEY),
        sa.Column("quantity", sa.Numeric(18, 6), nullable=False),
        _tenant("report_product_month"),
        sa.PrimaryKeyConstraint("tenant_id", "month", "product_id", "branch_id", name=op.f("pk_report_product_month")),
    )
    tenancy.protect("report_product_month", _ALL)
    op.create_index("ix_report_product_product", "report_product", ["tenant_id", "product_id", "day"], unique=False)
    # What is folded by now lacks the new roll-ups: it is folded anew, and reports add up the tickets until then.
    for table in ("report_sales", "report_customer", "report_product", "report_tender", "report_tax"):
        op.execute(f"DELETE FROM {table}")
    op.execute("UPDATE report_mark SET seq = 0")
    op.create_table(
        "report_schedule",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipients", postgresql.JSONB(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("next_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('daily','weekly','monthly')", name=op.f("ck_report_schedule_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["branch.tenant_id", "branch.id"],
            name=op.f("fk_report_schedule_tenant_id_branch_id"),
        ),
        _tenant("report_schedule"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_report_schedule")),
    )
    tenancy.protect("report_schedule", _ALL, platform=("select",))
    op.create_table(
        "report_mailing",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('going','sent','refused','uncertain')", name=op.f("ck_report_mailing_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "schedule_id"],
            ["report_schedule.tenant_id", "report_schedule.id"],
            name=op.f("fk_report_mailing_tenant_id_schedule_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "schedule_id", "last_day", "recipient", name=op.f("pk_report_mailing")),
    )
    tenancy.protect("report_mailing", _ALL)
    op.create_table(
        "report_account",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("concept", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.CheckConstraint("account ~ '^[0-9]{4,10}$'", name=op.f("ck_report_account_account")),
        _tenant("report_account"),
        sa.PrimaryKeyConstraint("tenant_id", "concept", name=op.f("pk_report_account")),
    )
    tenancy.protect("report_account", ("select", "insert", "delete"))


def downgrade() -> None:
    op.drop_table("report_account")
    op.drop_table("report_mailing")
    op.drop_table("report_schedule")
    op.drop_index("ix_report_product_product", table_name="report_product")
    op.drop_table("report_product_month")
    op.drop_table("stock_gap")
    op.drop_table("stock_day")
