"""Bodies of branches, warehouses and registers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE, NAME

PlaceName = Annotated[str, Meta(min_length=1, max_length=80, pattern=NAME, examples=["Sede Norte"])]
BranchCode = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Z]{1,4}$(?!\n)",
        description="Va en el número de cada tiquete; sin él, el siguiente número libre. No cambia.",
        examples=["2"],
    ),
]
_Address = Annotated[str, Meta(max_length=200, pattern=LINE, description="Vacía: la de la empresa.")]
_Phone = Annotated[str, Meta(max_length=40, pattern=LINE)]
_Municipality = Annotated[str, Meta(max_length=5, description="Código DANE; sin él, el de la empresa.")]


class BranchOut(Output):
    id: UUID
    code: str
    name: str
    address: str
    municipality_code: str | None
    phone: str
    retired_at: datetime | None


class WarehouseOut(Output):
    id: UUID
    branch_id: UUID
    name: str
    is_default: bool
    retired_at: datetime | None


class RegisterOut(Output):
    id: UUID
    branch_id: UUID
    warehouse_id: UUID
    name: str
    retired_at: datetime | None


class BranchPage(Page):
    items: list[BranchOut]


class WarehousePage(Page):
    items: list[WarehouseOut]


class CreateBranch(Input):
    """A branch with its consecutives; its warehouse and registers are created after it."""

    name: PlaceName
    code: BranchCode | None = None
    address: _Address = ""
    municipality_code: _Municipality | None = None
    phone: _Phone = ""
    id: UUID | None = None


class ChangeBranch(Input):
    """What is absent stays as it is."""

    name: PlaceName | UnsetType = UNSET
    address: _Address | UnsetType = UNSET
    municipality_code: _Municipality | UnsetType | None = UNSET
    phone: _Phone | UnsetType = UNSET


class CreateWarehouse(Input):
    branch_id: UUID
    name: PlaceName
    id: UUID | None = None


class ChangeWarehouse(Input):
    """What is absent stays as it is."""

    name: PlaceName | UnsetType = UNSET
    is_default: (
        Annotated[
            bool, Meta(description="`true`: desde ahora es la principal de la empresa. La que lo era deja de serlo.")
        ]
        | UnsetType
    ) = UNSET


class CreateRegister(Input):
    branch_id: UUID
    warehouse_id: Annotated[UUID, Meta(description="De donde vende; una bodega de la misma sucursal.")]
    name: PlaceName
    id: UUID | None = None


class ChangeRegister(Input):
    """What is absent stays as it is."""

    name: PlaceName | UnsetType = UNSET
    warehouse_id: UUID | UnsetType = UNSET
