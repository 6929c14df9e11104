"""Declarative base, keys and column types of every table."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, FetchedValue, LargeBinary, MetaData, Numeric, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

CURRENT_XID = text("(pg_current_xact_id()::text)::bigint")
"""The writing transaction's 64-bit id: what change feeds sort by, since commit order is not clock order."""

Money = Annotated[Decimal, mapped_column(Numeric(18, 2))]
"""Pesos, to the cent."""
UnitAmount = Annotated[Decimal, mapped_column(Numeric(18, 6))]
"""Pesos for one unit: prices and costs."""
Quantity = Annotated[Decimal, mapped_column(Numeric(18, 6))]
"""Units of the product's base unit of measure."""
Rate = Annotated[Decimal, mapped_column(Numeric(9, 6))]
"""A fraction: 0.19 is nineteen per cent."""


class DefaultBase(DeclarativeBase):
    """Root of all models: naming of constraints and the mapping from Python to column types."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        bytes: LargeBinary(),
        int: BigInteger(),
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[str]: JSONB(),
        list[dict[str, Any]]: JSONB(),
    }


class TenantOwned:
    """A table whose key begins with the company. Gets its fence from `app.db.tenancy.protect` in its migration."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-10)


class TenantRow(TenantOwned):
    """A company's row with an id of its own, a UUIDv7."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-9)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)


class Editable:
    """A row that may be changed after it was written."""

    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now(), sort_order=91)


class ChangeTracked:
    """A row that client copies follow through `GET /v1/catalog/changes`."""

    changed_xid: Mapped[int] = mapped_column(
        server_default=CURRENT_XID, onupdate=CURRENT_XID, server_onupdate=FetchedValue(), sort_order=92
    )


class ClientCreated:
    """A resource whose id the client may choose: the hash tells a retry from a different body."""

    body_hash: Mapped[bytes | None] = mapped_column(sort_order=93)
