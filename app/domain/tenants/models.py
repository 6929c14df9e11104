"""Tables of the company, its places, its plan and its life."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Editable, Money, TenantOwned, TenantRow

STATUSES = "('trial','active','past-due','read-only','suspended','closed')"


class TenantStatus(StrEnum):
    """Life of a company's account; which moves are allowed is `app.domain.tenants.lifecycle`."""

    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past-due"
    READ_ONLY = "read-only"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Plan(Editable, DefaultBase):
    """What the operator sells: a global row, known by its code. Prices are billing's."""

    __tablename__ = "plan"
    __table_args__ = (CheckConstraint("requests_per_minute > 0", name="requests_per_minute"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    position: Mapped[int]
    """Order in lists; the cheapest first."""
    modules: Mapped[list[str]]
    limits: Mapped[dict[str, Any]]
    """Resource to how many; absent means no limit. Storage in bytes, documents a month."""
    requests_per_minute: Mapped[int | None]
    """None: as many as the installation allows one company."""
    is_offered: Mapped[bool] = mapped_column(server_default="true")
    """Whether a company may choose it; those that have it keep it."""
    version: Mapped[int | None]
    """The version that is sold today; None of a plan that was never sold."""


class PlanVersion(DefaultBase):
    """A plan as it was sold at a time, with its prices. Append-only: who bought a version keeps it."""

    __tablename__ = "plan_version"
    __table_args__ = (
        ForeignKeyConstraint(["plan"], ["plan.code"]),
        CheckConstraint(
            "monthly_price >= 0 AND yearly_price >= 0 AND (monthly_price = 0) = (yearly_price = 0)", name="prices"
        ),
    )

    plan: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    modules: Mapped[list[str]]
    limits: Mapped[dict[str, Any]]
    requests_per_minute: Mapped[int | None]
    monthly_price: Mapped[Money]
    """Pesos before taxes."""
    yearly_price: Mapped[Money]
    backup_policy: Mapped[dict[str, Any]]
    """Hours between two backups, and how many are kept daily, weekly, monthly."""
    published_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TenantMove(DefaultBase):
    """A change of status that is allowed: what `tenant_transition` points at."""

    __tablename__ = "tenant_move"

    from_status: Mapped[str] = mapped_column(primary_key=True)
    """`new` before the first."""
    to_status: Mapped[str] = mapped_column(primary_key=True)


class TenantTransition(TenantOwned, DefaultBase):
    """One step of a company's life. Append-only; the database refuses a step that is not allowed or not the next.

    `from_status` is, by foreign key, where the step before ended.
    """

    __tablename__ = "tenant_transition"
    __table_args__ = (
        ForeignKeyConstraint(["from_status", "to_status"], ["tenant_move.from_status", "tenant_move.to_status"]),
        ForeignKeyConstraint(
            ["tenant_id", "previous_seq", "from_status"],
            ["tenant_transition.tenant_id", "tenant_transition.seq", "tenant_transition.to_status"],
        ),
        UniqueConstraint("tenant_id", "seq", "to_status"),
        CheckConstraint("seq >= 1 AND (seq = 1) = (from_status = 'new')", name="first"),
        CheckConstraint("coalesce(previous_seq, 0) = seq - 1 AND (seq = 1) = (previous_seq IS NULL)", name="next"),
        CheckConstraint("reason <> ''", name="reason"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3 … without gap."""
    previous_seq: Mapped[int | None]
    from_status: Mapped[str]
    to_status: Mapped[str]
    reason: Mapped[str]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str]
    at: Mapped[datetime]


class Tenant(Editable, DefaultBase):
    """A company: the root of everything that carries its `tenant_id`."""

    __tablename__ = "tenant"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint("cash_rounding >= 0", name="cash_rounding"),
        CheckConstraint("organization IN ('company','person')", name="organization"),
        CheckConstraint("regime IN ('48','49')", name="regime"),
        CheckConstraint("tribute IN ('01','04','ZA','ZZ')", name="tribute"),
        CheckConstraint("(status = 'trial') = (trial_ends_at IS NOT NULL)", name="trial_ends_at"),
        ForeignKeyConstraint(["plan"], ["plan.code"]),
        ForeignKeyConstraint(
            ["plan", "plan_version"],
            ["plan_version.plan", "plan_version.version"],
            name="fk_tenant_plan_plan_version",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "status_seq", "status"],
            ["tenant_transition.tenant_id", "tenant_transition.seq", "tenant_transition.to_status"],
        ),
        Index("ix_tenant_trial", "trial_ends_at", postgresql_where=text("status = 'trial'")),
        CheckConstraint("discount_limit BETWEEN 0 AND 100", name="discount_limit"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    """Razón social, as the RUT has it."""
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
    totp_required: Mapped[bool] = mapped_column(server_default="false")
    """Whoever has no second factor may only enrol one here."""
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
    is_sample: Mapped[bool] = mapped_column(server_default="false")
    """A person's own sample to look around in: issues nothing, mails nobody, is not sold to and not counted."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    trade_name: Mapped[str] = mapped_column(server_default="")
    """Nombre comercial; empty when it is the razón social."""
    organization: Mapped[str] = mapped_column(server_default="company")
    regime: Mapped[str] = mapped_column(server_default="48")
    """48 responsable de IVA, 49 no responsable."""
    tribute: Mapped[str] = mapped_column(server_default="01")
    """01 IVA, 04 INC, ZA both, ZZ none: the tax scheme of the company on a document."""
    responsibilities: Mapped[list[str]] = mapped_column(server_default=text("'[\"R-99-PN\"]'"))
    ciiu: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    """Economic activities, four digits each, the main one first."""
    postal_code: Mapped[str] = mapped_column(server_default="")
    merchant_registration: Mapped[str] = mapped_column(server_default="")
    """Matrícula mercantil."""
    status_seq: Mapped[int]
    """The step of its life that gave it its status."""
    status_since: Mapped[datetime]
    trial_ends_at: Mapped[datetime | None]
    plan: Mapped[str]
    plan_version: Mapped[int | None]
    """The version it bought; None has the plan as it is sold today."""
    modules: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What plan and switches add up to, module to `Span`: kept, so that a request reads it with the company's row."""
    requests_per_minute: Mapped[int | None]
    """The plan's, kept for the same reason."""


class TenantModule(TenantOwned, Editable, DefaultBase):
    """A module switched on or off for one company, whatever its plan says."""

    __tablename__ = "tenant_module"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("reason <> ''", name="reason"),
    )

    module: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool]
    expires_at: Mapped[datetime | None]
    """When the plan decides again; None: never."""
    reason: Mapped[str]
    set_by: Mapped[UUID]


class TenantUsage(TenantOwned, Editable, DefaultBase):
    """How much of one limited resource a company has: locked by whoever takes or gives back one."""

    __tablename__ = "tenant_usage"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint(
            "resource IN ('users','branches','warehouses','registers','products','storage')", name="resource"
        ),
        CheckConstraint("used >= 0", name="used"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    resource: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(server_default="0")


class CompanyLogo(TenantOwned, Editable, DefaultBase):
    """A company's logo, drawn anew from what was uploaded and small; apart from `tenant`, which every request reads."""

    __tablename__ = "company_logo"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("octet_length(content) <= 262144", name="content"),
    )

    content: Mapped[bytes]
    """PNG."""
    width: Mapped[int]
    height: Mapped[int]


class Branch(TenantRow, Editable, ClientCreated, DefaultBase):
    """A shop of the company; tickets are numbered per branch."""

    __tablename__ = "branch"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        UniqueConstraint("tenant_id", "code"),
    )

    code: Mapped[str]
    name: Mapped[str]
    address: Mapped[str] = mapped_column(server_default="")
    municipality_code: Mapped[str | None]
    """DANE code; None: the company's."""
    phone: Mapped[str] = mapped_column(server_default="")
    retired_at: Mapped[datetime | None]


class Warehouse(TenantRow, Editable, ClientCreated, DefaultBase):
    """Where stock lies. A register sells from one warehouse."""

    __tablename__ = "warehouse"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("NOT is_default OR retired_at IS NULL", name="default_stays"),
    )

    branch_id: Mapped[UUID]
    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default="false")
    retired_at: Mapped[datetime | None]


class CashRegister(TenantRow, Editable, ClientCreated, DefaultBase):
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
    retired_at: Mapped[datetime | None]


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
