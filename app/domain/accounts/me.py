"""What a logged-in person does with their own account."""

from contextlib import AbstractAsyncContextManager
from typing import Final
from uuid import UUID

from msgspec import UNSET
from sqlalchemy import select

from app.db.session import Work
from app.domain.accounts.memberships import memberships_of
from app.domain.accounts.models import AppUser, AuthSession
from app.domain.accounts.passwords import former_hashes, hash_chosen, prove_password, replace_password, seen_here
from app.domain.accounts.schemas import (
    ChangeEmail,
    ChangeMe,
    ChangePassword,
    DeviceOut,
    DevicePage,
    MembershipOut,
    MeOut,
    RecoveryCodesOut,
    TotpOut,
    TotpSecretOut,
    UserOut,
    WithTotp,
)
from app.domain.accounts.service import normalise_email, refuse_blank, user_out
from app.domain.accounts.sessions import Sessions, live_sessions
from app.domain.accounts.totp import SecondFactor
from app.domain.standing.usage import limits_of
from app.domain.tenants.service import TenantService, tenant_out
from app.lib import clock
from app.lib.actor import Actor
from app.lib.errors import Conflict, FieldError, NotFound, RuleBroken
from app.lib.logins import LoginLimits
from app.lib.modules import active, read_spans
from app.lib.pages import after, cut
from app.lib.person_keys import Personal

_NO_TOTP: Final = Conflict("No tiene un segundo factor activo.", code="totp-not-enabled")


class MeService:
    """The caller's own account, in the request's transaction."""

    def __init__(self, work: Work, logins: LoginLimits) -> None:
        self._work = work
        self._logins = logins
        self._user_id = work.actor.user_id

    async def read(self) -> MeOut:
        """Who is calling, where, what they may do, and where else they belong."""
        tenant = await TenantService(self._work).find()
        is_person = self._work.actor.entry in {"login", "operator"}
        return MeOut(
            user=user_out(await self._user()) if is_person else _nobody(self._work.actor),
            tenant=tenant_out(tenant),
            role=self._work.actor.role,
            permissions=sorted(self._work.actor.permissions),
            memberships=await self._memberships() if is_person else [],
            modules=active(read_spans(tenant.modules), clock.now()),
            limits=await limits_of(self._work, tenant),
        )

    async def change(self, data: ChangeMe) -> MeOut:
        """Change the person's name; what tickets print is the company's business."""
        user = await self._user()
        if data.name is not UNSET:
            refuse_blank("/name", data.name)
            before, user.name = user.name, data.name.strip()
            self._work.record("user.changed", user.id, before=_named(user.id, before), after=_named(user.id, user.name))
        return await self.read()

    async def change_password(self, data: ChangePassword) -> None:
        """Choose another password: all other sessions end and the person is told.

        Raises 422 `wrong-password` or `weak-password`.
        """
        user = await self._prove(data.current_password)
        companies = [one.tenant_name for one in await self._memberships()]
        former = await former_hashes(self._work, user)
        password_hash = await hash_chosen(data.password, user, companies, former, "/password")
        await replace_password(self._work, user, password_hash)
        await Sessions(self._work).end_all(user.id, but=self._work.actor.session_id)
        self._happened(user, "password-changed")

    async def ask_email_change(self, data: ChangeEmail) -> None:
        """Mail a link to the new address, or tell its owner that it has an account. Raises 422 `wrong-password`, `same-email`."""
        user = await self._prove(data.current_password)
        if normalise_email(data.email) == user.email_norm:
            raise RuleBroken(
                "Ese ya es su correo.",
                code="same-email",
                errors=(FieldError("/email", "same-email", "Escriba otro correo."),),
            )
        self._work.ask("accounts.send-email-change", {"userId": str(user.id), "email": data.email.strip()})

    async def totp(self) -> TotpOut:
        """How the caller's second factor stands."""
        user = await self._user()
        tenant = await TenantService(self._work).find()
        return TotpOut(
            enabled=user.totp_enabled_at is not None,
            required=tenant.totp_required,
            recovery_codes_left=await self._factor().codes_left(),
        )

    async def begin_totp(self, password: str) -> TotpSecretOut:
        """A new secret for the authenticator. Raises 422 `wrong-password`, 409 `totp-enabled`."""
        begun = await self._factor().begin(await self._prove(password))
        return TotpSecretOut(secret=begun.secret, uri=begun.uri)

    async def confirm_totp(self, code: str) -> RecoveryCodesOut:
        """Enable the second factor with its first code; all other sessions end. Raises 422 `totp-invalid`, 409."""
        user = await self._user()
        async with self._codes(user):
            codes = await self._factor().confirm(user, code)
            if codes is None:
                raise _wrong_code()
        await Sessions(self._work).end_all(user.id, but=self._work.actor.session_id)
        self._happened(user, "totp-enabled")
        return RecoveryCodesOut(recovery_codes=codes)

    async def disable_totp(self, data: WithTotp) -> None:
        """Go back to the password alone. Raises 422 `wrong-password` or `totp-invalid`, 409 `totp-not-enabled`."""
        user = await self._prove_both(data)
        await self._factor().disable(user)
        self._happened(user, "totp-disabled")

    async def renew_recovery_codes(self, data: WithTotp) -> RecoveryCodesOut:
        """A new set; the former one ends. Raises as `disable_totp`."""
        user = await self._prove_both(data)
        codes = await self._factor().new_codes()
        self._happened(user, "recovery-codes-renewed")
        return RecoveryCodesOut(recovery_codes=codes)

    async def sessions(self, cursor: str | None, limit: int) -> DevicePage:
        """Where the caller is logged in, in all companies, the newest login first."""
        statement = after(
            select(AuthSession).where(*live_sessions(self._user_id)),
            [AuthSession.id],
            cursor,
            tuple[UUID],
            descending=True,
        )
        found = (await self._work.session.scalars(statement.limit(limit + 1))).all()
        rows, next_cursor = cut(found, limit, lambda row: [row.id])
        names = {one.tenant_id: one.tenant_name for one in await self._memberships()}
        return DevicePage(
            items=[
                DeviceOut(
                    id=row.id,
                    tenant_id=row.tenant_id,
                    tenant_name=names.get(row.tenant_id),
                    address=row.address,
                    agent=row.agent,
                    created_at=row.created_at,
                    last_seen_at=row.last_seen_at,
                    expires_at=row.expires_at,
                    current=row.id == self._work.actor.session_id,
                )
                for row in rows
            ],
            next_cursor=next_cursor,
        )

    async def revoke(self, session_id: UUID) -> None:
        """End one session, this one too; its tokens stop with the next request. Raises 404."""
        sessions = Sessions(self._work)
        if await sessions.find_live(session_id, self._user_id) is None:
            raise NotFound("No hay una sesión abierta con ese identificador.")
        await sessions.end(session_id, self._user_id)
        self._work.record("user.session-revoked", self._user_id, after={"sessionId": session_id})

    async def revoke_others(self) -> int:
        """End all sessions but this one; answers how many."""
        count = await Sessions(self._work).end_all(self._user_id, but=self._work.actor.session_id)
        self._work.record("user.sessions-revoked", self._user_id, after={"count": count})
        return count

    async def _user(self) -> AppUser:
        return (await self._work.session.scalars(select(AppUser).where(AppUser.id == self._user_id))).one()

    async def _memberships(self) -> list[MembershipOut]:
        found = await memberships_of(self._work, self._user_id)
        await self._work.pin(tenant_id=self._work.tenant_id, user_id=self._user_id)
        return found

    async def _prove(self, password: str) -> AppUser:
        """The caller's account, once the password shows that it is them. Counted like logins."""
        user = await self._user()
        await prove_password(self._logins, user, password, self._work.actor.address, "/currentPassword")
        return user

    async def _prove_both(self, data: WithTotp) -> AppUser:
        user = await self._prove(data.current_password)
        if user.totp_enabled_at is None:
            raise _NO_TOTP
        async with self._codes(user):
            if not await self._factor().accept(data.code):
                raise _wrong_code()
        return user

    def _codes(self, user: AppUser) -> AbstractAsyncContextManager[None]:
        return self._logins.code(user.email_norm, self._work.actor.address, seen_here)

    def _factor(self) -> SecondFactor:
        return SecondFactor(self._work, self._user_id)

    def _happened(self, user: AppUser, event: str) -> None:
        """Write the trail and ask for the mail that says what happened to the account."""
        self._work.record(f"user.{event}", user.id)
        self._work.ask(
            "accounts.send-notice",
            {
                "userId": str(user.id),
                "event": event,
                "to": user.email,
                "address": self._work.actor.address,
                "at": clock.now().isoformat(),
            },
        )


def _nobody(actor: Actor) -> UserOut:
    """A program, or the operator's support: its name, and nothing of the account behind it."""
    return UserOut(
        id=actor.user_id,
        name=actor.display_name,
        email="",
        email_verified=False,
        totp_enabled=False,
        password_change_required=False,
    )


def _wrong_code() -> RuleBroken:
    return RuleBroken(
        "El código no es correcto o ya se usó.",
        code="totp-invalid",
        errors=(FieldError("/code", "totp-invalid", "Espere el siguiente código de su aplicación."),),
    )


def _named(user_id: UUID, name: str) -> Personal:
    return Personal(user_id, {"name": name}, ("name",))
