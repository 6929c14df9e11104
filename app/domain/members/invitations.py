"""Invitations: a place in the company that waits for somebody with an address."""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from app.db.session import SYSTEM_USER, Work
from app.domain.accounts.models import AppUser, Membership
from app.domain.accounts.service import normalise_email
from app.domain.accounts.sessions import write_token
from app.domain.members.company import lock_company, refuse_to_grant, reserve_seat, take_turn
from app.domain.members.models import Invitation
from app.domain.members.roles import RoleService
from app.domain.members.schemas import InvitationOut, InvitationPage, Invite
from app.domain.tenants.sample import refuse_sample
from app.domain.tenants.scope import branch_refusal
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, NotFound, RuleBroken
from app.lib.pages import after, cut
from app.lib.permissions import OWNER
from app.lib.person_keys import Personal
from app.lib.schemas import fingerprint

VALID: Final = timedelta(days=7)
MOST_A_DAY: Final = 100
"""Invitations that a company may send in a day: nobody sends a stranger's mail through us."""
MOST_MAILS: Final = 10
"""Times that one invitation may be mailed."""

ID_TAKEN: Final = Conflict("Ese id ya se usó con otros datos.", code="id-taken")
ALREADY_INVITED: Final = Conflict("Ya hay una invitación pendiente para ese correo.", code="already-invited")
ALREADY_MEMBER: Final = Conflict("Esa persona ya es de la empresa.", code="already-member")
NOT_PENDING: Final = Conflict("La invitación ya se aceptó o se retiró.", code="invitation-closed")

BROKEN_CONSTRAINTS["uq_invitation_pending"] = ALREADY_INVITED
BROKEN_CONSTRAINTS["pk_invitation"] = ID_TAKEN


class InvitationService:
    """Sends, lists and takes back the invitations of the company."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> InvitationPage:
        """Invitations, the newest first."""
        statement = select(Invitation).where(Invitation.tenant_id == self._work.tenant_id).limit(limit + 1)
        statement = after(
            statement, (Invitation.created_at, Invitation.id), cursor, tuple[datetime, UUID], descending=True
        )
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return InvitationPage(items=[invitation_out(row) for row in page], next_cursor=next_cursor)

    async def find(self, invitation_id: UUID) -> Invitation:
        """One invitation. Raises `NotFound`."""
        row: Invitation | None = await self._work.session.scalar(
            select(Invitation)
            .where(Invitation.tenant_id == self._work.tenant_id, Invitation.id == invitation_id)
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound("Esa invitación no existe.")
        return row

    async def invite(self, data: Invite) -> tuple[InvitationOut, bool]:
        """Invite somebody; answers the invitation and whether it is new. A seat is taken until it ends.

        Raises 403 `cannot-grant` or `branch-not-allowed`, 409 `already-invited`, `already-member` or `id-taken`, 422 `unknown-role`,
        `plan-limit` or `too-many-invitations`.
        """
        work, body_hash, now = self._work, fingerprint(data), clock.now()
        if work.actor.branches is not None:
            # Whoever comes in may act everywhere until somebody limits them.
            raise branch_refusal()
        await take_turn(work)
        if data.id is not None:
            earlier = await work.session.get(Invitation, (work.tenant_id, data.id))
            if earlier is not None:
                if earlier.body_hash != body_hash:
                    raise ID_TAKEN
                return invitation_out(earlier), False
        role = await RoleService(work).resolve(data.role, "/role")
        refuse_to_grant(work, role.code, role.permissions, "/role")
        email = normalise_email(data.email)
        if await self._is_member(email):
            raise ALREADY_MEMBER
        await self._forget_expired(email, now)
        await self._refuse_flood(now)
        await reserve_seat(work)
        row = Invitation(
            tenant_id=work.tenant_id,
            id=data.id or uuid7(),
            email=data.email,
            email_norm=email,
            name=data.name.strip(),
            role=role.code,
            invited_by=work.actor.user_id,
            mailing=1,
            expires_at=now + VALID,
            body_hash=body_hash,
        )
        return await self._send(row), True

    async def invite_owner(self, email: str, name: str, body_hash: bytes) -> InvitationOut:
        """Invite the first owner of a company that the operator makes, in the transaction that makes it.

        The company has nobody yet who could: the author is the system, and the trail names who of the operator's it was.
        """
        work = self._work
        row = Invitation(
            tenant_id=work.tenant_id,
            id=uuid7(),
            email=email,
            email_norm=normalise_email(email),
            name=name,
            role=OWNER,
            invited_by=SYSTEM_USER,
            mailing=1,
            expires_at=clock.now() + VALID,
            body_hash=body_hash,
        )
        return await self._send(row)

    async def find_owner(self) -> Invitation | None:
        """The invitation with which the operator made the company, whatever became of it."""
        found: Invitation | None = await self._work.session.scalar(
            select(Invitation)
            .where(Invitation.tenant_id == self._work.tenant_id, Invitation.invited_by == SYSTEM_USER)
            .order_by(Invitation.created_at)
            .limit(1)
            .execution_options(populate_existing=True)
        )
        return found

    async def resend_owner(self) -> InvitationOut:
        """Mail it again with a new link, as `resend`, by the operator. Raises 404 for a company that has none."""
        await lock_company(self._work)
        row = await self.find_owner()
        if row is None:
            raise NotFound("Esta empresa no se creó con una invitación.")
        return await self._send_again(row)

    async def _send(self, row: Invitation) -> InvitationOut:
        work = self._work
        await refuse_sample(work, "La empresa de muestra no invita a nadie.")
        row.token_hash = token_hash(invitation_token(work, row))
        work.session.add(row)
        await work.flush()
        await work.session.refresh(row)
        self._mail(row)
        made = invitation_out(row)
        work.record("invitation.sent", row.id, after=_for_trail(made))
        return made

    async def resend(self, invitation_id: UUID) -> InvitationOut:
        """Mail it again with a new link, good for another week; the earlier link ends.

        Raises 403 `cannot-grant` or `branch-not-allowed`, 404, 409 `invitation-closed`, 422 `plan-limit` or `too-many-mails`.
        """
        work = self._work
        if work.actor.branches is not None:
            raise branch_refusal()
        await take_turn(work)
        row = await self.find(invitation_id)
        role = await RoleService(work).resolve(row.role, "/role")
        if row.accepted_at is None and row.revoked_at is None:
            refuse_to_grant(work, role.code, role.permissions, "")
            # Whoever sends it again stands for it from now on.
            row.invited_by = work.actor.user_id
        return await self._send_again(row)

    async def _send_again(self, row: Invitation) -> InvitationOut:
        work, now = self._work, clock.now()
        if row.accepted_at is not None or row.revoked_at is not None:
            raise NOT_PENDING
        if row.mailing >= MOST_MAILS:
            raise RuleBroken("Esta invitación ya se envió muchas veces; retírela y haga otra.", code="too-many-mails")
        if row.expires_at <= now:
            await reserve_seat(work)
        row.mailing += 1
        row.expires_at = now + VALID
        row.token_hash = token_hash(invitation_token(work, row))
        await work.flush()
        self._mail(row)
        sent = invitation_out(row)
        work.record("invitation.sent-again", row.id, after=_for_trail(sent))
        return sent

    async def revoke(self, invitation_id: UUID) -> None:
        """Take an invitation back; its seat is free. Raises 404, 409 `invitation-closed` once accepted."""
        work = self._work
        await take_turn(work)
        row = await self.find(invitation_id)
        if row.accepted_at is not None:
            raise NOT_PENDING
        if row.revoked_at is None:
            row.revoked_at = clock.now()
            await work.flush()
            work.record("invitation.revoked", row.id, after=_for_trail(invitation_out(row)))

    def _mail(self, row: Invitation) -> None:
        self._work.ask("members.send-invitation", {"invitationId": str(row.id), "mailing": row.mailing})

    async def _is_member(self, email: str) -> bool:
        """Whether an active member of this company logs in with this address."""
        work = self._work
        # The database shows an account to its own person or to who names its address, as a login does.
        await work.pin(tenant_id=work.tenant_id, user_id=work.actor.user_id, login_email=email)
        found = await work.session.scalar(
            select(Membership.id)
            .join(AppUser, AppUser.id == Membership.user_id)
            .where(Membership.tenant_id == work.tenant_id, Membership.is_active, AppUser.email_norm == email)
        )
        await work.pin(tenant_id=work.tenant_id, user_id=work.actor.user_id)
        return found is not None

    async def _forget_expired(self, email: str, now: datetime) -> None:
        """An invitation that ran out makes room for a new one to the same address."""
        await self._work.session.execute(
            update(Invitation)
            .where(
                Invitation.tenant_id == self._work.tenant_id,
                Invitation.email_norm == email,
                Invitation.accepted_at.is_(None),
                Invitation.revoked_at.is_(None),
                Invitation.expires_at <= now,
            )
            .values(revoked_at=now)
            .execution_options(synchronize_session=False)
        )

    async def _refuse_flood(self, now: datetime) -> None:
        sent = await self._work.session.scalar(
            select(func.count()).where(
                Invitation.tenant_id == self._work.tenant_id, Invitation.created_at > now - timedelta(days=1)
            )
        )
        if (sent or 0) >= MOST_A_DAY:
            raise RuleBroken("Ya se enviaron muchas invitaciones hoy; siga mañana.", code="too-many-invitations")


def invitation_token(work: Work, row: Invitation) -> str:
    """The token of an invitation's newest mail: derived with our key, so that a repeated mail carries the same link."""
    key = hmac.digest(work.database.settings.secret_key, b"invitation", "sha256")
    return write_token(row.tenant_id, hmac.digest(key, row.id.bytes + row.mailing.to_bytes(4, "big"), "sha256"))


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return sha256(token.encode()).digest()


def invitation_out(row: Invitation) -> InvitationOut:
    return InvitationOut(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,
        status=_status(row),
        invited_by=row.invited_by,
        expires_at=row.expires_at,
        accepted_at=row.accepted_at,
        created_at=row.created_at,
    )


def _status(row: Invitation) -> Literal["pending", "accepted", "revoked", "expired"]:
    if row.accepted_at is not None:
        return "accepted"
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at <= clock.now() else "pending"


def _for_trail(invitation: InvitationOut) -> Personal:
    """Nobody's account yet: sealed for the invitation itself."""
    return Personal(invitation.id, invitation, ("email", "name"))
