"""Accepting an invitation: the mailed token is the way in, the password says who comes."""

from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Database, Work
from app.domain.accounts.models import AppUser, Membership
from app.domain.accounts.service import AccountService, Device, accepted_terms, add_member, user_out
from app.domain.accounts.sessions import Begun, Sessions, read_token
from app.domain.members.company import find_membership, lock_company
from app.domain.members.invitations import ALREADY_MEMBER, token_hash
from app.domain.members.models import Invitation
from app.domain.members.roles import Granted, RoleService
from app.domain.members.schemas import AcceptedOut, AcceptInvitation
from app.domain.tenants.limits import Resource, claim
from app.domain.tenants.service import TenantService, tenant_out
from app.lib import clock
from app.lib.actor import OPEN_STATUSES, Actor
from app.lib.errors import Conflict, Forbidden, Malformed, RuleBroken, Unauthenticated
from app.lib.logins import LoginLimits
from app.lib.passwords import check_password, hash_password, verify_password
from app.lib.permissions import OWNER, permissions_of
from app.lib.person_keys import Personal
from app.lib.ratelimit import RateLimits
from app.lib.tokens import LIFETIME, AccessTokens

USED: Final = Conflict("Esta invitación ya se usó; inicie sesión.", code="invitation-used")


class Acceptance:
    """Turns an invitation into a membership."""

    def __init__(self, database: Database, tokens: AccessTokens, limits: RateLimits, logins: LoginLimits) -> None:
        self._database = database
        self._tokens = tokens
        self._limits = limits
        self._logins = logins

    async def accept(self, data: AcceptInvitation, device: Device) -> AcceptedOut:
        """Make the person a member. Who has an account proves it with the password, and logs in as always afterwards.

        Raises 400 `invalid-invitation`, 401 `wrong-credentials`, 403 `company-read-only`, 409 `invitation-used`,
        `already-member` or `email-taken`, 422 `invitation-expired`, `unknown-role` or `weak-password`; nothing has
        changed then.
        """
        named = read_token(data.token)
        hashed = token_hash(data.token)
        await self._limits.count_link(device.address)
        if named is None:
            raise _INVALID
        tenant_id = named[0]
        async with self._database.person_transaction() as work:
            await work.pin(tenant_id=tenant_id)
            invitation = await _pending(work, tenant_id, hashed)
        email = invitation.email_norm
        async with self._database.person_transaction(login_email=email) as work:
            user = await work.session.scalar(select(AppUser).where(AppUser.email_norm == email))
        if user is None:
            check_password(data.password, email, "/password")
            password_hash = await hash_password(data.password)
            user_id = uuid7()
        else:
            knows = partial(AccountService(self._database, self._tokens).knows_address, email, device.address)
            async with self._logins.attempt(email, device.address, knows):
                if not await verify_password(data.password, user.password_hash) or not user.is_active:
                    raise Unauthenticated(
                        "Ya hay una cuenta con este correo, y la contraseña no es la suya.", code="wrong-credentials"
                    )
            user_id, password_hash = user.id, None
        async with self._database.person_transaction(user_id=user_id) as work:
            await work.pin(tenant_id=tenant_id, user_id=user_id)
            name = (data.name or invitation.name).strip()
            work.actor = _newcomer(tenant_id, user_id, name, invitation.role, device)
            await lock_company(work)
            invitation = await _pending(work, tenant_id, hashed)
            if password_hash is not None:
                person = AppUser(
                    id=user_id,
                    email=invitation.email,
                    email_norm=email,
                    name=name,
                    password_hash=password_hash,
                    # The token came by mail: the address is shown to be theirs.
                    email_verified_at=clock.now(),
                )
                work.session.add(person)
                await work.flush()
            else:
                person = (await work.session.scalars(select(AppUser).where(AppUser.id == user_id))).one()
                person.email_verified_at = person.email_verified_at or clock.now()
            tenant = await TenantService(work).find()
            if tenant.status not in OPEN_STATUSES:
                raise Forbidden(
                    "La empresa está en modo de solo lectura.", code="company-read-only", tenantStatus=tenant.status
                )
            role = await RoleService(work).resolve(invitation.role, "/token")
            await _refuse_without_backing(work, invitation.invited_by, role)
            await _join(work, user_id, name, role)
            invitation.accepted_at, invitation.accepted_by = clock.now(), user_id
            if invitation.invited_by == SYSTEM_USER:
                # Nobody signed this company up: its first owner accepts the terms by coming in.
                work.session.add(accepted_terms(work.tenant_id, user_id, device.address))
            await work.flush()
            work.record("invitation.accepted", invitation.id, after={"userId": user_id, "role": role.code})
            begun: Begun | None = None
            if password_hash is not None:
                begun = await Sessions(work).begin(user_id, tenant_id, device.address, device.agent)
        return AcceptedOut(
            user=user_out(person),
            tenant=tenant_out(tenant),
            role=role.code,
            is_new=password_hash is not None,
            access_token=self._tokens.issue(user_id=user_id, tenant_id=tenant_id, session_id=begun.session_id)
            if begun
            else None,
            expires_in=int(LIFETIME.total_seconds()) if begun else None,
            refresh_token=begun.refresh_token if begun else None,
        )


_INVALID: Final = Malformed(
    "El enlace de la invitación no es válido; pida que se la envíen de nuevo.", code="invalid-invitation"
)


async def _pending(work: Work, tenant_id: UUID, hashed: bytes) -> Invitation:
    """The invitation of a token, while it can be accepted; locked until commit."""
    row: Invitation | None = await work.session.scalar(
        select(Invitation)
        .where(Invitation.tenant_id == tenant_id, Invitation.token_hash == hashed)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise _INVALID
    if row.accepted_at is not None:
        raise USED
    if row.revoked_at is not None or row.expires_at <= clock.now():
        raise RuleBroken(
            "La invitación venció o fue retirada; pida que se la envíen de nuevo.", code="invitation-expired"
        )
    return row


async def _refuse_without_backing(work: Work, author_id: UUID, role: Granted) -> None:
    """An invitation gives what its author could give now, not what they could when they wrote it.

    The company is locked: nobody's role changes meanwhile. The operator's own, to a new company's first owner, has no
    author among its people. Raises 422 `invitation-expired`.
    """
    if author_id == SYSTEM_USER:
        return
    author = await find_membership(work, author_id)
    held = permissions_of(author.role, author.permissions) if author is not None else frozenset()
    if (
        author is None
        or not author.is_active
        or not author.all_branches
        or not role.permissions <= held
        or (role.code == OWNER and author.role != OWNER)
    ):
        raise RuleBroken(
            "Quien envió la invitación ya no puede dar ese rol; pida que se la envíen de nuevo.",
            code="invitation-expired",
        )


async def _join(work: Work, user_id: UUID, name: str, role: Granted) -> Membership:
    """A new membership, or the earlier one of somebody who comes back. Raises 409 `already-member`."""
    earlier = await find_membership(work, user_id)
    if earlier is None:
        return await add_member(
            work, user_id, role.code, name, company_role_id=role.company_role_id, permissions=role.own
        )
    if earlier.is_active:
        raise ALREADY_MEMBER
    await claim(work, Resource.USERS)
    earlier.is_active, earlier.display_name = True, name
    earlier.role, earlier.company_role_id, earlier.permissions = role.code, role.company_role_id, role.own
    await work.flush()
    back = {"userId": user_id, "role": role.code, "name": name}
    work.record("membership.resumed", earlier.id, after=Personal(user_id, back, ("name",)))
    return earlier


def _newcomer(tenant_id: UUID, user_id: UUID, name: str, role: str, device: Device) -> Actor:
    """Who comes in, as the trail names them; may do nothing yet."""
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        session_id=user_id,
        role=role,
        display_name=name,
        permissions=frozenset(),
        tenant_status="active",
        time_zone="America/Bogota",
        address=device.address,
        request_id=device.request_id,
    )
