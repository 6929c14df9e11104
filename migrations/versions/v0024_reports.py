"""Reports: daily roll-ups with their mark, hidden indicators, exported files."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_MONEY = ("base", "tax", "total", "cost", "discount", "returned")


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _cube(table: str, keys: dict[str, sa.types.TypeEngine[Any]], *sums: sa.Column[Any]) -> None:
    op.create_table(
        table,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        *(_key(name, kind) for name, kind in keys.items()),
        *sums,
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f(f"fk_{table}_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", *keys, name=op.f(f"pk_{table}")),
    )
    tenancy.protect(table, ("select", "insert", "update", "delete"))


def _money(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Numeric(18, 2), nullable=False) for name in names]


def _tickets() -> sa.Column[Any]:
    return sa.Column("tickets", sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "report_mark",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("folded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_report_mark_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_report_mark")),
    )
    tenancy.protect("report_mark", ("select", "insert", "update"), platform=("select",))
    place = {"branch_id": sa.Uuid(), "register_id": sa.Uuid(), "seller_id": sa.Uuid()}
    _cube("report_sales", {"day": sa.Date(), "hour": sa.BigInteger(), **place}, _tickets(), *_money(*_MONEY))
    _cube(
        "report_customer",
        {"day": sa.Date(), "customer_id": sa.Uuid(), "branch_id": sa.Uuid()},
        _tickets(),
        *_money(*_MONEY),
    )
    _cube(
        "report_product",
        {"day": sa.Date(), "product_id": sa.Uuid(), "branch_id": sa.Uuid()},
        _tickets(),
        *_money(*_MONEY),
        sa.Column("quantity", sa.Numeric(18, 6), nullable=False),
    )
    _cube("report_tender", {"day": sa.Date(), **place, "method": sa.Text()}, _tickets(), *_money("total", "returned"))
    _cube(
        "report_tax",
        {
            "day": sa.Date(),
            "branch_id": sa.Uuid(),
            "kind": sa.Text(),
            "tax_class": sa.Text(),
            "tax_rate": sa.Numeric(9, 6),
        },
        *_money("base", "tax", "nominal", "total"),
    )
    op.create_table(
        "hidden_indicator",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_hidden_indicator_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "code", "subject", name=op.f("pk_hidden_indicator")),
    )
    tenancy.protect("hidden_indicator", ("select", "insert", "update", "delete"))
    op.create_table(
        "report_export",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("asked", postgresql.JSONB(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sees_costs", sa.Boolean(), nullable=False),
        sa.Column("sees_customers", sa.Boolean(), nullable=False),
        sa.Column("branches", postgresql.JSONB(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("rows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('pending','running','ready','failed')", name=op.f("ck_report_export_status")),
        sa.CheckConstraint("format IN ('csv','xlsx')", name=op.f("ck_report_export_format")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_report_export_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_report_export")),
    )
    op.create_index("ix_report_export_created", "report_export", ["tenant_id", "created_at", "id"], unique=False)
    tenancy.protect("report_export", ("select", "insert", "update", "delete"), platform=("select", "delete"))
    op.create_table(
        "report_export_part",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "export_id"],
            ["report_export.tenant_id", "report_export.id"],
            name=op.f("fk_report_export_part_tenant_id_export_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "export_id", "position", name=op.f("pk_report_export_part")),
    )
    tenancy.protect("report_export_part", ("select", "insert", "delete"), platform=("select", "delete"))


def downgrade() -> None:
    for table in (
        "report_export_part",
        "report_export",
        "hidden_indicator",
        "report_tax",
        "report_tender",
        "report_product",
        "report_customer",
        "report_sales",
        "report_mark",
    ):
        op.drop_table(table)
