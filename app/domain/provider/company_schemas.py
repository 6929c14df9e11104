"""Bodies of the operator's panel of companies."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.domain.standing.schemas import UseOut
from app.domain.tenants.schemas import TransitionOut
from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE, NAME

CompanyStatus = Literal["trial", "active", "past-due", "read-only", "suspended", "closed"]
Reason = Annotated[str, Meta(min_length=1, max_length=500, examples=["Pidió ayuda con una devolución, caso 4512"])]


class NewCompany(Input):
    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["Ferretería El Tornillo S.A.S."])]
    nit: Annotated[str, Meta(max_length=20, examples=["901555123-8"])]
    """Bare, or with its check digit, which must be right."""


class NewOwner(Input):
    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["Ana Gómez"])]
    email: Annotated[
        str,
        Meta(max_length=254, pattern=r"^[^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+$", examples=["ana@tienda.co"]),
    ]


class CreateCompany(Input):
    """A company whose owner is invited by mail."""

    company: NewCompany
    owner: NewOwner
    plan: Annotated[str, Meta(max_length=40)] | None = None
    id: UUID | None = None


class ChangeTenant(Input):
    """What the operator may correct of a company; absent fields stay."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME)] | UnsetType = UNSET
    trade_name: Annotated[str, Meta(max_length=200, pattern=LINE)] | UnsetType = UNSET
    nit: Annotated[str, Meta(max_length=20, examples=["901555123-8"])] | UnsetType = UNSET
    """Bare, or with its check digit. Not of a company that has issued electronic documents."""
    email: (
        Annotated[str, Meta(max_length=254, pattern=r"^[^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+$")] | UnsetType
    ) = UNSET
    phone: Annotated[str, Meta(max_length=40, pattern=LINE)] | UnsetType = UNSET


class WithReason(Input):
    reason: Reason


class Reactivate(Input):
    reason: Reason
    status: Literal["active", "read-only"] | None = None
    """Where to; by default read-only for a company that was, and active for any other. A closed one only to read-only."""


class OwnerInvitationOut(Output):
    id: UUID
    email: str
    status: Literal["pending", "accepted", "revoked", "expired"]
    expires_at: datetime


class CompanyItem(Output):
    """A company as the operator lists it."""

    id: UUID
    name: str
    nit: str
    dv: str
    status: CompanyStatus
    status_since: datetime
    plan: str
    trial_ends_at: datetime | None
    is_demo: bool
    is_sample: bool
    created_at: datetime
    usage: dict[str, int]
    """Resource to how many; storage in bytes."""


class CompanyPage(Page):
    items: list[CompanyItem]


class CompanyDetail(CompanyItem):
    """With its plan's limits, the last steps of its life, and its owner's invitation while nobody has come in."""

    use: UseOut
    history: list[TransitionOut]
    owner_invitation: OwnerInvitationOut | None
