"""Bodies of customers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.customers.identity import IdentificationType
from app.lib.profile import NO_RESPONSIBILITY, Organization, Responsibility, Tribute
from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE, NAME

Identification = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=30,
        pattern=NAME,
        description="Número del documento; el NIT con o sin dígito de verificación.",
        examples=["901555123-8"],
    ),
]
CheckDigit = Annotated[
    str, Meta(pattern=r"^[0-9]$(?!\n)", description="Solo del NIT; se calcula, y si llega se revisa.")
]
Name = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=NAME, description="Nombre o razón social.", examples=["Ana Gómez"])
]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^([^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+)?$(?!\n)",
        description="Donde recibe sus facturas; vacío si no tiene.",
        examples=["ana@correo.co"],
    ),
]
Phone = Annotated[str, Meta(max_length=40, pattern=LINE, examples=["601 555 1234"])]
Address = Annotated[str, Meta(max_length=200, pattern=LINE, examples=["Calle 10 # 5-20"])]
Municipality = Annotated[str, Meta(max_length=5, description="Código DANE.", examples=["11001"])]
Responsibilities = Annotated[list[Responsibility], Meta(min_length=1, max_length=5)]


def _no_responsibilities() -> list[Responsibility]:
    return [NO_RESPONSIBILITY]


class CreateCustomer(Input):
    identification_type: Annotated[IdentificationType, Meta(description="Código DIAN: 13 cédula, 31 NIT, …")]
    identification: Identification
    name: Name
    dv: CheckDigit | None = None
    organization: Annotated[
        Organization | None, Meta(description="Por defecto, empresa si es NIT y persona si no.")
    ] = None
    email: Email = ""
    phone: Phone = ""
    address: Address = ""
    municipality_code: Municipality | None = None
    tribute: Annotated[Tribute, Meta(description="01 IVA, 04 INC, ZA los dos, ZZ ninguno.")] = "ZZ"
    responsibilities: Responsibilities = msgspec.field(default_factory=_no_responsibilities)
    id: UUID | None = None


class ChangeCustomer(Input):
    """What is absent stays as it is."""

    identification_type: IdentificationType | UnsetType = UNSET
    identification: Identification | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    dv: CheckDigit | UnsetType = UNSET
    organization: Organization | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    municipality_code: Municipality | UnsetType | None = UNSET
    tribute: Tribute | UnsetType = UNSET
    responsibilities: Responsibilities | UnsetType = UNSET


class MergeCustomer(Input):
    into: Annotated[UUID, Meta(description="El cliente que queda.")]


class CustomerOut(Output):
    id: UUID
    organization: str
    identification_type: str
    identification: str
    dv: str | None
    name: str
    email: str
    phone: str
    address: str
    municipality_code: str | None
    municipality: str | None
    """Its name with the department's."""
    tribute: str
    responsibilities: list[str]
    is_final_consumer: bool
    retired_at: datetime | None
    merged_into: UUID | None
    created_at: datetime
    updated_at: datetime


class CustomerPage(Page):
    items: list[CustomerOut]
