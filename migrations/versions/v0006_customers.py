"""Customers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization", sa.Text(), nullable=False),
        sa.Column("identification_type", sa.Text(), nullable=False),
        sa.Column("identification", sa.Text(), nullable=False),
        sa.Column("dv", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_norm", sa.Text(collation="C"), nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("municipality_code", sa.Text(), nullable=True),
        sa.Column("tribute", sa.Text(), server_default="ZZ", nullable=False),
        sa.Column(
            "responsibilities",
            postgresql.JSONB(),
            server_default=sa.text("'[\"R-99-PN\"]'"),
            nullable=False,
        ),
        sa.Column("is_final_consumer", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "changed_xid",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
            nullable=False,
        ),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("organization IN ('company','person')", name=op.f("ck_customer_organization")),
        sa.CheckConstraint("merged_into IS NULL OR retired_at IS NOT NULL", name=op.f("ck_customer_merged_is_retired")),
        sa.CheckConstraint(
            "NOT is_final_consumer OR retired_at IS NULL", name=op.f("ck_customer_final_consumer_stays")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "merged_into"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_customer_tenant_id_merged_into"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_customer_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_customer")),
    )
    op.create_index("ix_customer_changed", "customer", ["tenant_id", "changed_xid"], unique=False)
    op.create_index(
        "ix_customer_merged",
        "customer",
        ["tenant_id", "merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index("ix_customer_name", "customer", ["tenant_id", "name_norm", "id"], unique=False)
    op.create_index(
        "uq_customer_final_consumer",
        "customer",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("is_final_consumer"),
    )
    op.create_index(
        "uq_customer_identification",
        "customer",
        ["tenant_id", "identification", "identification_type"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    tenancy.protect("customer", ("select", "insert", "update"))


def downgrade() -> None:
    op.drop_table("customer")
