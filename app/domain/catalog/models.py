"""Tables of the catalogue."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import (
    ChangeTracked,
    ClientCreated,
    DefaultBase,
    Editable,
    Quantity,
    Rate,
    TenantOwned,
    TenantRow,
    UnitAmount,
)


class TaxClass(DefaultBase):
    """How a product is taxed. Global and named by code; the figures are dated rows in `TaxRate`."""

    __tablename__ = "tax_class"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    tribute: Mapped[str | None]
    """DIAN code of the percentage tax (01 IVA, 04 INC); none: the product is excluded."""
    nominal_tribute: Mapped[str | None]
    """DIAN code of the tax of pesos per unit (22 INC Bolsas, 34 IBUA)."""


class TaxRate(DefaultBase):
    """A legal figure with its first day and its source; the last one not after the day of sale holds."""

    __tablename__ = "tax_rate"
    __table_args__ = (CheckConstraint("rate >= 0 AND nominal >= 0", name="not_negative"),)

    tax_class: Mapped[str] = mapped_column(ForeignKey("tax_class.code"), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date]
    """Last day, inclusive; `infinity` is written as 9999-12-31."""
    rate: Mapped[Rate]
    nominal: Mapped[UnitAmount]
    """Pesos per unit, times the product's `nominal_factor`."""
    source: Mapped[str]


class Category(TenantRow, Editable, ClientCreated, DefaultBase):
    """A branch of the catalogue's tree."""

    __tablename__ = "category"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "parent_id"], ["category.tenant_id", "category.id"]),
        CheckConstraint("parent_id <> id", name="not_own_parent"),
        Index(
            "uq_category_name",
            "tenant_id",
            "parent_id",
            "name",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("retired_at IS NULL"),
        ),
    )

    parent_id: Mapped[UUID | None]
    name: Mapped[str]
    retired_at: Mapped[datetime | None]


class Product(TenantRow, Editable, ChangeTracked, ClientCreated, DefaultBase):
    """Something sold at the counter. Retired, never deleted: tickets point at it."""

    __tablename__ = "product"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "category_id"], ["category.tenant_id", "category.id"]),
        ForeignKeyConstraint(["tenant_id", "variant_of"], ["product.tenant_id", "product.id"]),
        ForeignKeyConstraint(["tax_class"], ["tax_class.code"]),
        UniqueConstraint("tenant_id", "sku"),
        CheckConstraint("price >= 0", name="price"),
        CheckConstraint("last_cost >= 0", name="last_cost"),
        CheckConstraint("min_stock >= 0", name="min_stock"),
        Index("ix_product_name", "tenant_id", "name_norm", "id"),
        Index("ix_product_changed", "tenant_id", "changed_xid", "id"),
        Index("ix_product_category", "tenant_id", "category_id", postgresql_where=text("category_id IS NOT NULL")),
        Index(
            "uq_product_variant",
            "tenant_id",
            "variant_of",
            "variant_values",
            unique=True,
            postgresql_where=text("variant_of IS NOT NULL"),
        ),
    )

    sku: Mapped[str]
    name: Mapped[str]
    name_norm: Mapped[str] = mapped_column(Text(collation="C"))
    """What search compares (`app.lib.text`). Compared byte by byte, so that one index orders and finds prefixes."""
    price: Mapped[UnitAmount]
    """Pesos the customer pays for one unit, taxes included."""
    tax_class: Mapped[str]
    nominal_factor: Mapped[Quantity] = mapped_column(server_default="1")
    """Times the tax class's pesos per unit: 1 for a bag, millilitres / 100 for a sugary drink."""
    unit_code: Mapped[str] = mapped_column(server_default="94")
    """UN/ECE Rec. 20."""
    category_id: Mapped[UUID | None]
    brand: Mapped[str] = mapped_column(server_default="")
    min_stock: Mapped[Quantity | None]
    tracks_stock: Mapped[bool] = mapped_column(server_default="true")
    last_cost: Mapped[UnitAmount | None]
    """Pesos without tax for one unit, as last bought or stated; the average lives in stock."""
    variant_of: Mapped[UUID | None]
    variant_values: Mapped[dict[str, Any] | None]
    """For a variant: axis to value, as `{"talla": "M", "color": "rojo"}`."""
    retired_at: Mapped[datetime | None]


class ProductPack(TenantRow, Editable, DefaultBase):
    """A product sold by the box or the roll: so many base units at a price of its own."""

    __tablename__ = "product_pack"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        UniqueConstraint("tenant_id", "product_id", "unit_code"),
        CheckConstraint("factor > 0", name="factor"),
        CheckConstraint("price >= 0", name="price"),
    )

    product_id: Mapped[UUID]
    unit_code: Mapped[str]
    factor: Mapped[Quantity]
    """Base units in one pack."""
    price: Mapped[UnitAmount]


class ProductBarcode(TenantOwned, DefaultBase):
    """A code that a scanner reads: of the base unit, or of a pack."""

    __tablename__ = "product_barcode"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        Index("ix_product_barcode_product", "tenant_id", "product_id"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    product_id: Mapped[UUID]
    unit_code: Mapped[str]
    position: Mapped[int]


class PriceChange(TenantRow, DefaultBase):
    """History of a product's price and stated cost. Append-only."""

    __tablename__ = "price_change"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        CheckConstraint("kind IN ('price','cost','pack-price')", name="kind"),
        Index("ix_price_change_product", "tenant_id", "product_id", "id"),
    )

    product_id: Mapped[UUID]
    kind: Mapped[str]
    unit_code: Mapped[str]
    before: Mapped[UnitAmount | None]
    after: Mapped[UnitAmount]
    user_id: Mapped[UUID]


class ProductGram(TenantOwned, DefaultBase):
    """Pieces of a product's words (`grams`): typo-tolerant search by equality, all that an index can do under RLS.

    Looked up by the key alone, in both directions: what a product had is computed, never searched.
    """

    __tablename__ = "product_gram"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),)

    gram: Mapped[str] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
