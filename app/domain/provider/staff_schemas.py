"""Bodies of the operator's staff: their login, their own account, and each other."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.lib.schemas import Input, Output, Page

StaffRole = Literal["admin", "support", "billing", "ops"]
Name = Annotated[str, Meta(min_length=1, max_length=200, examples=["Marta Ruiz"])]
Email = Annotated[
    str,
    Meta(max_length=254, pattern=r"^[^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+$", examples=["marta@operador.co"]),
]
Secret = Annotated[str, Meta(max_length=512)]
Code = Annotated[str, Meta(max_length=20, examples=["123456"])]


class StaffLogIn(Input):
    email: Annotated[str, Meta(max_length=254, examples=["marta@operador.co"])]
    password: Secret
    totp: Code | None = None
    """A code of the authenticator, for who has one."""


class StaffRefresh(Input):
    refresh_token: Annotated[str, Meta(max_length=200)]


class StaffPassword(Input):
    current_password: Secret
    password: Annotated[Secret, Meta(examples=["una clave larga y propia"])]


class StaffTotp(Input):
    current_password: Secret


class StaffTotpCode(Input):
    code: Code


class CreateStaff(Input):
    email: Email
    name: Name
    role: StaffRole


class ChangeStaff(Input):
    """Absent fields stay."""

    name: Name | UnsetType = UNSET
    role: StaffRole | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class StaffOut(Output):
    id: UUID
    email: str
    name: str
    role: StaffRole
    active: bool
    totp_enabled: bool
    password_change_required: bool
    created_at: datetime


class StaffPage(Page):
    items: list[StaffOut]


class NewStaffOut(StaffOut):
    """With the first password, shown this once; it must be changed before anything else."""

    password: str | None


class StaffMeOut(StaffOut):
    """Who is calling, and what they may do."""

    permissions: list[str]
    totp_required: bool
    """In production nobody does anything else before it is enrolled."""


class StaffSessionOut(Output):
    """A begun or renewed session of the staff."""

    access_token: str
    expires_in: int
    """Seconds."""
    refresh_token: str
    user: StaffOut


class StaffTotpOut(Output):
    secret: str
    """Base32, for typing."""
    uri: str
    """`otpauth://…`, for a QR."""


class TrailStaffOut(Output):
    id: UUID
    name: str
    role: str


class TrailEntryOut(Output):
    """Something the staff did."""

    seq: int
    at: datetime
    action: str
    staff: TrailStaffOut
    company_id: UUID | None
    subject_id: UUID
    address: str
    request_id: str
    after: Any
    hash: str


class TrailPage(Page):
    items: list[TrailEntryOut]
