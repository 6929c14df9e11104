"""Rules of sign-up, login and membership."""

from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from app.db.session import Database, Work
from app.domain.accounts.models import AppUser, Membership, OneTimeToken, Role, TermsAcceptance
from app.domain.accounts.schemas import LogIn, MembershipOut, SessionOut, SignUp, TokensOut, UserOut
from app.domain.accounts.sessions import Begun, Sessions, read_token
from app.domain.customers.rows import create_final_consumer
from app.domain.tenants.limits import Resource, claim
from app.domain.tenants.models import Tenant
from app.domain.tenants.service import TenantService, tenant_out
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, Malformed, Unauthenticated
from app.lib.nit import split_nit
from app.lib.passwords import check_password, hash_password, verify_password
from app.lib.permissions import ROLES
from app.lib.tokens import LIFETIME, AccessTokens

TERMS_VERSION: Final = "2026-11"
"""Version of the terms that signing up accepts."""

EMAIL_TAKEN: Final = Conflict(
    "Ya existe una cuenta con este correo; inicie sesión.",
    code="email-taken",
    errors=(FieldError("/owner/email", "email-taken", "Este correo ya tiene cuenta."),),
)
BROKEN_CONSTRAINTS["uq_app_user_email_norm"] = EMAIL_TAKEN

_WRONG_LOGIN: Final = "El correo o la contraseña no son correctos."


class Device(msgspec.Struct, frozen=True):
    """Where a login comes from."""

    address: str
    agent: str
    request_id: str


class AccountService:
    """What a person does before, and instead of, acting in a company."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def sign_up(self, data: SignUp, device: Device, *, is_demo: bool = False) -> SessionOut:
        """Create a company with its owner, ready to sell, and log the owner in.

        Raises 422 `invalid-nit`, `weak-password` or `unknown-plan`, 409 `email-taken`.
        """
        nit, dv = split_nit(data.company.nit, "/company/nit")
        check_password(data.owner.password, data.owner.email, "/owner/password")
        for pointer, text in (("/company/name", data.company.name), ("/owner/name", data.owner.name)):
            _refuse_blank(pointer, text)
        password_hash = await hash_password(data.owner.password)
        user_id, tenant_id = uuid7(), uuid7()
        async with self._database.person_transaction(user_id=user_id) as work:
            await work.pin(tenant_id=tenant_id, user_id=user_id)
            work.actor = _owner(tenant_id, user_id, data.owner.name, device)
            user = AppUser(
                id=user_id,
                email=data.owner.email,
                email_norm=normalise_email(data.owner.email),
                name=data.owner.name.strip(),
                password_hash=password_hash,
            )
            work.session.add(user)
            await work.flush()
            tenant = await TenantService(work).create(
                name=data.company.name.strip(), nit=nit, dv=dv, email=data.owner.email, plan=data.plan, is_demo=is_demo
            )
            await create_final_consumer(work)
            await add_member(work, user_id, Role.OWNER, user.name)
            work.session.add(
                TermsAcceptance(
                    tenant_id=tenant_id, id=uuid7(), user_id=user_id, version=TERMS_VERSION, address=device.address
                )
            )
            begun = await Sessions(work).begin(user_id, tenant_id, device.address, device.agent)
            work.ask("accounts.send-verification", {"userId": str(user_id)})
        return self._session(
            user, tenant, begun, [MembershipOut(tenant_id=tenant_id, tenant_name=tenant.name, role=Role.OWNER)]
        )

    async def log_in(self, data: LogIn, device: Device) -> SessionOut:
        """Begin a session in the person's first company. Raises 401, the same for an unknown person and a wrong password."""
        email = normalise_email(data.email)
        async with self._database.person_transaction(login_email=email) as work:
            user = await work.session.scalar(select(AppUser).where(AppUser.email_norm == email))
        right = await verify_password(data.password, user.password_hash if user else None)
        if user is None or not right or not user.is_active:
            raise Unauthenticated(_WRONG_LOGIN, code="wrong-credentials")
        async with self._database.person_transaction(user_id=user.id) as work:
            memberships = await _memberships(work, user.id)
            if not memberships:
                raise Unauthenticated("Su cuenta no pertenece a ninguna empresa activa.", code="no-company")
            tenant_id = memberships[0].tenant_id
            await work.pin(tenant_id=tenant_id, user_id=user.id)
            begun = await Sessions(work).begin(user.id, tenant_id, device.address, device.agent)
            tenant = await _tenant(work, tenant_id)
        return self._session(user, tenant, begun, memberships)

    async def refresh(self, token: str) -> TokensOut:
        """Continue a session. Raises 401 for a token that does not count; a copy used late ends its session."""
        named = read_token(token)
        if named is None:
            raise Unauthenticated("El token de renovación no es válido.", code="invalid-refresh")
        user_id = named[0]
        user = tenant = None
        async with self._database.person_transaction(user_id=user_id) as work:
            # Not raised inside: the end of a stolen session must be committed.
            begun = await Sessions(work).continue_with(token)
            if begun is not None:
                await work.pin(tenant_id=begun.tenant_id, user_id=user_id)
                user = await work.session.scalar(select(AppUser).where(AppUser.id == user_id, AppUser.is_active))
                member = await work.session.scalar(
                    select(Membership.id).where(
                        Membership.tenant_id == begun.tenant_id, Membership.user_id == user_id, Membership.is_active
                    )
                )
                tenant = await _tenant(work, begun.tenant_id) if user and member else None
        if begun is None or user is None or tenant is None:
            raise Unauthenticated("Su sesión terminó; inicie sesión de nuevo.", code="invalid-refresh")
        session = self._session(user, tenant, begun, [])
        return TokensOut(
            access_token=session.access_token,
            expires_in=session.expires_in,
            refresh_token=session.refresh_token,
            user=session.user,
            tenant=session.tenant,
        )

    async def log_out(self, user_id: UUID, session_id: UUID) -> None:
        """End a session at once."""
        async with self._database.person_transaction(user_id=user_id) as work:
            await Sessions(work).end(session_id, user_id)

    async def verify_email(self, token: str) -> None:
        """Mark the address as the person's own. Raises 400 for a token that is unknown, used or expired."""
        named = read_token(token)
        if named is not None:
            async with self._database.person_transaction(user_id=named[0]) as work:
                used = await work.session.scalar(
                    update(OneTimeToken)
                    .where(
                        OneTimeToken.token_hash == one_time_hash(token),
                        OneTimeToken.purpose == "verify-email",
                        OneTimeToken.used_at.is_(None),
                        OneTimeToken.expires_at > clock.now(),
                    )
                    .values(used_at=clock.now())
                    .returning(OneTimeToken.user_id)
                )
                if used is not None:
                    await work.session.execute(
                        update(AppUser).where(AppUser.id == used).values(email_verified_at=clock.now())
                    )
                    return
        raise Malformed("El enlace no es válido, ya se usó o venció; pida otro.", code="invalid-token")

    def _session(self, user: AppUser, tenant: Tenant, begun: Begun, memberships: list[MembershipOut]) -> SessionOut:
        return SessionOut(
            access_token=self._tokens.issue(user_id=user.id, tenant_id=tenant.tenant_id, session_id=begun.session_id),
            expires_in=int(LIFETIME.total_seconds()),
            refresh_token=begun.refresh_token,
            user=user_out(user),
            tenant=tenant_out(tenant),
            memberships=memberships,
        )


async def add_member(work: Work, user_id: UUID, role: Role, display_name: str) -> Membership:
    """Give a person a role in the company of the transaction. Raises 422 `plan-limit`."""
    await claim(work, Resource.USERS)
    membership = Membership(tenant_id=work.tenant_id, id=uuid7(), user_id=user_id, role=role, display_name=display_name)
    work.session.add(membership)
    await work.flush()
    work.record("membership.created", membership.id, after={"userId": user_id, "role": role, "name": display_name})
    return membership


async def _memberships(work: Work, user_id: UUID) -> list[MembershipOut]:
    """Active memberships, oldest first; each company is read under its own pin."""
    rows = list(
        await work.session.scalars(
            select(Membership)
            .where(Membership.user_id == user_id, Membership.is_active)
            .order_by(Membership.created_at, Membership.tenant_id)
        )
    )
    found: list[MembershipOut] = []
    for row in rows:
        await work.pin(tenant_id=row.tenant_id, user_id=user_id)
        tenant = await _tenant(work, row.tenant_id)
        found.append(MembershipOut(tenant_id=row.tenant_id, tenant_name=tenant.name, role=row.role))
    return found


async def _tenant(work: Work, tenant_id: UUID) -> Tenant:
    return (await work.session.scalars(select(Tenant).where(Tenant.tenant_id == tenant_id))).one()


def user_out(user: AppUser) -> UserOut:
    return UserOut(id=user.id, name=user.name, email=user.email, email_verified=user.email_verified_at is not None)


def normalise_email(email: str) -> str:
    """An address as compared: case and surrounding blanks do not make another person."""
    return email.strip().casefold()


def one_time_hash(token: str) -> bytes:
    """What is stored of a mailed token."""
    return sha256(token.encode()).digest()


def _owner(tenant_id: UUID, user_id: UUID, name: str, device: Device) -> Actor:
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        session_id=user_id,
        role=Role.OWNER,
        display_name=name,
        permissions=ROLES[Role.OWNER],
        tenant_status="trial",
        time_zone="America/Bogota",
        address=device.address,
        request_id=device.request_id,
    )


def _refuse_blank(pointer: str, text: str) -> None:
    if not text.strip() or any(not letter.isprintable() for letter in text):
        raise Malformed(
            "Los datos enviados no son válidos.",
            errors=(FieldError(pointer, "invalid-text", "Escriba un nombre, sin caracteres de control."),),
        )
