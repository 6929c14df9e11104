"""Drawer sessions, movements, closes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cash_session",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opening_amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("opening_amount >= 0", name=op.f("ck_cash_session_opening_amount")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["branch.tenant_id", "branch.id"],
            name=op.f("fk_cash_session_tenant_id_branch_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "register_id"],
            ["cash_register.tenant_id", "cash_register.id"],
            name=op.f("fk_cash_session_tenant_id_register_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_cash_session_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_cash_session")),
    )
    op.create_index("ix_cash_session_opened", "cash_session", ["tenant_id", "opened_at", "id"], unique=False)
    op.create_table(
        "cash_drawer",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("cash", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("debit_card", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("credit_card", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("transfer", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("nequi", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("daviplata", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("cheque", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("voucher", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("rounding", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("closed_total", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.CheckConstraint("cash >= 0", name=op.f("ck_cash_drawer_cash")),
        sa.CheckConstraint("is_open = (closed_total IS NULL)", name=op.f("ck_cash_drawer_closed_total")),
        sa.CheckConstraint(
            "is_open OR closed_total = "
            "cash + debit_card + credit_card + transfer + nequi + daviplata + cheque + voucher + rounding",
            name=op.f("ck_cash_drawer_nothing_after_close"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "register_id"],
            ["cash_register.tenant_id", "cash_register.id"],
            name=op.f("fk_cash_drawer_tenant_id_register_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["cash_session.tenant_id", "cash_session.id"],
            name=op.f("fk_cash_drawer_tenant_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", name=op.f("pk_cash_drawer")),
        sa.UniqueConstraint(
            "tenant_id", "session_id", "is_open", name=op.f("uq_cash_drawer_tenant_id_session_id_is_open")
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "uq_cash_drawer_open",
        "cash_drawer",
        ["tenant_id", "register_id"],
        unique=True,
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "cash_movement",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('opening','sale','refund','in','out','transfer-in','transfer-out')",
            name=op.f("ck_cash_movement_kind"),
        ),
        sa.CheckConstraint(
            "method IN ('cash', 'debit-card', 'credit-card', 'transfer', 'nequi', 'daviplata', 'check', 'voucher', 'rounding')",
            name=op.f("ck_cash_movement_method"),
        ),
        sa.CheckConstraint(
            "category IN ('expense', 'deposit', 'safe-drop', 'change', 'other')",
            name=op.f("ck_cash_movement_category"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["cash_session.tenant_id", "cash_session.id"],
            name=op.f("fk_cash_movement_tenant_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_cash_movement")),
    )
    op.create_index("ix_cash_movement_session", "cash_movement", ["tenant_id", "session_id"], unique=False)
    op.create_table(
        "cash_close",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("z_number", sa.BigInteger(), nullable=False),
        sa.Column("drawer_open", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("denominations", postgresql.JSONB(), nullable=False),
        sa.Column("totals", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["cash_session.tenant_id", "cash_session.id"],
            name=op.f("fk_cash_close_tenant_id_session_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id", "drawer_open"],
            ["cash_drawer.tenant_id", "cash_drawer.session_id", "cash_drawer.is_open"],
            name=op.f("fk_cash_close_tenant_id_session_id_drawer_open"),
        ),
        sa.CheckConstraint("NOT drawer_open", name=op.f("ck_cash_close_drawer_open")),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", name=op.f("pk_cash_close")),
        sa.UniqueConstraint(
            "tenant_id", "register_id", "z_number", name=op.f("uq_cash_close_tenant_id_register_id_z_number")
        ),
    )
    op.create_table(
        "cash_close_tender",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("expected", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("counted", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("difference", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.CheckConstraint("difference = counted - expected", name=op.f("ck_cash_close_tender_difference")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["cash_close.tenant_id", "cash_close.session_id"],
            name=op.f("fk_cash_close_tender_tenant_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", "method", name=op.f("pk_cash_close_tender")),
    )
    tenancy.protect("cash_session")
    tenancy.protect("cash_drawer", ("select", "insert", "update"))
    tenancy.protect("cash_movement")
    tenancy.protect("cash_close")
    tenancy.protect("cash_close_tender")


def downgrade() -> None:
    op.drop_table("cash_close_tender")
    op.drop_table("cash_close")
    op.drop_table("cash_movement")
    op.drop_table("cash_drawer")
    op.drop_table("cash_session")
