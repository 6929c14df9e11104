"""Sample companies: which they are, whose, and how far their history is written."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from app.db import tenancy

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("tenant", sa.Column("is_sample", sa.Boolean(), server_default="false", nullable=False))
    op.create_table(
        "sample_company",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("days_begun", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("kept", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("days_begun >= 0", name=op.f("ck_sample_company_days_begun")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_sample_company_user_id")),
        sa.PrimaryKeyConstraint("user_id", "tenant_id", name=op.f("pk_sample_company")),
    )
    op.create_index(
        "uq_sample_company_open",
        "sample_company",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    tenancy.protect_person(
        "sample_company",
        f"user_id = {tenancy.USER_SETTING}",
        ("select", "insert", "update"),
        update_columns=("days_begun", "run_id", "kept", "ready_at", "closed_at"),
    )


def downgrade() -> None:
    op.drop_table("sample_company")
    op.drop_column("tenant", "is_sample")
