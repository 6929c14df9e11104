"""Companies, branches, warehouses, registers."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("nit", sa.Text(), nullable=False),
        sa.Column("dv", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="America/Bogota", nullable=False),
        sa.Column("currency", sa.Text(), server_default="COP", nullable=False),
        sa.Column("cash_rounding", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cash_tolerance", sa.Numeric(precision=18, scale=2), server_default="5000", nullable=False),
        sa.Column("ticket_footer", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("municipality_code", sa.Text(), server_default="11001", nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("is_demo", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('trial','active','past-due','read-only','suspended','closed')", name=op.f("ck_tenant_status")
        ),
        sa.CheckConstraint("cash_rounding >= 0", name=op.f("ck_tenant_cash_rounding")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant")),
    )
    op.create_table(
        "branch",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_branch_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_branch")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_branch_tenant_id_code")),
    )
    op.create_table(
        "warehouse",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"], name=op.f("fk_warehouse_tenant_id_branch_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_warehouse")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_warehouse_tenant_id_name")),
    )
    op.create_table(
        "cash_register",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("branch_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "branch_id"],
            ["branch.tenant_id", "branch.id"],
            name=op.f("fk_cash_register_tenant_id_branch_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_cash_register_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_cash_register")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_cash_register_tenant_id_name")),
    )
    op.create_table(
        "numbering",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("next_no", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("kind IN ('sale','return','void','z')", name=op.f("ck_numbering_kind")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_numbering_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "place_id", "kind", name=op.f("pk_numbering")),
        postgresql_with={"fillfactor": 50},
    )
    tenancy.protect("tenant", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("branch", ("select", "insert", "update"))
    tenancy.protect("warehouse", ("select", "insert", "update"))
    tenancy.protect("cash_register", ("select", "insert", "update"))
    tenancy.protect("numbering", ("select", "insert", "update"))


def downgrade() -> None:
    op.drop_table("numbering")
    op.drop_table("cash_register")
    op.drop_table("warehouse")
    op.drop_table("branch")
    op.drop_table("tenant")
