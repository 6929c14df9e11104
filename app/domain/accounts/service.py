"""Rules of sign-up, login and membership."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from app.db.session import Database, Work
from app.domain.accounts.memberships import member_of, memberships_of, tenant_of
from app.domain.accounts.models import AppUser, Membership, Role, TermsAcceptance
from app.domain.accounts.schemas import LogIn, MembershipOut, SessionOut, SignUp, TokensOut, UserOut
from app.domain.accounts.sessions import Begun, Sessions, read_token
from app.domain.accounts.totp import SecondFactor
from app.domain.customers.rows import create_final_consumer
from app.domain.tenants.limits import Resource, claim
from app.domain.tenants.models import Tenant
from app.domain.tenants.service import TenantService, tenant_out
from app.lib.actor import PASSWORD_CHANGE, Actor
from app.lib.errors import (
    BROKEN_CONSTRAINTS,
    Conflict,
    FieldError,
    Forbidden,
    Malformed,
    Unauthenticated,
    unknown_reference,
)
from app.lib.nit import split_nit
from app.lib.passwords import POLICY_SINCE, check_password, hash_password, is_outdated, is_weak, verify_password
from app.lib.permissions import ROLES
from app.lib.person_keys import Personal
from app.lib.tokens import LIFETIME, AccessTokens, Claims

TERMS_VERSION: Final = "2026-11"
"""Version of the terms that signing up accepts."""

EMAIL_TAKEN: Final = Conflict(
    "Ya existe una cuenta con este correo; inicie sesión.",
    code="email-taken",
    errors=(FieldError("/owner/email", "email-taken", "Este correo ya tiene cuenta."),),
)
BROKEN_CONSTRAINTS["uq_app_user_email_norm"] = EMAIL_TAKEN

_NOBODY: Final = UUID(int=0)
_WRONG_LOGIN: Final = "El correo o la contraseña no son correctos."


class Device(msgspec.Struct, frozen=True):
    """Where a request comes from."""

    address: str
    agent: str
    request_id: str


Counted = Callable[[], AbstractAsyncContextManager[None]]
"""What a check of a second factor is wrapped in, so that guesses are counted."""


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
        check_password(data.owner.password, data.owner.email, "/owner/password", data.owner.name, data.company.name)
        for pointer, text in (("/company/name", data.company.name), ("/owner/name", data.owner.name)):
            refuse_blank(pointer, text)
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
            tenant = await found_company(
                work,
                name=data.company.name.strip(),
                nit=nit,
                dv=dv,
                email=data.owner.email,
                plan=data.plan,
                is_demo=is_demo,
            )
            await add_member(work, user_id, Role.OWNER, user.name)
            work.session.add(accepted_terms(tenant_id, user_id, device.address))
            begun = await Sessions(work).begin(user_id, tenant_id, device.address, device.agent)
            work.ask("accounts.send-verification", {"userId": str(user_id)})
        return self._session(
            user,
            tenant,
            begun,
            [MembershipOut(tenant_id=tenant_id, tenant_name=tenant.name, role=Role.OWNER, is_sample=False)],
        )

    async def log_in(self, data: LogIn, device: Device, counted: Counted = nullcontext) -> SessionOut:
        """Begin a session in the person's first company. Raises 401, the same for an unknown person and a wrong password.

        With the right password, 401 `totp-required` or `totp-invalid` for a person with a second factor; `counted` wraps
        its check.
        """
        user = await self._whose(data)
        code = data.totp
        if user.totp_enabled_at is not None and not code:
            raise Unauthenticated("Escriba el código de su segundo factor.", code="totp-required")
        outdated = is_outdated(user.password_hash)
        before_policy = (user.password_changed_at or user.created_at) < POLICY_SINCE
        password_hash = await hash_password(data.password) if outdated else user.password_hash
        async with (
            counted() if user.totp_enabled_at is not None else nullcontext(),
            self._database.person_transaction(user_id=user.id) as work,
        ):
            await _refuse_changed(work, user)
            if user.totp_enabled_at is not None and not await SecondFactor(work, user.id).accept(code or ""):
                raise Unauthenticated("El código no es correcto o ya se usó.", code="totp-invalid")
            memberships = await memberships_of(work, user.id)
            if not memberships:
                raise Unauthenticated("Su cuenta no pertenece a ninguna empresa activa.", code="no-company")
            tenant_id = memberships[0].tenant_id
            await work.pin(tenant_id=tenant_id, user_id=user.id)
            if outdated:
                await _keep_hash(work, user, password_hash)
            if before_policy and await is_weak(data.password, user.email):
                await _require_another(work, user)
            begun = await Sessions(work).begin(user.id, tenant_id, device.address, device.agent)
            tenant = await tenant_of(work, tenant_id)
        return self._session(user, tenant, begun, memberships)

    async def _whose(self, data: LogIn) -> AppUser:
        """The person of an address and its password, in the same time whether or not there is one. Raises 401."""
        email = normalise_email(data.email)
        async with self._database.person_transaction(login_email=email) as work:
            user = await work.session.scalar(select(AppUser).where(AppUser.email_norm == email))
        right = await verify_password(data.password, user.password_hash if user else None)
        if user is None or not right or not user.is_active:
            raise Unauthenticated(_WRONG_LOGIN, code="wrong-credentials")
        return user

    async def knows_address(self, email: str, address: str) -> bool:
        """Whether the account, if there is one, was seen at this address."""
        email = normalise_email(email)
        async with self._database.person_transaction(login_email=email) as work:
            user_id = await work.session.scalar(select(AppUser.id).where(AppUser.email_norm == email))
            await work.pin(user_id=user_id)
            return await Sessions(work).knows_address(user_id or _NOBODY, address)

    async def switch(self, claims: Claims, tenant_id: UUID, device: Device) -> SessionOut:
        """Begin a session of the same person in another of their companies; the one of the token goes on.

        Raises 401 for a session that ended, 403 `login-required` for one that began with a PIN, 422 `unknown-reference`
        for a company that is not the person's.
        """
        user_id = claims.user_id
        async with self._database.person_transaction(user_id=user_id) as work:
            session = await Sessions(work).find_live(claims.session_id, user_id)
            user = await work.session.scalar(select(AppUser).where(AppUser.id == user_id, AppUser.is_active))
            if session is None or user is None:
                raise Unauthenticated("Su sesión terminó; inicie sesión de nuevo.", code="session-ended")
            if session.scopes is not None:
                # An operator's session at a till may less than its person, and must not become one that may everything.
                raise Forbidden("Para esto hay que iniciar sesión con correo y contraseña.", code="login-required")
            if user.password_change_required:
                raise Forbidden("Cambie su contraseña para continuar.", code=PASSWORD_CHANGE)
            if await member_of(work, user_id, tenant_id) is None:
                raise unknown_reference("/tenantId", "No es una de sus empresas.")
            memberships = await memberships_of(work, user_id)
            await work.pin(tenant_id=tenant_id, user_id=user_id)
            begun = await Sessions(work).begin(user_id, tenant_id, device.address, device.agent)
            tenant = await tenant_of(work, tenant_id)
        return self._session(user, tenant, begun, memberships)

    async def refresh(self, token: str, device: Device) -> TokensOut:
        """Continue a session. Raises 401 for a token that does not count; a copy used late ends its session."""
        named = read_token(token)
        if named is None:
            raise Unauthenticated("El token de renovación no es válido.", code="invalid-refresh")
        user_id = named[0]
        user = tenant = None
        async with self._database.person_transaction(user_id=user_id) as work:
            # Not raised inside: the end of a stolen session must be committed.
            begun = await Sessions(work).continue_with(token, device.address, device.agent)
            if begun is not None:
                await work.pin(tenant_id=begun.tenant_id, user_id=user_id)
                user = await work.session.scalar(select(AppUser).where(AppUser.id == user_id, AppUser.is_active))
                member = await member_of(work, user_id, begun.tenant_id)
                tenant = await tenant_of(work, begun.tenant_id) if user and member else None
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

    def _session(self, user: AppUser, tenant: Tenant, begun: Begun, memberships: list[MembershipOut]) -> SessionOut:
        return SessionOut(
            access_token=self._tokens.issue(user_id=user.id, tenant_id=tenant.tenant_id, session_id=begun.session_id),
            expires_in=int(LIFETIME.total_seconds()),
            refresh_token=begun.refresh_token,
            user=user_out(user),
            tenant=tenant_out(tenant),
            memberships=memberships,
        )


def accepted_terms(tenant_id: UUID, user_id: UUID, address: str) -> TermsAcceptance:
    """That a person accepts the current terms for a company."""
    return TermsAcceptance(tenant_id=tenant_id, id=uuid7(), user_id=user_id, version=TERMS_VERSION, address=address)


async def found_company(
    work: Work,
    *,
    name: str,
    nit: str,
    dv: str,
    email: str,
    plan: str | None = None,
    is_demo: bool = False,
    is_sample: bool = False,
    reason: str | None = None,
) -> Tenant:
    """A company that can sell at once, whoever makes it: by signing up, the operator, or a person's sample. Raises 422 `unknown-plan`.

    The one place for what must follow from every new company: a job asked for here is written with it or not at all.
    """
    tenant = await TenantService(work).create(
        name=name, nit=nit, dv=dv, email=email, plan=plan, is_demo=is_demo, is_sample=is_sample, reason=reason
    )
    await create_final_consumer(work)
    if not is_sample:
        # Its subscription, on trial: from here on the operator sees it among all.
        work.ask("billing.look", {})
    return tenant


async def add_member(
    work: Work,
    user_id: UUID,
    role: str,
    display_name: str,
    *,
    company_role_id: UUID | None = None,
    permissions: list[str] | None = None,
) -> Membership:
    """Give a person a role in the company of the transaction; one of the company's own with its id and permissions.

    Raises 422 `plan-limit`.
    """
    await claim(work, Resource.USERS)
    membership = Membership(
        tenant_id=work.tenant_id,
        id=uuid7(),
        user_id=user_id,
        role=role,
        display_name=display_name,
        company_role_id=company_role_id,
        permissions=permissions,
    )
    work.session.add(membership)
    await work.flush()
    made = {"userId": user_id, "role": role, "name": display_name}
    work.record("membership.created", membership.id, after=Personal(user_id, made, ("name",)))
    return membership


async def _refuse_changed(work: Work, user: AppUser) -> None:
    """Refuse a login whose person was put out, or chose another password, while it was compared.

    Held until the session is written: who changes the password ends that session as all others.
    """
    now = (
        await work.session.execute(
            select(AppUser.password_hash, AppUser.is_active)
            .where(AppUser.id == user.id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if now is None or not now.is_active or now.password_hash != user.password_hash:
        raise Unauthenticated(_WRONG_LOGIN, code="wrong-credentials")


async def _keep_hash(work: Work, user: AppUser, password_hash: str) -> None:
    """The same password under today's parameters, unless it was changed meanwhile."""
    await work.session.execute(
        update(AppUser)
        .where(AppUser.id == user.id, AppUser.password_hash == user.password_hash)
        .values(password_hash=password_hash)
        .execution_options(synchronize_session=False)
    )


async def _require_another(work: Work, user: AppUser) -> None:
    """The password was good enough when it was chosen, and is on a list of leaked ones now."""
    user.password_change_required = True
    await work.session.execute(
        update(AppUser)
        .where(AppUser.id == user.id)
        .values(password_change_required=True)
        .execution_options(synchronize_session=False)
    )


def user_out(user: AppUser) -> UserOut:
    return UserOut(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        totp_enabled=user.totp_enabled_at is not None,
        password_change_required=user.password_change_required,
    )


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


def refuse_blank(pointer: str, text: str) -> None:
    """Raise 400 for a name of blanks or with control characters."""
    if not text.strip() or any(not letter.isprintable() for letter in text):
        raise Malformed(
            "Los datos enviados no son válidos.",
            errors=(FieldError(pointer, "invalid-text", "Escriba un nombre, sin caracteres de control."),),
        )
