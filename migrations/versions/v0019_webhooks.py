"""Webhooks: endpoints, their secrets, events and deliveries; photos of products and people."""

import sqlalchemy as sa
from alembic import op

from app.db import tenancy

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_feed",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("is_listening", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("event_no", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stock_seq", sa.BigInteger(), nullable=True),
        sa.Column("stock_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_webhook_feed_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_webhook_feed")),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("disabled_reason IN ('gone','failing')", name=op.f("ck_webhook_endpoint_disabled_reason")),
        sa.CheckConstraint("removed_at IS NULL OR NOT is_active", name=op.f("ck_webhook_endpoint_removed")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_webhook_endpoint_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_endpoint")),
    )
    op.create_table(
        "webhook_secret",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoint.tenant_id", "webhook_endpoint.id"],
            name=op.f("fk_webhook_secret_tenant_id_endpoint_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_secret")),
    )
    op.create_index("ix_webhook_secret_endpoint", "webhook_secret", ["tenant_id", "endpoint_id"], unique=False)
    op.create_table(
        "webhook_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_webhook_event_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_event")),
        sa.UniqueConstraint("tenant_id", "no", name=op.f("uq_webhook_event_tenant_id_no")),
    )
    op.create_index("ix_webhook_event_created", "webhook_event", ["created_at"], unique=False)
    op.create_index("ix_webhook_event_occurred", "webhook_event", ["tenant_id", "occurred_at"], unique=False)
    op.create_table(
        "webhook_delivery",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("last_duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('pending','delivered','failed')", name=op.f("ck_webhook_delivery_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoint.tenant_id", "webhook_endpoint.id"],
            name=op.f("fk_webhook_delivery_tenant_id_endpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "event_id"],
            ["webhook_event.tenant_id", "webhook_event.id"],
            name=op.f("fk_webhook_delivery_tenant_id_event_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint(
            "tenant_id", "endpoint_id", "event_id", name=op.f("uq_webhook_delivery_tenant_id_endpoint_id_event_id")
        ),
    )
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["tenant_id", "endpoint_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_webhook_delivery_event", "webhook_delivery", ["tenant_id", "event_id"], unique=False)
    op.create_table(
        "webhook_attempt",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_code", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["webhook_delivery.tenant_id", "webhook_delivery.id"],
            name=op.f("fk_webhook_attempt_tenant_id_delivery_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_attempt")),
    )
    op.create_index("ix_webhook_attempt_delivery", "webhook_attempt", ["tenant_id", "delivery_id", "at"], unique=False)
    op.create_table(
        "webhook_low_stock",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_webhook_low_stock_tenant_id_product_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "warehouse_id"],
            ["warehouse.tenant_id", "warehouse.id"],
            name=op.f("fk_webhook_low_stock_tenant_id_warehouse_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "product_id", "warehouse_id", name=op.f("pk_webhook_low_stock")),
    )
    op.create_table(
        "photo",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(product_id, user_id) = 1", name=op.f("ck_photo_whose")),
        sa.CheckConstraint("octet_length(content) <= 400000", name=op.f("ck_photo_content")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"], ["product.tenant_id", "product.id"], name=op.f("fk_photo_tenant_id_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["membership.tenant_id", "membership.user_id"],
            name=op.f("fk_photo_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_photo")),
    )
    op.create_index("ix_photo_product", "photo", ["tenant_id", "product_id", "created_at"], unique=False)
    op.create_index(
        "uq_photo_user", "photo", ["tenant_id", "user_id"], unique=True, postgresql_where=sa.text("user_id IS NOT NULL")
    )

    tenancy.protect("webhook_feed", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("webhook_endpoint", ("select", "insert", "update"), platform=("select",))
    tenancy.protect("webhook_secret", ("select", "insert", "update", "delete"))
    tenancy.protect("webhook_event", platform=("select", "delete"))
    tenancy.protect("webhook_delivery", ("select", "insert", "update"), platform=("select", "delete"))
    tenancy.protect("webhook_attempt", platform=("select", "delete"))
    tenancy.protect("webhook_low_stock", ("select", "insert", "delete"))
    tenancy.protect("photo", ("select", "insert", "delete"))


def downgrade() -> None:
    op.drop_table("photo")
    op.drop_table("webhook_low_stock")
    op.drop_table("webhook_attempt")
    op.drop_table("webhook_delivery")
    op.drop_table("webhook_event")
    op.drop_table("webhook_secret")
    op.drop_table("webhook_endpoint")
    op.drop_table("webhook_feed")
