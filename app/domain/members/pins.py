"""Cashier PINs: a few digits, so a wrong one is counted before it is compared, and few are allowed.

Who asks is counted, not only whose PIN is asked for. Each pair of a person who asks and a PIN has its own count, so that
nobody locks a supervisor out of another's till. Against many who ask together there is a second count on the PIN itself,
of those it was never right for: once that is spent, tills where the supervisor has been go on, only new ones are closed.
So no third party locks a PIN everywhere, and all the guesses at one are at most `STRANGERS` and `MOST` for each till that
the supervisor has used, until a new PIN begins anew.
"""

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
from app.domain.members.models import MemberPin, MemberPinTry
from app.domain.members.schemas import OperatorItem, OperatorPage, SetPin
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken, TooMany
from app.lib.logins import LoginLimits
from app.lib.pages import after, cut
from app.lib.passwords import hash_password, verify_password
from app.lib.permissions import permissions_of
from app.lib.ratelimit import RateLimits

TRIES: Final = 5
"""Wrong PINs in a row, asked by one person, that lock it for them for a while."""
LOCK: Final = timedelta(minutes=15)
GIVE_UP: Final = 15
"""Wrong PINs in a row after which only a new PIN, set with the password, opens again for who asked: 15 of 10,000."""
MOST: Final = 100
"""Wrong PINs that one person may ask in all, right ones between them or not: a cashier whose supervisor often comes by
would guess for ever."""
STRANGERS: Final = 30
"""Wrong PINs, in all, of those for whom it was never right."""

WRONG_PIN: Final = RuleBroken(
    "El PIN no es correcto.", code="wrong-pin", errors=(FieldError("/pin", "wrong-pin", "No es ese."),)
)

_PIN = text("SELECT pin_hash, strangers FROM member_pin WHERE tenant_id = :tenant_id AND user_id = :user_id FOR UPDATE")
_ATTEMPT = text(
    "INSERT INTO member_pin_try AS t (tenant_id, user_id, asker_id, failures, wrong) "
    "VALUES (:tenant_id, :user_id, :asker_id, 1, 1) ON CONFLICT (tenant_id, user_id, asker_id) DO UPDATE "
    "SET failures = t.failures + 1, wrong = t.wrong + 1, "
    f"locked_until = CASE WHEN (t.failures + 1) % {TRIES} = 0 THEN CAST(:until AS timestamptz) END "
    f"WHERE t.failures < {GIVE_UP} AND t.wrong < {MOST} AND (t.locked_until IS NULL OR t.locked_until <= :now) "
    "RETURNING proven_at IS NOT NULL AS is_proven"
)
_STRANGERS = text(
    "UPDATE member_pin SET strangers = strangers + :more WHERE tenant_id = :tenant_id AND user_id = :user_id "
    "AND pin_hash = :pin_hash"
)
_RIGHT = text(
    "UPDATE member_pin_try SET failures = 0, wrong = wrong - 1, locked_until = NULL, "
    "proven_at = coalesce(proven_at, :now) "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id AND asker_id = :asker_id AND wrong > 0"
)
_ANEW = text(
    "UPDATE member_pin_try SET failures = 0, wrong = 0, locked_until = NULL "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id"
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
            "strangers": 0,
            "changed_at": clock.now(),
        }
        await work.session.execute(
            insert(MemberPin)
            .values(tenant_id=work.tenant_id, user_id=user_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=values)
        )
        # Tills where the former one was right stay known; what was guessed there was another PIN.
        await work.session.execute(_ANEW, {"tenant_id": work.tenant_id, "user_id": user_id})
        work.record("pin.set", user_id)

    async def remove(self) -> None:
        """Have none any more."""
        work = self._work
        await forget_tries(work, work.actor.user_id)
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
    tenant_id, asker_id = work.tenant_id, work.actor.user_id
    await limits.count_pin(tenant_id, user_id, asker_id)
    key = {"tenant_id": tenant_id, "user_id": user_id}
    stored, counts_as_stranger = await _count(work, key, asker_id)
    await work.commit()
    if not await verify_password(_mixed(work.database, tenant_id, user_id, pin), stored):
        raise WRONG_PIN
    await work.pin(tenant_id=tenant_id, user_id=asker_id)
    await work.session.execute(_RIGHT, key | {"asker_id": asker_id, "now": clock.now()})
    if counts_as_stranger:
        await work.session.execute(_STRANGERS, key | {"pin_hash": stored, "more": -1})


async def forget_tries(work: Work, user_id: UUID) -> None:
    """Remove what was counted of somebody's PIN, before the PIN itself goes."""
    await work.session.execute(
        delete(MemberPinTry).where(MemberPinTry.tenant_id == work.tenant_id, MemberPinTry.user_id == user_id)
    )


async def _count(work: Work, key: dict[str, UUID], asker_id: UUID) -> tuple[str | None, bool]:
    """Count an attempt; answers the stored PIN, if there is one, and whether it was counted as a stranger's too."""
    now, pair = clock.now(), key | {"asker_id": asker_id}
    row = (await work.session.execute(_PIN, key)).one_or_none()
    if row is None:
        return None, False
    counted = (await work.session.execute(_ATTEMPT, pair | {"now": now, "until": now + LOCK})).one_or_none()
    if counted is None:
        tried = await work.session.scalar(
            select(MemberPinTry).where(
                MemberPinTry.tenant_id == key["tenant_id"],
                MemberPinTry.user_id == key["user_id"],
                MemberPinTry.asker_id == asker_id,
            )
        )
        raise _locked(int((tried.locked_until - now).total_seconds()) + 1 if tried and tried.locked_until else None)
    if counted.is_proven or asker_id == key["user_id"]:
        # Whoever asks for their own has the password, which is worth more.
        return row.pin_hash, False
    if row.strangers >= STRANGERS:
        raise _locked(None)
    await work.session.execute(_STRANGERS, key | {"pin_hash": row.pin_hash, "more": 1})
    return row.pin_hash, True


def _locked(seconds: int | None) -> TooMany:
    """For so many seconds, or (None) until another PIN is set."""
    if seconds is None or seconds <= 0:
        return TooMany(
            "El PIN quedó bloqueado aquí: su dueño puede poner uno nuevo con su contraseña, o aprobar desde su sesión.",
            code="pin-locked",
            headers={"Retry-After": str(int(LOCK.total_seconds()))},
        )
    return TooMany(
        "Demasiados PIN equivocados; espere unos minutos.",
        code="pin-locked",
        headers={"Retry-After": str(seconds)},
    )


def _mixed(database: Database, tenant_id: UUID, user_id: UUID, pin: str) -> str:
    """The digits with our key: a stolen table of slow hashes of 10,000 possible PINs would still be guessed in a day."""
    key = hmac.digest(database.settings.secret_key, b"pin", "sha256")
    return hmac.digest(key, tenant_id.bytes + user_id.bytes + pin.encode(), "sha256").hex()
