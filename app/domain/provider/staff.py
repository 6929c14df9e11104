"""The operator's staff: who they are, what role they have, whether they are still in; and each one's own account."""

import secrets
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, structs
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from app.db.desk import Desk
from app.db.locks import AdvisoryLock, take_turn
from app.db.session import Work
from app.domain.accounts.passwords import seen_here
from app.domain.accounts.service import normalise_email, refuse_blank
from app.domain.provider.logins import end_sessions, staff_out
from app.domain.provider.models import ProviderUser
from app.domain.provider.second_factor import begin_factor, confirm_factor
from app.domain.provider.staff_schemas import (
    ChangeStaff,
    CreateStaff,
    NewStaffOut,
    StaffMeOut,
    StaffOut,
    StaffPage,
    StaffPassword,
    StaffTotpOut,
)
from app.domain.support.desk import end_all_of
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, NotFound, RuleBroken
from app.lib.logins import LoginLimits
from app.lib.pages import after, cut
from app.lib.passwords import check_password, hash_password, verify_password
from app.lib.staff import STAFF_ADMIN, STAFF_ROLES

EMAIL_TAKEN: Final = Conflict(
    "Ya hay alguien del personal con ese correo.",
    code="email-taken",
    errors=(FieldError("/email", "email-taken", "Este correo ya está en el personal."),),
)
BROKEN_CONSTRAINTS["uq_provider_user_email_norm"] = EMAIL_TAKEN

_NO_SUCH: Final = "No hay tal persona en el personal."


class StaffService:
    """Reads and changes the staff."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def page(self, limit: int, cursor: str | None) -> StaffPage:
        """Everybody by name, also who left."""
        statement = after(
            select(ProviderUser).limit(limit + 1),
            (ProviderUser.name, ProviderUser.id),
            cursor,
            tuple[str, UUID],
            descending=False,
        )
        async with self._desk.database.platform_transaction() as session:
            rows = (await session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.name, row.id))
        return StaffPage(items=[staff_out(row) for row in page], next_cursor=next_cursor)

    async def create(self, data: CreateStaff) -> NewStaffOut:
        """Add somebody, with a first password that is shown once. Raises 409 `email-taken`."""
        work = self._desk.work
        made = await add_staff(work, data)
        await work.pin(user_id=self._desk.staff.id)
        await self._desk.note("staff.created", made.id, after={"role": made.role})
        return made

    async def change(self, user_id: UUID, data: ChangeStaff) -> StaffOut:
        """Change somebody's name or role, put them out or let them in again; it holds from their next request.

        Raises 404, 409 `last-admin`, 422 `own-account`.
        """
        work = self._desk.work
        row = await self._find(user_id)
        before = (row.role, row.is_active)
        role = row.role if data.role is UNSET else data.role
        active = row.is_active if data.active is UNSET else data.active
        if user_id == self._desk.staff.id and (role, active) != before:
            raise RuleBroken("Nadie cambia su propio rol ni se retira a sí mismo.", code="own-account")
        if before == (STAFF_ADMIN, True) and (role, active) != before:
            await self._refuse_last_admin(user_id)
        if data.name is not UNSET:
            refuse_blank("/name", data.name)
            row.name = data.name.strip()
        row.role, row.is_active = role, active
        await work.flush()
        if not active:
            await end_sessions(work, user_id)
        told = staff_out(row)
        if not active or "support:open" not in STAFF_ROLES[role]:
            await end_all_of(self._desk, user_id)
        await work.pin(user_id=self._desk.staff.id)
        changed = {"role": role, "active": active, "before": {"role": before[0], "active": before[1]}}
        await self._desk.note("staff.changed", user_id, after=changed)
        return told

    async def reset(self, user_id: UUID) -> NewStaffOut:
        """A new first password for somebody who lost theirs; sessions and second factor end. Raises 404, 422 `own-account`."""
        work = self._desk.work
        if user_id == self._desk.staff.id:
            raise RuleBroken("Cambie su contraseña en su propia cuenta.", code="own-account")
        reset = await reset_staff(work, await self._find(user_id))
        await end_all_of(self._desk, user_id)
        await work.pin(user_id=self._desk.staff.id)
        await self._desk.note("staff.reset", user_id)
        return reset

    async def _find(self, user_id: UUID) -> ProviderUser:
        """Somebody's account; the transaction is pinned to them, and changes of the staff take turns from here on."""
        work = self._desk.work
        await take_turn(work.session, AdvisoryLock.STAFF)
        await work.pin(user_id=user_id)
        row: ProviderUser | None = await work.session.scalar(
            select(ProviderUser).where(ProviderUser.id == user_id).execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound(_NO_SUCH)
        return row

    async def _refuse_last_admin(self, user_id: UUID) -> None:
        # In turn already, so what is committed now is all there is.
        async with self._desk.database.platform_transaction() as session:
            others = await session.scalar(
                select(func.count()).where(
                    ProviderUser.role == STAFF_ADMIN, ProviderUser.is_active, ProviderUser.id != user_id
                )
            )
        if not others:
            raise Conflict("Debe quedar al menos un administrador activo.", code="last-admin")


async def add_staff(work: Work, data: CreateStaff) -> NewStaffOut:
    """Write a new account. The transaction is pinned to it afterwards. Raises 409 `email-taken`."""
    refuse_blank("/name", data.name)
    user_id, password = uuid7(), secrets.token_urlsafe(15)
    await work.pin(user_id=user_id)
    row = ProviderUser(
        id=user_id,
        email=data.email.strip(),
        email_norm=normalise_email(data.email),
        name=data.name.strip(),
        role=data.role,
        password_hash=await hash_password(password),
    )
    work.session.add(row)
    await work.flush()
    await work.session.refresh(row)
    return _with_password(row, password)


async def reset_staff(work: Work, row: ProviderUser) -> NewStaffOut:
    """Give an account a new first password, in a transaction pinned to it."""
    password = secrets.token_urlsafe(15)
    row.password_hash = await hash_password(password)
    row.password_change_required = True
    row.totp_enabled_at = row.totp_sealed = row.totp_last_step = None
    await work.flush()
    await end_sessions(work, row.id)
    return _with_password(row, password)


def _with_password(row: ProviderUser, password: str) -> NewStaffOut:
    return NewStaffOut(**structs.asdict(staff_out(row)), password=password)


class OwnAccount:
    """The caller's own account."""

    def __init__(self, desk: Desk, logins: LoginLimits) -> None:
        self._desk = desk
        self._logins = logins

    async def read(self) -> StaffMeOut:
        """Who is calling, and what they may do."""
        row = await self._row()
        return StaffMeOut(
            **structs.asdict(staff_out(row)),
            permissions=sorted(STAFF_ROLES[row.role]),
            totp_required=self._desk.database.settings.environment == "production",
        )

    async def change_password(self, data: StaffPassword) -> None:
        """Choose another password; all other sessions end. Raises 422 `wrong-password` or `weak-password`, 429."""
        row = await self._prove(data.current_password)
        check_password(data.password, row.email, "/password", row.name)
        if await verify_password(data.password, row.password_hash):
            raise RuleBroken(
                "La contraseña ya se usó.",
                code="weak-password",
                errors=(FieldError("/password", "password-reused", "Es la actual; elija otra."),),
            )
        row.password_hash, row.password_change_required = await hash_password(data.password), False
        await self._desk.work.flush()
        await end_sessions(self._desk.work, row.id, but=self._desk.staff.session_id)
        await self._desk.note("staff.password-changed", row.id)

    async def begin_totp(self, password: str) -> StaffTotpOut:
        """A new secret for the authenticator. Raises 422 `wrong-password`, 409 `totp-enabled`, 429."""
        return begin_factor(self._desk.work, await self._prove(password))

    async def confirm_totp(self, code: str) -> None:
        """Enable the second factor with its first code; all other sessions end. Raises 422 `totp-invalid`, 409, 429."""
        row = await self._row()
        async with self._logins.code(f"provider {row.email_norm}", self._desk.staff.address, seen_here):
            if not await confirm_factor(self._desk.work, row, code):
                raise RuleBroken(
                    "El código no es correcto o ya se usó.",
                    code="totp-invalid",
                    errors=(FieldError("/code", "totp-invalid", "Espere el siguiente código de su aplicación."),),
                )
        await self._desk.work.flush()
        await end_sessions(self._desk.work, row.id, but=self._desk.staff.session_id)
        await self._desk.note("staff.totp-enabled", row.id)

    async def _row(self) -> ProviderUser:
        own: Any = await self._desk.work.session.scalars(
            select(ProviderUser).where(ProviderUser.id == self._desk.staff.id)
        )
        row: ProviderUser = own.one()
        return row

    async def _prove(self, password: str) -> ProviderUser:
        row = await self._row()
        async with self._logins.attempt(f"provider {row.email_norm}", self._desk.staff.address, seen_here):
            if not await verify_password(password, row.password_hash):
                raise RuleBroken(
                    "La contraseña no es correcta.",
                    code="wrong-password",
                    errors=(FieldError("/currentPassword", "wrong-password", "No es su contraseña actual."),),
                )
        return row
