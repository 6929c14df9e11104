"""Products, codes, packs, categories, tax classes with their dated rates."""

from datetime import date
from decimal import Decimal

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.db import tenancy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


IVA = "01"
INC = "04"
INC_BAG = "22"
IBUA = "34"
ALWAYS = date(9999, 12, 31)

TAX_CLASSES = [
    ("iva19", "IVA 19 %", IVA, None),
    ("iva5", "IVA 5 %", IVA, None),
    ("exempt", "Exento (IVA 0 %)", IVA, None),
    ("excluded", "Excluido de IVA", None, None),
    ("inc8", "Impuesto al consumo 8 %", INC, None),
    ("inc4", "Impuesto al consumo 4 %", INC, None),
    ("inc16", "Impuesto al consumo 16 %", INC, None),
    ("inc-bag", "Bolsa plástica (INC por unidad, IVA 19 %)", IVA, INC_BAG),
    ("ibua-medium", "Bebida azucarada, 5 a 9 g por 100 ml (IBUA, IVA 19 %)", IVA, IBUA),
    ("ibua-high", "Bebida azucarada, 9 g o más por 100 ml (IBUA, IVA 19 %)", IVA, IBUA),
]
"""Code, Spanish name, DIAN tribute of the percentage, DIAN tribute of the pesos per unit."""

TAX_RATES = [
    ("iva19", date(2017, 1, 1), ALWAYS, "0.19", "0", "Estatuto Tributario art. 468; Ley 1819 de 2016 art. 184"),
    ("iva5", date(2013, 1, 1), ALWAYS, "0.05", "0", "Estatuto Tributario arts. 468-1 y 468-3; Ley 1607 de 2012"),
    ("exempt", date(2013, 1, 1), ALWAYS, "0", "0", "Estatuto Tributario art. 477"),
    ("excluded", date(2013, 1, 1), ALWAYS, "0", "0", "Estatuto Tributario art. 424"),
    ("inc8", date(2013, 1, 1), ALWAYS, "0.08", "0", "Estatuto Tributario arts. 512-1 y 512-9; Ley 1607 de 2012"),
    ("inc4", date(2013, 1, 1), ALWAYS, "0.04", "0", "Estatuto Tributario art. 512-2; Ley 1607 de 2012"),
    ("inc16", date(2013, 1, 1), ALWAYS, "0.16", "0", "Estatuto Tributario art. 512-4; Ley 1607 de 2012"),
    ("inc-bag", date(2025, 1, 1), date(2025, 12, 31), "0.19", "70", "Estatuto Tributario art. 512-15, valor de 2025"),
    ("inc-bag", date(2026, 1, 1), ALWAYS, "0.19", "73", "Estatuto Tributario art. 512-15, valor de 2026"),
    (
        "ibua-medium",
        date(2025, 1, 1),
        date(2025, 12, 31),
        "0.19",
        "38",
        "Estatuto Tributario art. 513-4, valor de 2025 por 100 ml",
    ),
    (
        "ibua-high",
        date(2025, 1, 1),
        date(2025, 12, 31),
        "0.19",
        "65",
        "Estatuto Tributario art. 513-4, valor de 2025 por 100 ml",
    ),
    (
        "ibua-medium",
        date(2026, 1, 1),
        ALWAYS,
        "0.19",
        "40",
        "Estatuto Tributario art. 513-4, ajustado con la UVT de 2026 (52.374), por 100 ml",
    ),
    (
        "ibua-high",
        date(2026, 1, 1),
        ALWAYS,
        "0.19",
        "68",
        "Estatuto Tributario art. 513-4, ajustado con la UVT de 2026 (52.374), por 100 ml",
    ),
]
"""Class, first day, last day, fraction, pesos per unit, source. A new year's figure is a new row, never an edit."""


def _fill_tax_classes() -> None:
    classes = sa.table("tax_class", *(sa.column(name) for name in ("code", "name", "tribute", "nominal_tribute")))
    op.bulk_insert(
        classes, [dict(zip(("code", "name", "tribute", "nominal_tribute"), row, strict=True)) for row in TAX_CLASSES]
    )
    names = ("tax_class", "valid_from", "valid_to", "rate", "nominal", "source")
    rates = sa.table(
        "tax_rate",
        sa.column("tax_class"),
        sa.column("valid_from", sa.Date()),
        sa.column("valid_to", sa.Date()),
        sa.column("rate", sa.Numeric()),
        sa.column("nominal", sa.Numeric()),
        sa.column("source"),
    )
    op.bulk_insert(
        rates,
        [
            {**dict(zip(names, row, strict=True)), "rate": Decimal(row[3]), "nominal": Decimal(row[4])}
            for row in TAX_RATES
        ],
    )


def upgrade() -> None:
    op.create_table(
        "tax_class",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tribute", sa.Text(), nullable=True),
        sa.Column("nominal_tribute", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_tax_class")),
    )
    op.create_table(
        "tax_rate",
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("nominal", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint("rate >= 0 AND nominal >= 0", name=op.f("ck_tax_rate_not_negative")),
        sa.ForeignKeyConstraint(["tax_class"], ["tax_class.code"], name=op.f("fk_tax_rate_tax_class")),
        sa.PrimaryKeyConstraint("tax_class", "valid_from", name=op.f("pk_tax_rate")),
    )
    op.create_table(
        "category",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_category_not_own_parent")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_id"],
            ["category.tenant_id", "category.id"],
            name=op.f("fk_category_tenant_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_category_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_category")),
    )
    op.create_index(
        "uq_category_name",
        "category",
        ["tenant_id", "parent_id", "name"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "product",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_norm", sa.Text(collation="C"), nullable=False),
        sa.Column("price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("nominal_factor", sa.Numeric(precision=18, scale=6), server_default="1", nullable=False),
        sa.Column("unit_code", sa.Text(), server_default="94", nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("brand", sa.Text(), server_default="", nullable=False),
        sa.Column("min_stock", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("tracks_stock", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("last_cost", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("variant_of", sa.Uuid(), nullable=True),
        sa.Column("variant_values", postgresql.JSONB(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "changed_xid",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
            nullable=False,
        ),
        sa.Column("body_hash", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("last_cost >= 0", name=op.f("ck_product_last_cost")),
        sa.CheckConstraint("min_stock >= 0", name=op.f("ck_product_min_stock")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_product_price")),
        sa.ForeignKeyConstraint(["tax_class"], ["tax_class.code"], name=op.f("fk_product_tax_class")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "category_id"],
            ["category.tenant_id", "category.id"],
            name=op.f("fk_product_tenant_id_category_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "variant_of"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_product_tenant_id_variant_of"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"], name=op.f("fk_product_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_product")),
        sa.UniqueConstraint("tenant_id", "sku", name=op.f("uq_product_tenant_id_sku")),
    )
    op.create_index(
        "ix_product_category",
        "product",
        ["tenant_id", "category_id"],
        unique=False,
        postgresql_where=sa.text("category_id IS NOT NULL"),
    )
    op.create_index("ix_product_changed", "product", ["tenant_id", "changed_xid", "id"], unique=False)
    op.create_index("ix_product_name", "product", ["tenant_id", "name_norm", "id"], unique=False)
    op.create_index(
        "uq_product_variant",
        "product",
        ["tenant_id", "variant_of", "variant_values"],
        unique=True,
        postgresql_where=sa.text("variant_of IS NOT NULL"),
    )
    op.create_table(
        "product_pack",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("factor", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("factor > 0", name=op.f("ck_product_pack_factor")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_product_pack_price")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_product_pack_tenant_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_product_pack")),
        sa.UniqueConstraint(
            "tenant_id", "product_id", "unit_code", name=op.f("uq_product_pack_tenant_id_product_id_unit_code")
        ),
    )
    op.create_table(
        "product_barcode",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_product_barcode_tenant_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "code", name=op.f("pk_product_barcode")),
    )
    op.create_index("ix_product_barcode_product", "product_barcode", ["tenant_id", "product_id"], unique=False)
    op.create_table(
        "price_change",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("before", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("after", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('price','cost','pack-price')", name=op.f("ck_price_change_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_price_change_tenant_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_price_change")),
    )
    op.create_index("ix_price_change_product", "price_change", ["tenant_id", "product_id", "id"], unique=False)
    op.create_table(
        "product_gram",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("gram", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_product_gram_tenant_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "gram", "product_id", name=op.f("pk_product_gram")),
    )
    _fill_tax_classes()
    tenancy.share("tax_class")
    tenancy.share("tax_rate")
    tenancy.protect("category", ("select", "insert", "update"))
    tenancy.protect("product", ("select", "insert", "update"))
    tenancy.protect("product_pack", ("select", "insert", "update", "delete"))
    tenancy.protect("product_barcode", ("select", "insert", "update", "delete"))
    tenancy.protect("price_change")
    tenancy.protect("product_gram", ("select", "insert", "delete"))


def downgrade() -> None:
    op.drop_table("product_gram")
    op.drop_table("price_change")
    op.drop_table("product_barcode")
    op.drop_table("product_pack")
    op.drop_table("product")
    op.drop_table("category")
    op.drop_table("tax_rate")
    op.drop_table("tax_class")
