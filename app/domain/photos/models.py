"""Table of the photos domain."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped

from app.db.base import DefaultBase, TenantRow


class Photo(TenantRow, DefaultBase):
    """A picture of a product or of a person, drawn anew from what was uploaded. Never changed: another one is another row."""

    __tablename__ = "photo"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "product_id"], ["product.tenant_id", "product.id"]),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]),
        CheckConstraint("num_nonnulls(product_id, user_id) = 1", name="whose"),
        CheckConstraint("octet_length(content) <= 400000", name="content"),
        Index("ix_photo_product", "tenant_id", "product_id", "created_at"),
        Index("uq_photo_user", "tenant_id", "user_id", unique=True, postgresql_where=text("user_id IS NOT NULL")),
    )

    product_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    content: Mapped[bytes]
    """JPEG."""
    width: Mapped[int]
    height: Mapped[int]
