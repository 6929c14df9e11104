"""Bodies of the company."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.lib.money import Pesos
from app.lib.schemas import Input, Output

Text = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class TenantOut(Output):
    """The company of a login."""

    id: UUID
    name: str
    nit: str
    dv: str
    status: str
    time_zone: str
    currency: str
    is_demo: bool


class BranchOut(Output):
    id: UUID
    code: str
    name: str


class WarehouseOut(Output):
    id: UUID
    branch_id: UUID
    name: str
    is_default: bool


class RegisterOut(Output):
    id: UUID
    branch_id: UUID
    warehouse_id: UUID
    name: str


class CompanyOut(Output):
    """The company with its settings and places."""

    id: UUID
    name: str
    nit: str
    dv: str
    status: str
    time_zone: str
    currency: str
    cash_rounding: int
    cash_tolerance: Decimal
    discount_limit: int
    """Per cent off the list price without a supervisor."""
    allow_below_cost: bool
    ticket_footer: str
    address: str
    municipality_code: str
    phone: str
    email: str
    is_demo: bool
    created_at: datetime
    branches: list[BranchOut]
    warehouses: list[WarehouseOut]
    registers: list[RegisterOut]


class ChangeCompany(Input):
    """What an owner may change of the company; absent fields stay."""

    name: Name | UnsetType = UNSET
    cash_rounding: Annotated[int, Meta(ge=0, le=1000)] | UnsetType = UNSET
    """Pesos that a cash total is rounded to; 0 rounds nothing."""
    cash_tolerance: Pesos | UnsetType = UNSET
    discount_limit: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    """Per cent off the list price of a line that nobody has to approve; 100 limits nothing."""
    allow_below_cost: bool | UnsetType = UNSET
    """Whether goods may be sold under their cost without a supervisor."""
    ticket_footer: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    address: Text | UnsetType = UNSET
    municipality_code: Annotated[str, Meta(pattern=r"^\d{5}$")] | UnsetType = UNSET
    phone: Annotated[str, Meta(max_length=40)] | UnsetType = UNSET
    email: Annotated[str, Meta(max_length=254)] | UnsetType = UNSET
