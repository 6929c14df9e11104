"""Tables of imports."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Editable, TenantOwned, TenantRow


class ImportBatch(TenantRow, Editable, DefaultBase):
    """One file brought in, with what came of each line."""

    __tablename__ = "import_batch"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("status IN ('checked','applied','undone')", name="status"),
        Index("ix_import_batch_created", "tenant_id", "created_at", "id"),
    )

    kind: Mapped[str]
    file_name: Mapped[str]
    file_hash: Mapped[bytes]
    status: Mapped[str]
    lines: Mapped[int]
    accepted: Mapped[int]
    """Lines that became products, or in a dry run would."""
    summary: Mapped[dict[str, Any]]
    """What the file brought: new categories, opening stock, columns that were not read."""
    errors: Mapped[list[dict[str, Any]]]
    """`{"line", "column", "code", "detail"}`, the detail in Spanish; the first thousand."""
    adjustment_id: Mapped[UUID | None]
    """The opening stock it brought."""
    user_id: Mapped[UUID]
    undone_at: Mapped[datetime | None]


class ImportItem(TenantOwned, DefaultBase):
    """A product that a batch made: what its undo takes back."""

    __tablename__ = "import_item"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "batch_id"], ["import_batch.tenant_id", "import_batch.id"]),
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
    )

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[UUID]
