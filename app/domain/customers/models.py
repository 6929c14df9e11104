"""Table of customers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ChangeTracked, ClientCreated, DefaultBase, Editable, TenantRow


class Customer(TenantRow, Editable, ChangeTracked, ClientCreated, DefaultBase):
    """A buyer. Retired or merged, never deleted: tickets point at it."""

    __tablename__ = "customer"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "merged_into"], ["customer.tenant_id", "customer.id"]),
        CheckConstraint("organization IN ('company','person')", name="organization"),
        CheckConstraint("merged_into IS NULL OR retired_at IS NOT NULL", name="merged_is_retired"),
        CheckConstraint("NOT is_final_consumer OR retired_at IS NULL", name="final_consumer_stays"),
        CheckConstraint("anonymised_at IS NULL OR retired_at IS NOT NULL", name="anonymised_is_retired"),
        Index(
            "uq_customer_identification",
            "tenant_id",
            "identification",
            "identification_type",
            unique=True,
            postgresql_where=text("retired_at IS NULL"),
        ),
        Index(
            "uq_customer_final_consumer",
            "tenant_id",
            unique=True,
            postgresql_where=text("is_final_consumer"),
        ),
        Index("ix_customer_name", "tenant_id", "name_norm", "id"),
        Index("ix_customer_merged", "tenant_id", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        Index("ix_customer_changed", "tenant_id", "changed_xid"),
    )

    organization: Mapped[str]
    identification_type: Mapped[str]
    """DIAN code: 13 cédula, 31 NIT, …"""
    identification: Mapped[str]
    dv: Mapped[str | None]
    name: Mapped[str]
    name_norm: Mapped[str] = mapped_column(Text(collation="C"))
    """Lower case, without accents, blanks folded. Compared byte by byte, so that one index orders and finds prefixes."""
    email: Mapped[str] = mapped_column(server_default="")
    phone: Mapped[str] = mapped_column(server_default="")
    address: Mapped[str] = mapped_column(server_default="")
    municipality_code: Mapped[str | None]
    """DANE code."""
    tribute: Mapped[str] = mapped_column(server_default="ZZ")
    """01 IVA, 04 INC, ZA both, ZZ none."""
    responsibilities: Mapped[list[str]] = mapped_column(server_default=text("'[\"R-99-PN\"]'"))
    is_final_consumer: Mapped[bool] = mapped_column(server_default="false")
    retired_at: Mapped[datetime | None]
    merged_into: Mapped[UUID | None]
    trail: Mapped[str | None]
    """How the trail of a sale names this buyer: JSON, the personal fields sealed; kept here, so that a sale only copies it."""
    anonymised_at: Mapped[datetime | None]
