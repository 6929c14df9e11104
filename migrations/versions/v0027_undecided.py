"""Documents closed without a decision of DIAN, minimums of a test set, secrets that documents on their way were made with."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0027"
down_revision = "0021"
branch_labels = None
depends_on = None

_STATUSES = "'pending','signed','sent','accepted','rejected','unknown'"
_MINIMUMS = ("least_invoices", "least_credit_notes", "least_debit_notes")

_SEEN = {"document": "tenant_id, id, issued_at, is_test", "dian_contingency": "tenant_id, id, started_at, ended_at"}


def _statuses(listed: str) -> None:
    op.drop_constraint(op.f("ck_document_state_status"), "document_state", type_="check")
    op.create_check_constraint(op.f("ck_document_state_status"), "document_state", f"status IN ({listed})")


def upgrade() -> None:
    _statuses(f"{_STATUSES},'withdrawn'")
    for name in _MINIMUMS:
        op.add_column("dian_test_set", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_table(
        "dian_earlier_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("range_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_earlier_key_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "range_id"],
            ["document_range.tenant_id", "document_range.id"],
            name=op.f("fk_dian_earlier_key_tenant_id_range_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_dian_earlier_key")),
    )
    # How the operator's monitor learns what is late, without seeing any content.
    for table, columns in _SEEN.items():
        op.execute(f'CREATE POLICY platform_select ON "{table}" FOR SELECT TO {tenancy.PLATFORM_ROLE} USING (true)')
        op.execute(f'GRANT SELECT ({columns}) ON "{table}" TO {tenancy.PLATFORM_ROLE}')
    tenancy.protect("dian_earlier_key", ("select", "insert", "update"), update_columns=("sealed",))


def downgrade() -> None:
    op.drop_table("dian_earlier_key")
    for table, columns in _SEEN.items():
        op.execute(f'REVOKE SELECT ({columns}) ON "{table}" FROM {tenancy.PLATFORM_ROLE}')
        op.execute(f'DROP POLICY platform_select ON "{table}"')
    for name in reversed(_MINIMUMS):
        op.drop_column("dian_test_set", name)
    # What was closed without a decision has no older word: for the older release DIAN did not want it.
    op.execute("UPDATE document_state SET status = 'rejected' WHERE status = 'withdrawn'")
    _statuses(_STATUSES)
