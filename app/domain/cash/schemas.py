"""Bodies of the drawer."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.lib.money import Pesos
from app.lib.schemas import Input, Output, Page

Method = Literal["cash", "debit-card", "credit-card", "transfer", "nequi", "daviplata", "check", "voucher"]
Category = Literal["expense", "deposit", "safe-drop", "change", "other"]
Reason = Annotated[str, Meta(min_length=1, max_length=200, description="Motivo, como lo leerá el supervisor.")]


class OpenSession(Input):
    """A drawer begins its shift with some money in it."""

    register_id: UUID
    opening_amount: Annotated[Pesos, Meta(description="Pesos en efectivo con que abre; cero o más.")]
    id: UUID | None = None


class MakeMovement(Input):
    """Cash put into or taken out of an open drawer by hand."""

    kind: Literal["in", "out"]
    amount: Annotated[Pesos, Meta(description="Pesos en efectivo; más de cero.")]
    reason: Reason
    category: Annotated[
        Category,
        Meta(description="Gasto, consignación al banco, retiro a caja fuerte, cambio de sencillo u otro."),
    ] = "other"
    id: UUID | None = None


class MakeTransfer(Input):
    """Cash carried from one open drawer to another."""

    from_session_id: UUID
    to_session_id: UUID
    amount: Annotated[Pesos, Meta(description="Pesos en efectivo; más de cero.")]
    reason: Reason
    id: UUID | None = None


class Counted(Input):
    """What was counted of one tender; notes and coins, vouchers of the card reader, transfers seen."""

    method: Method
    amount: Pesos


class Denomination(Input):
    """So many notes or coins of one value."""

    value: Annotated[int, Meta(ge=1, le=1_000_000, description="Pesos de un billete o moneda.")]
    count: Annotated[int, Meta(ge=0, le=1_000_000)]


class CloseSession(Input):
    """A blind count: a tender that is not named was counted as nothing."""

    counted: Annotated[list[Counted], Meta(max_length=8)]
    denominations: Annotated[list[Denomination], Meta(max_length=40)] | None = None
    approval_id: UUID | None = None
    """Of kind `cash-difference`, for a difference above the company's tolerance."""


class OpenSessionOut(Output):
    """The shift that is open on a register."""

    id: UUID
    opened_at: datetime
    opened_by: UUID
    opened_by_name: str


class CashRegisterOut(Output):
    """A till, and whether somebody is selling on it."""

    id: UUID
    name: str
    branch_id: UUID
    branch_name: str
    warehouse_id: UUID
    open_session: OpenSessionOut | None


class CashRegisterPage(Page):
    items: list[CashRegisterOut]


class TenderOut(Output):
    """One tender of a drawer."""

    method: str
    expected: Decimal | None
    """Pesos the books say; null while the count is blind for the caller."""
    counted: Decimal | None
    """Pesos; null while open."""
    difference: Decimal | None
    """Counted less expected."""


class DenominationOut(Output):
    value: int
    count: int


class SessionItem(Output):
    """A shift as lists show it."""

    id: UUID
    status: Literal["open", "closed"]
    register_id: UUID
    register_name: str
    branch_id: UUID
    opened_at: datetime
    opened_by: UUID
    opened_by_name: str
    opening_amount: Decimal
    closed_at: datetime | None
    closed_by: UUID | None
    z_number: int | None
    business_day: date | None
    """Of the close."""
    difference: Decimal | None
    """Cash counted less cash expected; null while open."""


class SessionPage(Page):
    items: list[SessionItem]


class SessionOut(Output):
    """A shift with its tenders."""

    id: UUID
    status: Literal["open", "closed"]
    register_id: UUID
    register_name: str
    branch_id: UUID
    warehouse_id: UUID
    opened_at: datetime
    opened_by: UUID
    opened_by_name: str
    opening_amount: Decimal
    closed_at: datetime | None
    closed_by: UUID | None
    closed_by_name: str | None
    z_number: int | None
    business_day: date | None
    approved_by: UUID | None
    """Who accepted a difference above the company's tolerance."""
    tenders: list[TenderOut]
    denominations: list[DenominationOut]


class MovementOut(Output):
    """Money that went in or out of a drawer; `kind` tells the way, `amount` how much."""

    id: UUID
    session_id: UUID
    kind: str
    method: str
    amount: Decimal
    category: str | None
    reason: str
    document_id: UUID | None
    user_id: UUID
    at: datetime


class MovementPage(Page):
    items: list[MovementOut]


class TransferOut(Output):
    """Money carried between two drawers."""

    id: UUID
    from_session_id: UUID
    to_session_id: UUID
    amount: Decimal
    reason: str
    user_id: UUID
    at: datetime
    movement_ids: list[UUID]
    """The outgoing movement, then the incoming one."""
