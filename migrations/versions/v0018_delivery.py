"""What buyers get: container and PDF in the archive of documents, mailings with how far they came, and how a company wants it."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_KINDS = {"new": "kind IN ('xml','response','attached','pdf')", "old": "kind IN ('xml','response')"}


def upgrade() -> None:
    _files_are(_KINDS["new"])
    op.create_index(
        "uq_document_file_made",
        "document_file",
        ["tenant_id", "document_id", "version", "kind"],
        unique=True,
        postgresql_where=sa.text("kind IN ('attached','pdf')"),
    )
    op.create_table(
        "delivery_setting",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("mails", sa.Text(), server_default="all", nullable=False),
        sa.Column("attach_pdf", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("line_of_business", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("mails IN ('all','invoices','none')", name=op.f("ck_delivery_setting_mails")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_delivery_setting_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_delivery_setting")),
    )
    op.create_table(
        "document_delivery",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("address <> ''", name=op.f("ck_document_delivery_address")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_delivery_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document_delivery")),
    )
    op.create_index("ix_document_delivery_document", "document_delivery", ["tenant_id", "document_id", "id"])
    op.create_index(
        "uq_document_delivery_automatic",
        "document_delivery",
        ["tenant_id", "document_id"],
        unique=True,
        postgresql_where=sa.text("is_automatic"),
    )
    op.create_table(
        "document_delivery_state",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handed", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'refused', 'failed', 'uncertain', 'bounced')",
            name=op.f("ck_document_delivery_state_status"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_document_delivery_state_attempts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["document_delivery.tenant_id", "document_delivery.id"],
            name=op.f("fk_document_delivery_state_tenant_id_delivery_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", name=op.f("pk_document_delivery_state")),
        postgresql_with={"fillfactor": 80},
    )
    changing: tuple[tenancy.Grant, ...] = ("select", "insert", "update")
    tenancy.protect("delivery_setting", changing)
    tenancy.protect("document_delivery")
    tenancy.protect("document_delivery_state", changing)


def downgrade() -> None:
    op.drop_table("document_delivery_state")
    op.drop_table("document_delivery")
    op.drop_table("delivery_setting")
    op.drop_index("uq_document_file_made", table_name="document_file")
    # What is left out can be made again; what was sent and answered stays.
    op.execute("DELETE FROM document_file WHERE kind IN ('attached','pdf')")
    _files_are(_KINDS["old"])


def _files_are(condition: str) -> None:
    op.drop_constraint("ck_document_file_kind", "document_file")
    op.create_check_constraint(op.f("ck_document_file_kind"), "document_file", condition)
