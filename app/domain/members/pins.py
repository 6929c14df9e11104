"""Cashier PINs: a few digits, so a wrong one is counted before it is compared, and few are allowed."""

import hmac
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from app.db.session import Database, Work
from app.domain.accounts.models import AppUser, Membership
from app.domain.accounts.passwords import prove_password
from app.domain.members.kinds import APPROVES
from app.domain.members.models import MemberPin
from app.domain.members.schemas import OperatorItem, OperatorPage, SetPin
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken, TooMany
from app.lib.logins import LoginLimits
from app.lib.pages import after, cut
from app.lib.passwords import hash_password, verify_password
from app.lib.permissions import permissions_of
from app.lib.ratelimit import RateLimits

TRIES: Final = 5
"""Wrong PINs in a row that lock it for a while."""
LOCK: Final = timedelta(minutes=15)
GIVE_UP: Final = 15
"""Wrong PINs in a row after which only a new PIN, set with the password, opens again: 15 of 10,000."""

WRONG_PIN: Final = RuleBroken(
    "El PIN no es correcto.", code="wrong-pin", errors=(FieldError("/pin", "wrong-pin", "No es ese."),)
)

_ATTEMPT = text(
    "UPDATE member_pin SET failures = failures + 1, "
    f"locked_until = CASE WHEN (failures + 1) % {TRIES} = 0 THEN CAST(:until AS timestamptz) END "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id "
    f"AND failures < {GIVE_UP} AND (locked_until IS NULL OR locked_until <= :now) RETURNING pin_hash"
)
_RIGHT = text(
    "UPDATE member_pin SET failures = 0, locked_until = NULL WHERE tenant_id = :tenant_id AND user_id = :user_id "
    "AND pin_hash = :pin_hash"
)
_EASY: Final = "01234567890 09876543210"


class PinService:
    """The caller's own PIN, and who has one."""

    def __init__(self, work: Work, logins: LoginLimits) -> None:
        self._work = work
        self._logins = logins

    async def set(self, data: SetPin) -> None:
        """Set or change it. Raises 422 `wrong-password` or `weak-pin`, 429."""
        work = self._work
        if len(set(data.pin)) == 1 or data.pin in _EASY:
            raise RuleBroken(
                "El PIN es demasiado fácil de adivinar.",
                code="weak-pin",
                errors=(FieldError("/pin", "weak-pin", "No use cifras iguales ni seguidas."),),
            )
        await self._prove(data.password)
        user_id = work.actor.user_id
        values = {
            "pin_hash": await hash_password(_mixed(work.database, work.tenant_id, user_id, data.pin)),
            "failures": 0,
            "locked_until": None,
            "changed_at": clock.now(),
        }
        await work.session.execute(
            insert(MemberPin)
            .values(tenant_id=work.tenant_id, user_id=user_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=values)
        )
        work.record("pin.set", user_id)

    async def remove(self) -> None:
        """Have none any more."""
        work = self._work
        gone = await work.session.scalar(
            delete(MemberPin)
            .where(MemberPin.tenant_id == work.tenant_id, MemberPin.user_id == work.actor.user_id)
            .returning(MemberPin.user_id)
        )
        if gone is not None:
            work.record("pin.removed", work.actor.user_id)

    async def operators(self, limit: int, cursor: str | None) -> OperatorPage:
        """Active people with a PIN, by name: whom a till may offer, and whom it may ask for an approval."""
        tenant_id = self._work.tenant_id
        statement = (
            select(Membership)
            .join(MemberPin, and_(MemberPin.tenant_id == tenant_id, MemberPin.user_id == Membership.user_id))
            .where(Membership.tenant_id == tenant_id, Membership.is_active)
            .limit(limit + 1)
        )
        statement = after(
            statement, (Membership.display_name, Membership.user_id), cursor, tuple[str, UUID], descending=False
        )
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.display_name, row.user_id))
        return OperatorPage(
            items=[
                OperatorItem(
                    user_id=row.user_id,
                    display_name=row.display_name,
                    role=row.role,
                    approves=[
                        kind
                        for kind, permission in APPROVES.items()
                        if permission in permissions_of(row.role, row.permissions)
                    ],
                )
                for row in page
            ],
            next_cursor=next_cursor,
        )

    async def _prove(self, password: str) -> None:
        """The caller is who they say: the password, not only an unattended till."""
        work = self._work
        user = (await work.session.scalars(select(AppUser).where(AppUser.id == work.actor.user_id))).one()
        await prove_password(self._logins, user, password, work.actor.address, "/password")


async def check_pin(work: Work, limits: RateLimits, user_id: UUID, pin: str) -> None:
    """Whether these are the digits of somebody of the caller's company. Call before anything was written.

    Every attempt is counted and committed before the digits are compared, so parallel guesses get no more of them than
    guesses in a row; nothing is held open while they are compared. Raises 422 `wrong-pin`, also for somebody without a
    PIN, and 429 `pin-locked`.
    """
    tenant_id, now = work.tenant_id, clock.now()
    await limits.count_pin(tenant_id, user_id, work.actor.address)
    key = {"tenant_id": tenant_id, "user_id": user_id}
    stored = await work.session.scalar(_ATTEMPT, key | {"now": now, "until": now + LOCK})
    row = None
    if stored is None:
        row = await work.session.scalar(
            select(MemberPin).where(MemberPin.tenant_id == tenant_id, MemberPin.user_id == user_id)
        )
    await work.commit()
    if row is not None:
        raise _locked(row.failures, int((row.locked_until - now).total_seconds()) + 1 if row.locked_until else 0)
    if not await verify_password(_mixed(work.database, tenant_id, user_id, pin), stored):
        raise WRONG_PIN
    await work.pin(tenant_id=tenant_id, user_id=work.actor.user_id)
    await work.session.execute(_RIGHT, key | {"pin_hash": stored})


def _locked(failures: int, seconds: int) -> TooMany:
    if failures >= GIVE_UP:
        return TooMany(
            "El PIN quedó bloqueado; ponga uno nuevo con su contraseña.",
            code="pin-locked",
            headers={"Retry-After": str(int(LOCK.total_seconds()))},
        )
    return TooMany(
        "Demasiados PIN equivocados; espere unos minutos.",
        code="pin-locked",
        headers={"Retry-After": str(max(1, seconds))},
    )


def _mixed(database: Database, tenant_id: UUID, user_id: UUID, pin: str) -> str:
    """The digits with our key: a stolen table of slow hashes of 10,000 possible PINs would still be guessed in a day."""
    key = hmac.digest(database.settings.secret_key, b"pin", "sha256")
    return hmac.digest(key, tenant_id.bytes + user_id.bytes + pin.encode(), "sha256").hex()
