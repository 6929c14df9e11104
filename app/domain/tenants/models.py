"""Tables of the company and its places."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Editable, Money, TenantOwned, TenantRow


class TenantStatus(StrEnum):
    """Life of a company's account; which moves are allowed is the billing domain's table."""

    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past-due"
    READ_ONLY = "read-only"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Tenant(Editable, DefaultBase):
    """A company: the root of everything that carries its `tenant_id`."""

    __tablename__ = "tenant"
    __table_args__ = (
        CheckConstraint("status IN ('trial','active','past-due','read-only','suspended','closed')", name="status"),
        CheckConstraint("cash_rounding >= 0", name="cash_rounding"),
        CheckConstraint("discount_limit BETWEEN 0 AND 100", name="discount_limit"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    nit: Mapped[str]
    """Nine or ten digits, without the check digit."""
    dv: Mapped[str]
    """Check digit of the NIT (DIAN weights)."""
    status: Mapped[str]
    time_zone: Mapped[str] = mapped_column(server_default="America/Bogota")
    currency: Mapped[str] = mapped_column(server_default="COP")
    cash_rounding: Mapped[int] = mapped_column(server_default="0")
    """Pesos that a cash total is rounded to; 0 rounds nothing."""
    cash_tolerance: Mapped[Money] = mapped_column(server_default="5000")
    """Pesos a drawer may differ at its close without a supervisor."""
    discount_limit: Mapped[int] = mapped_column(server_default="10")
    """Per cent of a line's list price that may be taken off without a supervisor."""
    allow_below_cost: Mapped[bool] = mapped_column(server_default="false")
    """Whether goods may be sold under their cost without a supervisor."""
    ticket_footer: Mapped[str] = mapped_column(server_default="")
    address: Mapped[str] = mapped_column(server_default="")
    municipality_code: Mapped[str] = mapped_column(server_default="11001")
    """DANE code."""
    phone: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str] = mapped_column(server_default="")
    is_demo: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Branch(TenantRow, Editable, DefaultBase):
    """A shop of the company; tickets are numbered per branch."""

    __tablename__ = "branch"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "code"),
    )

    code: Mapped[str]
    name: Mapped[str]


class Warehouse(TenantRow, Editable, DefaultBase):
    """Where stock lies. A register sells from one warehouse."""

    __tablename__ = "warehouse"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
        UniqueConstraint("tenant_id", "name"),
    )

    branch_id: Mapped[UUID]
    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default="false")


class CashRegister(TenantRow, Editable, DefaultBase):
    """A till: the place where a drawer session is opened."""

    __tablename__ = "cash_register"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        UniqueConstraint("tenant_id", "name"),
    )

    branch_id: Mapped[UUID]
    warehouse_id: Mapped[UUID]
    name: Mapped[str]


class Numbering(TenantOwned, DefaultBase):
    """The next consecutive of one kind in one place: one row each, locked last, in the transaction that uses it."""

    __tablename__ = "numbering"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("kind IN ('sale','return','void','z')", name="kind"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    place_id: Mapped[UUID] = mapped_column(primary_key=True)
    """The branch for tickets; the register for Z reports."""
    kind: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str]
    next_no: Mapped[int] = mapped_column(server_default="1")
