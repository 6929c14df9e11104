"""Numbering that can be put right, legal numbers that exist once, secrets of earlier documents."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_MENDED = "authorization_no, authorized_on, first_no, last_no, valid_from, valid_to"
_STATUSES = ("pending", "signed", "sent", "accepted", "rejected", "unknown")
_NUMBERED_AS = "replace(kind, '02', '01')"


def upgrade() -> None:
    # A wrong range is closed and written again, a renewed one may begin where the earlier one did.
    op.drop_constraint("uq_document_range_tenant_id_environment_kind_prefix_first_no", "document_range", type_="unique")
    op.create_index(
        "uq_document_range_begins",
        "document_range",
        ["tenant_id", "environment", "kind", "prefix", "first_no"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.execute(f"GRANT UPDATE ({_MENDED}) ON document_range TO {tenancy.APP_ROLE}")
    op.execute(f"GRANT UPDATE (last_no) ON document_counter TO {tenancy.APP_ROLE}")
    op.execute(f"GRANT INSERT, UPDATE ON legal_figure TO {tenancy.PLATFORM_ROLE}")
    op.drop_index("ix_document_number", "document")
    op.create_index(
        "uq_document_number",
        "document",
        ["tenant_id", "number", "environment", sa.text(_NUMBERED_AS)],
        unique=True,
    )
    op.create_table(
        "dian_former_secret",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("software_id", sa.Text(), nullable=True),
        sa.Column("range_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(software_id IS NULL) <> (range_id IS NULL)", name=op.f("ck_dian_former_secret_owner")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "range_id"],
            ["document_range.tenant_id", "document_range.id"],
            name=op.f("fk_dian_former_secret_tenant_id_range_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_dian_former_secret_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_dian_former_secret")),
    )
    tenancy.protect("dian_former_secret", ("select", "insert", "update"), update_columns=("sealed",))
    op.create_table(
        "owed_note",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("goods", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "reason IN ('not-enabled','document-rejected','secrets-unreadable')", name=op.f("ck_owed_note_reason")
        ),
        sa.CheckConstraint("outcome IN ('','issued','withdrawn')", name=op.f("ck_owed_note_outcome")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "return_id"],
            ["sale_return.tenant_id", "sale_return.id"],
            name=op.f("fk_owed_note_tenant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_owed_note_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "return_id", name=op.f("pk_owed_note")),
    )
    op.create_index(
        "ix_owed_note_open",
        "owed_note",
        ["tenant_id", "document_id"],
        unique=False,
        postgresql_where=sa.text("outcome = ''"),
    )
    tenancy.protect("owed_note", ("select", "insert", "update"), update_columns=("outcome",))
    op.create_table(
        "transcribed_paper",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("environment IN ('1','2')", name=op.f("ck_transcribed_paper_environment")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_transcribed_paper_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "environment", "number", name=op.f("pk_transcribed_paper")),
    )
    tenancy.protect("transcribed_paper", ("select", "insert", "update"), update_columns=("document_id",))
    _statuses(*_STATUSES, "withdrawn")


def _statuses(*names: str) -> None:
    op.drop_constraint(op.f("ck_document_state_status"), "document_state", type_="check")
    op.create_check_constraint(op.f("ck_document_state_status"), "document_state", f"status IN {names}")


def downgrade() -> None:
    # What was withdrawn had been rejected, or waited for what was.
    op.execute("UPDATE document_state SET status = 'rejected' WHERE status = 'withdrawn'")
    _statuses(*_STATUSES)
    op.execute(f"REVOKE INSERT, UPDATE ON legal_figure FROM {tenancy.PLATFORM_ROLE}")
    op.drop_table("transcribed_paper")
    op.drop_table("owed_note")
    op.drop_table("dian_former_secret")
    op.drop_index("uq_document_number", "document")
    op.create_index("ix_document_number", "document", ["tenant_id", "number"], unique=False)
    op.execute(f"REVOKE UPDATE (last_no) ON document_counter FROM {tenancy.APP_ROLE}")
    op.execute(f"REVOKE UPDATE ({_MENDED}) ON document_range FROM {tenancy.APP_ROLE}")
    op.drop_index("uq_document_range_begins", "document_range")
    op.create_unique_constraint(
        "uq_document_range_tenant_id_environment_kind_prefix_first_no",
        "document_range",
        ["tenant_id", "environment", "kind", "prefix", "first_no"],
    )
