"""Bodies of people, roles, invitations, PINs, approvals and keys."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.domain.accounts.schemas import Email, Secret, UserOut
from app.domain.tenants.schemas import TenantOut
from app.lib.money import ZeroOrMorePesos
from app.lib.schemas import Input, Output, Page
from app.lib.text import NAME

ApprovalKind = Literal["void", "cash-difference", "discount", "below-cost"]
RoleCode = Annotated[str, Meta(max_length=40, description="Código de un rol.", examples=["cashier"])]
NewRoleCode = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{1,39}$(?!\n)",
        description="Minúsculas, cifras y guiones; no cambia.",
        examples=["jefe-de-caja"],
    ),
]
Named = Annotated[str, Meta(min_length=1, max_length=100, pattern=NAME, examples=["Yuly Pardo"])]
Permissions = Annotated[
    list[Annotated[str, Meta(max_length=60, examples=["sales:read"])]], Meta(min_length=1, max_length=100)
]
Pin = Annotated[str, Meta(pattern=r"^[0-9]{4,8}$(?!\n)", description="De 4 a 8 cifras.", examples=["740286"])]


class MemberOut(Output):
    """A person of the company."""

    user_id: UUID
    display_name: str
    """Printed on tickets."""
    role: str
    role_name: str
    email: str | None
    """Where the invitation went; the company knows no other address of theirs."""
    active: bool
    branch_ids: list[UUID] | None
    """Where the person may act; null: everywhere."""
    has_pin: bool
    joined_at: datetime


class MemberPage(Page):
    items: list[MemberOut]


class ChangeMember(Input):
    """What may change of a person in the company; absent fields stay."""

    role: RoleCode | UnsetType = UNSET
    display_name: Named | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    """False: out with the next request; their sessions and keys end."""
    branch_ids: Annotated[list[UUID], Meta(max_length=200)] | UnsetType | None = UNSET
    """Where the person may act from the next request on; null: everywhere."""


class RoleOut(Output):
    """A role of the house (without id) or one of the company."""

    id: UUID | None
    code: str
    name: str
    permissions: list[str]
    is_house: bool


class RoleList(Page):
    items: list[RoleOut]


class CreateRole(Input):
    """A role of the company's own; nobody puts into it what they may not do themselves."""

    code: NewRoleCode
    name: Named
    permissions: Permissions
    id: UUID | None = None


class ChangeRole(Input):
    """What may change of a role; the people who hold it have it with their next request."""

    name: Named | UnsetType = UNSET
    permissions: Permissions | UnsetType = UNSET


class Invite(Input):
    """A place in the company for somebody with this address."""

    email: Email
    name: Named
    role: RoleCode
    id: UUID | None = None


class InvitationOut(Output):
    id: UUID
    email: str
    name: str
    role: str
    status: Literal["pending", "accepted", "revoked", "expired"]
    invited_by: UUID
    expires_at: datetime
    accepted_at: datetime | None
    created_at: datetime


class InvitationPage(Page):
    items: list[InvitationOut]


class AcceptInvitation(Input):
    """With the mailed token. A new person chooses a password; one with an account gives theirs."""

    token: Annotated[str, Meta(max_length=200)]
    password: Secret
    name: Named | None = None
    """Of a new person; as invited when absent."""


class AcceptedOut(Output):
    """A new member. Who had an account already logs in as always; a new person is in at once."""

    user: UserOut
    tenant: TenantOut
    role: str
    is_new: bool
    access_token: str | None
    expires_in: int | None
    """Seconds."""
    refresh_token: str | None


class SetPin(Input):
    """The caller's own PIN, confirmed with the password."""

    password: Secret
    pin: Pin


class OperatorItem(Output):
    """Somebody who may take over a till with a PIN."""

    user_id: UUID
    display_name: str
    role: str
    approves: list[ApprovalKind]
    """What they may approve."""


class OperatorPage(Page):
    items: list[OperatorItem]


class TakeOver(Input):
    """Somebody steps up to a till where somebody is logged in."""

    user_id: UUID
    pin: Pin


class OperatorOut(Output):
    """A short session of the person at the till: no renewal, and no more than the counter."""

    access_token: str
    expires_in: int
    """Seconds."""
    user_id: UUID
    display_name: str
    role: str
    permissions: list[str]


class ApprovalSubject(Input):
    """The one act that is approved; each kind names its own fields."""

    sale_id: UUID | None = None
    """`void`."""
    session_id: UUID | None = None
    """`cash-difference`, `discount`, `below-cost`."""
    counted_cash: ZeroOrMorePesos | None = None
    """`cash-difference`: the cash that was counted."""
    discount: ZeroOrMorePesos | None = None
    """`discount`: pesos off the list prices of the whole ticket."""
    total: ZeroOrMorePesos | None = None
    """`below-cost`: pesos of the whole ticket."""
    product_ids: Annotated[list[UUID], Meta(min_length=1, max_length=2_000)] | None = None
    """`below-cost`: what is sold under its cost."""


class Approve(Input):
    """A supervisor's yes: with the PIN at the till of who asks, or from the supervisor's own session for somebody."""

    kind: Annotated[ApprovalKind, Meta(examples=["void"])]
    subject: Annotated[ApprovalSubject, Meta(examples=[{"saleId": "0197f2a4-7a3c-7bb0-9d2e-3f5a6b7c8d9e"}])]
    approver_id: UUID | None = None
    """Who approves, with `pin`; the caller is who asks."""
    pin: Pin | None = None
    requested_by: UUID | None = None
    """Who asks; the caller approves."""


class ApprovalOut(Output):
    """Good for one act, within five minutes, of the person who asked."""

    id: UUID
    kind: ApprovalKind
    subject: dict[str, Any]
    requested_by: UUID
    approved_by: UUID
    expires_at: datetime
    used_at: datetime | None
    created_at: datetime


class ApprovalPage(Page):
    items: list[ApprovalOut]


class CreateKey(Input):
    """A key for a program; it may what its scopes say, as long as its maker may."""

    name: Named
    scopes: Permissions
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class KeyOut(Output):
    id: UUID
    name: str
    scopes: list[str]
    hint: str
    """Last four letters."""
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To within five minutes."""
    revoked_at: datetime | None


class NewKeyOut(KeyOut):
    key: str | None
    """The key itself, told once: a repeated request is answered null."""


class KeyPage(Page):
    items: list[KeyOut]


def pesos(amount: Decimal) -> str:
    """An amount as approvals compare it: two decimals."""
    return f"{amount:.2f}"
