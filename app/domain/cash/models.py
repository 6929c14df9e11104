"""Tables of the cash drawer."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ClientCreated, DefaultBase, Money, TenantOwned, TenantRow
from app.lib.tenders import METHODS, TENDER_COLUMNS

CATEGORIES = ("expense", "deposit", "safe-drop", "change", "other")
"""Why money goes in or out by hand."""


class CashSession(TenantRow, ClientCreated, DefaultBase):
    """A drawer's shift on one register: who opened it, when, with how much. Its state is `CashDrawer`."""

    __tablename__ = "cash_session"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "register_id"], ["cash_register.tenant_id", "cash_register.id"]),
        ForeignKeyConstraint(["tenant_id", "branch_id"], ["branch.tenant_id", "branch.id"]),
        ForeignKeyConstraint(["tenant_id", "warehouse_id"], ["warehouse.tenant_id", "warehouse.id"]),
        CheckConstraint("opening_amount >= 0", name="opening_amount"),
        Index("ix_cash_session_opened", "tenant_id", "opened_at", "id"),
    )

    register_id: Mapped[UUID]
    branch_id: Mapped[UUID]
    warehouse_id: Mapped[UUID]
    """Copied from the register at opening: what this shift sells from."""
    opened_by: Mapped[UUID]
    opened_at: Mapped[datetime]
    opening_amount: Mapped[Money]


class CashDrawer(TenantOwned, DefaultBase):
    """Mutable companion of a session: open or not, and what each tender adds up to. Locked by every posting.

    One column a tender, so that a sale with mixed tenders updates one row once. Closing fixes `closed_total`, and from
    then on no posting fits: a changed tender breaks a check, and the close's foreign key forbids opening it again.
    """

    __tablename__ = "cash_drawer"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "session_id"], ["cash_session.tenant_id", "cash_session.id"]),
        ForeignKeyConstraint(["tenant_id", "register_id"], ["cash_register.tenant_id", "cash_register.id"]),
        Index(
            "uq_cash_drawer_open",
            "tenant_id",
            "register_id",
            unique=True,
            postgresql_where=text("is_open"),
        ),
        UniqueConstraint("tenant_id", "session_id", "is_open"),
        CheckConstraint("cash >= 0", name="cash"),
        CheckConstraint("is_open = (closed_total IS NULL)", name="closed_total"),
        CheckConstraint(f"is_open OR closed_total = {' + '.join(TENDER_COLUMNS.values())}", name="nothing_after_close"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID]
    opened_by: Mapped[UUID]
    is_open: Mapped[bool]
    cash: Mapped[Money] = mapped_column(server_default="0")
    debit_card: Mapped[Money] = mapped_column(server_default="0")
    credit_card: Mapped[Money] = mapped_column(server_default="0")
    transfer: Mapped[Money] = mapped_column(server_default="0")
    nequi: Mapped[Money] = mapped_column(server_default="0")
    daviplata: Mapped[Money] = mapped_column(server_default="0")
    cheque: Mapped[Money] = mapped_column(server_default="0")
    voucher: Mapped[Money] = mapped_column(server_default="0")
    rounding: Mapped[Money] = mapped_column(server_default="0")
    closed_total: Mapped[Money | None]
    """Sum of all tenders at the close."""


class CashMovement(TenantRow, DefaultBase):
    """Money into (positive) or out of (negative) a session, by tender. Append-only."""

    __tablename__ = "cash_movement"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "session_id"], ["cash_session.tenant_id", "cash_session.id"]),
        CheckConstraint("kind IN ('opening','sale','refund','in','out','transfer-in','transfer-out')", name="kind"),
        CheckConstraint(f"method IN {(*METHODS, 'rounding')}", name="method"),
        CheckConstraint(f"category IN {CATEGORIES}", name="category"),
        Index("ix_cash_movement_session", "tenant_id", "session_id"),
    )

    session_id: Mapped[UUID]
    kind: Mapped[str]
    method: Mapped[str]
    amount: Mapped[Money]
    document_id: Mapped[UUID | None]
    """The sale, return, void or transfer behind it. A transfer is named by its outgoing movement."""
    category: Mapped[str | None]
    """Of a movement by hand; none for all others."""
    reason: Mapped[str] = mapped_column(server_default="")
    user_id: Mapped[UUID]
    body_hash: Mapped[bytes | None]


class CashClose(TenantOwned, DefaultBase):
    """The Z of a session: what was counted against what was expected. Append-only."""

    __tablename__ = "cash_close"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "session_id"], ["cash_session.tenant_id", "cash_session.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "session_id", "drawer_open"],
            ["cash_drawer.tenant_id", "cash_drawer.session_id", "cash_drawer.is_open"],
        ),
        UniqueConstraint("tenant_id", "register_id", "z_number"),
        CheckConstraint("NOT drawer_open", name="drawer_open"),
    )

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    register_id: Mapped[UUID]
    z_number: Mapped[int]
    """1, 2, 3 … per register."""
    drawer_open: Mapped[bool] = mapped_column(server_default="false")
    """Always false: half of the key that keeps the drawer closed."""
    closed_by: Mapped[UUID]
    closed_at: Mapped[datetime]
    business_day: Mapped[date]
    approved_by: Mapped[UUID | None]
    """Who accepted a difference above the company's tolerance."""
    denominations: Mapped[list[dict[str, Any]]]
    totals: Mapped[dict[str, Any]]
    """Sales, returns, taxes and movements of the session, frozen as the Z report shows them."""


class CashCloseTender(TenantOwned, DefaultBase):
    """One tender of a close."""

    __tablename__ = "cash_close_tender"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "session_id"], ["cash_close.tenant_id", "cash_close.session_id"]),
        CheckConstraint("difference = counted - expected", name="difference"),
    )

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    expected: Mapped[Money]
    counted: Mapped[Money]
    difference: Mapped[Money]
