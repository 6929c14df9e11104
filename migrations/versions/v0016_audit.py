"""Keys of people, anchored heads and archives of the trail, consents."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ACTOR = """substring(content, '"userId":"([0-9a-f-]{36})"')"""
_FINAL_CONSUMER = """
UPDATE customer SET trail = format('{"id":"%s","identification":"%s","name":"Consumidor final"}', id, identification)
WHERE is_final_consumer"""


def upgrade() -> None:
    op.create_table(
        "person_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(wrapped IS NULL) = (erased_at IS NOT NULL)", name=op.f("ck_person_key_erased")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_person_key_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "person_id", name=op.f("pk_person_key")),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_audit_checkpoint_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_archive",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_hash", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("first_seq >= 1 AND last_seq >= first_seq", name=op.f("ck_audit_archive_range")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_audit_archive_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_archive")),
        sa.UniqueConstraint("tenant_id", "first_seq", name=op.f("uq_audit_archive_tenant_id_first_seq")),
    )
    op.create_table(
        "consent",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("num_nonnulls(customer_id, user_id) = 1", name=op.f("ck_consent_whose")),
        sa.CheckConstraint("decision IN ('granted','withdrawn')", name=op.f("ck_consent_decision")),
        sa.CheckConstraint(
            "channel IN ('in-person','web','phone','email','message','paper')", name=op.f("ck_consent_channel")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_consent_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_consent_tenant_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["membership.tenant_id", "membership.user_id"],
            name=op.f("fk_consent_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_consent")),
    )
    op.create_index("ix_consent_customer", "consent", ["tenant_id", "customer_id"], unique=False)
    op.create_index("ix_consent_user", "consent", ["tenant_id", "user_id"], unique=False)
    op.create_index("ix_audit_entry_at", "audit_entry", ["tenant_id", "at", "seq"], unique=False)
    op.add_column(
        "audit_entry", sa.Column("actor", sa.Text(collation="C"), sa.Computed(_ACTOR, persisted=True), nullable=True)
    )
    op.create_index("ix_audit_entry_actor", "audit_entry", ["tenant_id", "actor", "seq"], unique=False)
    op.add_column("customer", sa.Column("trail", sa.Text(), nullable=True))
    op.add_column("customer", sa.Column("anonymised_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_customer_anonymised_is_retired"), "customer", "anonymised_at IS NULL OR retired_at IS NOT NULL"
    )
    op.execute(_FINAL_CONSUMER)
    tenancy.protect("person_key", ("select", "insert", "update"), update_columns=("wrapped", "erased_at"))
    tenancy.protect("audit_checkpoint")
    tenancy.protect("audit_archive")
    tenancy.protect("consent")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_customer_anonymised_is_retired"), "customer")
    op.drop_column("customer", "anonymised_at")
    op.drop_column("customer", "trail")
    op.drop_index("ix_audit_entry_actor", "audit_entry")
    op.drop_column("audit_entry", "actor")
    op.drop_index("ix_audit_entry_at", "audit_entry")
    op.drop_table("consent")
    op.drop_table("audit_archive")
    op.drop_table("audit_checkpoint")
    op.drop_table("person_key")
