"""Tables of reports: roll-ups that follow the sales' own rows, hidden indicators, exported files."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Money, Quantity, TenantOwned, TenantRow


class ReportMark(TenantOwned, DefaultBase):
    """How far a company's roll-ups have come: the audit entry up to which every ticket is in them.

    The chain's numbers are given under a lock that is held until the commit, so they follow the order of commits:
    nothing below a number that can be seen will ever appear later.
    """

    __tablename__ = "report_mark"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    seq: Mapped[int] = mapped_column(server_default="0")
    folded_at: Mapped[datetime]


class _Sums:
    """Amounts of a roll-up, net of what came back; pesos."""

    tickets: Mapped[int]
    """Tickets posted less tickets voided."""
    base: Mapped[Money]
    tax: Mapped[Money]
    total: Mapped[Money]
    cost: Mapped[Money]
    discount: Mapped[Money]
    """Given when selling."""
    returned: Mapped[Money]
    """Taken back in returns and voids; already taken off the others."""


class ReportSales(TenantOwned, _Sums, DefaultBase):
    """Tickets by day, hour, branch, register and seller."""

    __tablename__ = "report_sales"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    day: Mapped[date] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    seller_id: Mapped[UUID] = mapped_column(primary_key=True)


class ReportCustomer(TenantOwned, _Sums, DefaultBase):
    """Tickets by day, customer and branch."""

    __tablename__ = "report_customer"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    day: Mapped[date] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)


class ReportProduct(TenantOwned, _Sums, DefaultBase):
    """Lines by day, product and branch."""

    __tablename__ = "report_product"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        Index("ix_report_product_product", "tenant_id", "product_id", "day"),
    )

    day: Mapped[date] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity]
    """Base units."""


class ReportProductMonth(TenantOwned, _Sums, DefaultBase):
    """The same by month, for long periods."""

    __tablename__ = "report_product_month"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    month: Mapped[date] = mapped_column(primary_key=True)
    """Its first day."""
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[Quantity]
    """Base units."""


class ReportTender(TenantOwned, DefaultBase):
    """Money by day, branch, register, seller and tender; the rounding is a tender, so that they add up to the tickets."""

    __tablename__ = "report_tender"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    day: Mapped[date] = mapped_column(primary_key=True)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID] = mapped_column(primary_key=True)
    seller_id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    tickets: Mapped[int]
    total: Mapped[Money]
    returned: Mapped[Money]


class ReportTax(TenantOwned, DefaultBase):
    """Taxes by day, branch, kind of ticket, class and rate; what came back is negative."""

    __tablename__ = "report_tax"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    day: Mapped[date] = mapped_column(primary_key=True)
    branch_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    tax_class: Mapped[str] = mapped_column(primary_key=True)
    tax_rate: Mapped[Decimal] = mapped_column(Numeric(9, 6), primary_key=True)
    base: Mapped[Money]
    tax: Mapped[Money]
    nominal: Mapped[Money]
    """Of pesos per unit; part of `tax`."""
    total: Mapped[Money]


class HiddenIndicator(TenantOwned, DefaultBase):
    """An indicator, or one product of it, that a shop does not want to see: for good, or until a day."""

    __tablename__ = "hidden_indicator"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    code: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    """Id of the product; empty: the whole indicator."""
    until: Mapped[date | None]
    """Last hidden day; none: dismissed."""
    user_id: Mapped[UUID]
    hidden_at: Mapped[datetime]


class ReportExport(TenantRow, DefaultBase):
    """A file that is written in the background."""

    __tablename__ = "report_export"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("status IN ('pending','running','ready','failed')", name="status"),
        CheckConstraint("format IN ('csv','xlsx')", name="format"),
        Index("ix_report_export_created", "tenant_id", "created_at", "id"),
    )

    report: Mapped[str]
    format: Mapped[str]
    asked: Mapped[dict[str, Any]]
    """Period and filters."""
    user_id: Mapped[UUID]
    sees_costs: Mapped[bool]
    sees_customers: Mapped[bool]
    branches: Mapped[list[str] | None]
    """Where its asker may look; none: everywhere."""
    status: Mapped[str] = mapped_column(server_default="pending")
    run_id: Mapped[UUID | None]
    """The run that writes it: an earlier one, thought dead, adds nothing any more."""
    row_count: Mapped[int | None]
    """Rows it will have."""
    rows_done: Mapped[int] = mapped_column(server_default="0")
    size: Mapped[int] = mapped_column(server_default="0")
    """Bytes."""
    message: Mapped[str] = mapped_column(server_default="")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class ReportExportPart(TenantOwned, DefaultBase):
    """A piece of an exported file."""

    __tablename__ = "report_export_part"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "export_id"], ["report_export.tenant_id", "report_export.id"]),
    )

    export_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]


class ReportSchedule(TenantRow, DefaultBase):
    """A report that goes by mail after every day, week or month."""

    __tablename__ = "report_schedule"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
        CheckConstraint("kind IN ('daily','weekly','monthly')", name="kind"),
    )

    kind: Mapped[str]
    recipients: Mapped[list[str]]
    """Mail addresses."""
    branch_id: Mapped[UUID | None]
    """None: the whole company."""
    user_id: Mapped[UUID]
    """Who asked for it. What it shows does not depend on them: never costs nor customers."""
    is_active: Mapped[bool] = mapped_column(server_default="true")
    next_on: Mapped[date]
    """The morning on which the next one goes: the day after its period."""


class ReportMailing(TenantOwned, DefaultBase):
    """One scheduled report to one recipient: written before it goes, so that it goes once."""

    __tablename__ = "report_mailing"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "schedule_id"], ["report_schedule.tenant_id", "report_schedule.id"]),
        CheckConstraint("status IN ('going','sent','refused','uncertain')", name="status"),
    )

    schedule_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_day: Mapped[date] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    at: Mapped[datetime]


class ReportAccount(TenantOwned, DefaultBase):
    """A bookkeeping account of the company's own, instead of the usual one."""

    __tablename__ = "report_account"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("account ~ '^[0-9]{4,10}$'", name="account"),
    )

    concept: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]
