"""Bodies of the company: who it is, what it pays for, how it lives. Its places have their own."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.domain.tenants.place_schemas import BranchOut, RegisterOut, WarehouseOut
from app.lib.money import Pesos
from app.lib.profile import Organization, Responsibility, Tribute
from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE, NAME

_LINES: Final = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]*$"
"""Several lines of text: no control characters but line breaks."""

Regime = Literal["48", "49"]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME, examples=["Ferretería El Tornillo S.A.S."])]
Line = Annotated[str, Meta(max_length=200, pattern=LINE)]
Phone = Annotated[str, Meta(max_length=40, pattern=LINE, examples=["601 555 1234"])]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^([^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+)?$(?!\n)",
        description="Donde la empresa recibe documentos; vacío si no tiene.",
        examples=["ventas@tornillo.co"],
    ),
]
Municipality = Annotated[str, Meta(max_length=5, description="Código DANE.", examples=["11001"])]
Activity = Annotated[str, Meta(pattern=r"^[0-9]{4}$(?!\n)", examples=["4752"])]


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
    is_sample: bool
    plan: str
    trial_ends_at: datetime | None


class LogoOut(Output):
    """What is kept of a logo."""

    media_type: str
    width: int
    """Pixels."""
    height: int
    size: int
    """Bytes."""
    updated_at: datetime


class CompanyOut(Output):
    """The company with its settings and places; retired places are in their own lists."""

    id: UUID
    name: str
    trade_name: str
    nit: str
    dv: str
    organization: str
    regime: str
    tribute: str
    responsibilities: list[str]
    ciiu: list[str]
    merchant_registration: str
    status: str
    status_since: datetime
    trial_ends_at: datetime | None
    plan: str
    time_zone: str
    currency: str
    cash_rounding: int
    cash_tolerance: Decimal
    totp_required: bool
    discount_limit: int
    """Per cent off the list price without a supervisor."""
    allow_below_cost: bool
    ticket_footer: str
    address: str
    municipality_code: str
    municipality: str
    """Its name with the department's."""
    postal_code: str
    phone: str
    email: str
    logo: LogoOut | None
    is_demo: bool
    is_sample: bool
    created_at: datetime
    branches: list[BranchOut]
    warehouses: list[WarehouseOut]
    registers: list[RegisterOut]


class ChangeCompany(Input):
    """What an owner may change of the company; absent fields stay."""

    name: Annotated[Name, Meta(description="Razón social, tal como está en el RUT.")] | UnsetType = UNSET
    trade_name: Annotated[Line, Meta(description="Nombre comercial.")] | UnsetType = UNSET
    organization: Annotated[Organization, Meta(description="Persona jurídica o natural.")] | UnsetType = UNSET
    regime: Annotated[Regime, Meta(description="48 responsable de IVA, 49 no responsable.")] | UnsetType = UNSET
    tribute: Annotated[Tribute, Meta(description="01 IVA, 04 INC, ZA los dos, ZZ ninguno.")] | UnsetType = UNSET
    responsibilities: Annotated[list[Responsibility], Meta(min_length=1, max_length=5)] | UnsetType = UNSET
    ciiu: (
        Annotated[list[Activity], Meta(max_length=4, description="Actividades del RUT, la principal primero.")]
        | UnsetType
    ) = UNSET
    merchant_registration: (
        Annotated[str, Meta(max_length=20, pattern=r"^[0-9A-Za-z-]*$(?!\n)", description="Matrícula mercantil.")]
        | UnsetType
    ) = UNSET
    cash_rounding: Annotated[int, Meta(ge=0, le=1000)] | UnsetType = UNSET
    """Pesos that a cash total is rounded to; 0 rounds nothing."""
    cash_tolerance: Pesos | UnsetType = UNSET
    totp_required: bool | UnsetType = UNSET
    """Whether every member needs a second factor."""
    discount_limit: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    """Per cent off the list price of a line that nobody has to approve; 100 limits nothing."""
    allow_below_cost: bool | UnsetType = UNSET
    """Whether goods may be sold under their cost without a supervisor."""
    ticket_footer: Annotated[str, Meta(max_length=500, pattern=_LINES)] | UnsetType = UNSET
    address: Line | UnsetType = UNSET
    municipality_code: Municipality | UnsetType = UNSET
    postal_code: Annotated[str, Meta(max_length=6, description="Seis cifras, o vacío.")] | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    email: Email | UnsetType = UNSET


class TransitionOut(Output):
    """One step of a company's life."""

    seq: int
    from_status: str
    """`new` before the first."""
    to_status: str
    reason: str
    actor_name: str
    at: datetime


class TransitionPage(Page):
    items: list[TransitionOut]


class MunicipalityOut(Output):
    code: str
    """DANE."""
    name: str
    department: str


class MunicipalityPage(Page):
    items: list[MunicipalityOut]


class CodeOut(Output):
    code: str
    name: str


class FiscalCodes(Output):
    """Short lists of DIAN that a form offers."""

    organizations: list[CodeOut]
    regimes: list[CodeOut]
    responsibilities: list[CodeOut]
    tributes: list[CodeOut]
    identification_types: list[CodeOut]
