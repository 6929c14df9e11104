"""Bodies of sign-up, login and sessions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.domain.tenants.limits import LimitOut
from app.domain.tenants.schemas import TenantOut
from app.lib.schemas import Input, Output, Page

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Email = Annotated[
    str, Meta(max_length=254, pattern=r"^[^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+$", examples=["ana@tienda.co"])
]
Secret = Annotated[str, Meta(max_length=512)]
Code = Annotated[str, Meta(max_length=20, examples=["123456"])]


class SignUpCompany(Input):
    name: Annotated[Name, Meta(examples=["Ferretería El Tornillo S.A.S."])]
    nit: Annotated[str, Meta(max_length=20, examples=["901555123-8"])]
    """Bare, or with its check digit, which must be right."""


class SignUpOwner(Input):
    name: Annotated[Name, Meta(examples=["Ana Gómez"])]
    email: Email
    password: Annotated[Secret, Meta(examples=["una clave larga y propia"])]


class SignUp(Input):
    """A new company and its owner. Signing up accepts the current terms."""

    company: SignUpCompany
    owner: SignUpOwner
    plan: Annotated[str, Meta(max_length=40)] | None = None


class LogIn(Input):
    email: Annotated[str, Meta(max_length=254, examples=["ana@tienda.co"])]
    password: Secret
    totp: Annotated[str, Meta(max_length=20, examples=["123456"])] | None = None
    """A code of the authenticator, or a recovery code; for a person with a second factor."""


class Refresh(Input):
    refresh_token: Annotated[str, Meta(max_length=200)]


class VerifyEmail(Input):
    token: Annotated[str, Meta(max_length=200)]


class AskForMail(Input):
    """To whom a link is to be mailed."""

    email: Annotated[str, Meta(max_length=254, examples=["ana@tienda.co"])]


class ResetPassword(Input):
    token: Annotated[str, Meta(max_length=200)]
    password: Annotated[Secret, Meta(examples=["una clave larga y propia"])]


class ConfirmEmail(Input):
    """The token that came to the new address."""

    token: Annotated[str, Meta(max_length=200)]


class Switch(Input):
    tenant_id: UUID
    """One of the caller's own companies."""


class ChangeMe(Input):
    """What a person may change of themselves; absent fields stay."""

    name: Name | UnsetType = UNSET


class ChangePassword(Input):
    current_password: Secret
    password: Annotated[Secret, Meta(examples=["otra clave larga y propia"])]


class ChangeEmail(Input):
    """The new address gets a link; the change happens when it comes back."""

    email: Email
    current_password: Secret


class BeginTotp(Input):
    current_password: Secret


class ConfirmTotp(Input):
    code: Code


class WithTotp(Input):
    """For what weakens the account: password and a current code, or a recovery code."""

    current_password: Secret
    code: Code


class UserOut(Output):
    id: UUID
    name: str
    email: str
    email_verified: bool
    totp_enabled: bool
    password_change_required: bool
    """Until it is changed, everything but the change is refused."""


class MembershipOut(Output):
    tenant_id: UUID
    tenant_name: str
    role: str
    is_sample: bool
    """The person's sample company; it comes last, and logging in begins elsewhere."""


class SessionOut(Output):
    """A begun session."""

    access_token: str
    expires_in: int
    """Seconds."""
    refresh_token: str
    user: UserOut
    tenant: TenantOut
    memberships: list[MembershipOut]


class TokensOut(Output):
    """A renewed pair."""

    access_token: str
    expires_in: int
    refresh_token: str
    user: UserOut
    tenant: TenantOut


class MeOut(Output):
    """Who is calling, where, and what they may do."""

    user: UserOut
    tenant: TenantOut
    role: str
    permissions: list[str]
    memberships: list[MembershipOut]
    modules: list[str]
    limits: dict[str, LimitOut]


class DeviceOut(Output):
    """A session of the caller on some device."""

    id: UUID
    tenant_id: UUID
    tenant_name: str | None
    """None for a company the caller no longer belongs to."""
    address: str
    agent: str
    """What the client calls itself."""
    created_at: datetime
    last_seen_at: datetime
    """To ten minutes."""
    expires_at: datetime
    current: bool


class DevicePage(Page):
    items: list[DeviceOut]


class RevokedOut(Output):
    revoked: int


class TotpOut(Output):
    enabled: bool
    required: bool
    """By the company of the token."""
    recovery_codes_left: int


class TotpSecretOut(Output):
    secret: str
    """Base32, for typing."""
    uri: str
    """`otpauth://…`, for a QR."""


class RecoveryCodesOut(Output):
    """Shown this once; each is good once."""

    recovery_codes: list[str]
