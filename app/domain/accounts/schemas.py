"""Bodies of sign-up, login and sessions."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.domain.tenants.limits import LimitOut
from app.domain.tenants.schemas import TenantOut
from app.lib.schemas import Input, Output

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Email = Annotated[
    str, Meta(max_length=254, pattern=r"^[^@\s<>\",;:]+@[^@\s<>\",;:]+\.[^@\s<>\",;:]+$", examples=["ana@tienda.co"])
]
Secret = Annotated[str, Meta(max_length=512)]


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
    totp: Annotated[str, Meta(max_length=12)] | None = None


class Refresh(Input):
    refresh_token: Annotated[str, Meta(max_length=200)]


class VerifyEmail(Input):
    token: Annotated[str, Meta(max_length=200)]


class UserOut(Output):
    id: UUID
    name: str
    email: str
    email_verified: bool


class MembershipOut(Output):
    tenant_id: UUID
    tenant_name: str
    role: str


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
    modules: list[str]
    limits: dict[str, LimitOut]
