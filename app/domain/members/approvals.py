"""A supervisor's approval: bound to one act of one person, used once, in the transaction of the act."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from msgspec import convert, structs, to_builtins
from sqlalchemy import insert, select, text
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.accounts.branches import branches_of
from app.domain.accounts.company_sessions import is_account_active
from app.domain.members.company import find_membership
from app.domain.members.kinds import APPROVES, FIELDS
from app.domain.members.models import Approval
from app.domain.members.schemas import ApprovalKind, ApprovalOut, ApprovalPage, ApprovalSubject, Approve, pesos
from app.lib import clock
from app.lib.errors import FieldError, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.permissions import permissions_of
from app.lib.schemas import fingerprint

VALID: Final = timedelta(minutes=5)

_CLAIM = text(
    "UPDATE approval SET used_at = :now WHERE tenant_id = :tenant_id AND id = :id AND kind = :kind "
    "AND act_hash = :act_hash AND requested_by = :user_id AND used_at IS NULL AND expires_at > :now "
    "RETURNING approved_by"
)


_BRANCH = text(
    "SELECT branch_id FROM sale WHERE tenant_id = :tenant_id AND id = CAST(:sale_id AS uuid) "
    "UNION ALL SELECT branch_id FROM cash_session WHERE tenant_id = :tenant_id AND id = CAST(:session_id AS uuid) LIMIT 1"
)


class ApprovalService:
    """Gives approvals and lists them."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, limit: int, cursor: str | None) -> ApprovalPage:
        """Approvals, the newest first."""
        statement = select(Approval).where(Approval.tenant_id == self._work.tenant_id).limit(limit + 1)
        statement = after(statement, (Approval.created_at, Approval.id), cursor, tuple[datetime, UUID], descending=True)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.created_at, row.id))
        return ApprovalPage(items=[_approval_out(row) for row in page], next_cursor=next_cursor)

    async def _branch(self, data: Approve) -> UUID | None:
        """Where the act happens; None for a sale or a session that is not there."""
        found: UUID | None = await self._work.session.scalar(
            _BRANCH,
            {
                "tenant_id": self._work.tenant_id,
                "sale_id": data.subject.sale_id,
                "session_id": data.subject.session_id,
            },
        )
        return found

    async def approve(self, data: Approve) -> ApprovalOut:
        """Give an approval; the PIN, where there is one, was checked before.

        Raises 422 `unknown-reference`, `own-approval` or `may-not-approve`.
        """
        work = self._work
        subject = subject_of(data.kind, data.subject)
        approver, requester = parties(data, work.actor.user_id)
        for user_id, pointer in ((approver, "/approverId"), (requester, "/requestedBy")):
            member = await find_membership(work, user_id)
            if member is None or not member.is_active or not await is_account_active(work, user_id):
                raise unknown_reference(pointer)
            if user_id == approver:
                allowed = permissions_of(member.role, member.permissions)
                if user_id == work.actor.user_id:
                    # What the caller came in with counts, not only who they are.
                    allowed &= work.actor.permissions
                if APPROVES[data.kind] not in allowed:
                    raise RuleBroken(
                        "Esa persona no puede aprobar esto.", code="may-not-approve", permission=APPROVES[data.kind]
                    )
                branches = await branches_of(work, member.id)
                if branches is not None and await self._branch(data) not in branches:
                    raise RuleBroken("Esa persona no aprueba en esta sucursal.", code="may-not-approve")
        approval_id, now = uuid7(), clock.now()
        await work.session.execute(
            insert(Approval).values(
                tenant_id=work.tenant_id,
                id=approval_id,
                kind=data.kind,
                subject=subject,
                act_hash=act_hash(data.kind, subject),
                requested_by=requester,
                approved_by=approver,
                expires_at=now + VALID,
                created_at=now,
            )
        )
        given = ApprovalOut(
            id=approval_id,
            kind=data.kind,
            subject=subject,
            requested_by=requester,
            approved_by=approver,
            expires_at=now + VALID,
            used_at=None,
            created_at=now,
        )
        work.record("approval.given", approval_id, after=given)
        return given


def parties(data: Approve, caller: UUID) -> tuple[UUID, UUID]:
    """Who approves and who asked. Raises 422 `approver-unclear` or `own-approval`."""
    by_pin = data.approver_id is not None and data.pin is not None and data.requested_by is None
    by_session = data.requested_by is not None and data.approver_id is None and data.pin is None
    if not by_pin and not by_session:
        raise RuleBroken("Diga quién aprueba y su PIN; o, si aprueba usted, quién lo pidió.", code="approver-unclear")
    approver, requester = (data.approver_id, caller) if by_pin else (caller, data.requested_by)
    assert approver is not None
    assert requester is not None
    if approver == requester:
        raise RuleBroken("Nadie aprueba lo suyo.", code="own-approval")
    return approver, requester


def subject_of(kind: ApprovalKind, subject: ApprovalSubject) -> dict[str, Any]:
    """What is approved, in the one form that is hashed. Raises 422 for a field that is missing or of another kind."""
    wire = dict(zip(subject.__struct_fields__, subject.__struct_encode_fields__, strict=True))
    found: dict[str, Any] = {}
    for field, value in structs.asdict(subject).items():
        if (value is not None) != (field in FIELDS[kind]):
            code = "missing" if value is None else "not-of-this-kind"
            raise RuleBroken(
                "La aprobación debe decir exactamente qué se aprueba.",
                code="unclear-subject",
                errors=(FieldError(f"/subject/{wire[field]}", code, "Falta." if value is None else "No va aquí."),),
            )
        if value is not None:
            found[wire[field]] = _plain(value)
    return found


def _plain(value: UUID | Decimal | Sequence[UUID]) -> str | list[str]:
    if isinstance(value, Decimal):
        return pesos(value)
    return str(value) if isinstance(value, UUID) else sorted({str(each) for each in value})


def act_hash(kind: ApprovalKind, subject: dict[str, Any]) -> bytes:
    """What makes two acts the same act."""
    return fingerprint([kind, subject])


def approval_required(*wanted: tuple[ApprovalKind, dict[str, Any]], reason: str | None = None) -> RuleBroken:
    """The refusal of an act that nobody approved, with what `POST /v1/approvals` has to be told."""
    return RuleBroken(
        reason or "Un supervisor debe aprobar esto.",
        code="approval-required",
        approvals=[{"kind": kind, "subject": subject, "permission": APPROVES[kind]} for kind, subject in wanted],
    )


async def approved_by(
    work: Work, kind: ApprovalKind, subject: ApprovalSubject, approval_id: UUID | None, reason: str | None = None
) -> UUID:
    """Who stands for an act: the caller, if they may, else the supervisor whose approval is used up by it.

    Raises 422 `approval-required`, also for an approval that is of another act or person, used, or older than five
    minutes.
    """
    if work.actor.may(APPROVES[kind]):
        return work.actor.user_id
    named = subject_of(kind, subject)
    if approval_id is None:
        raise approval_required((kind, named), reason=reason)
    approver: UUID | None = await work.session.scalar(
        _CLAIM,
        {
            "now": clock.now(),
            "tenant_id": work.tenant_id,
            "id": approval_id,
            "kind": kind,
            "act_hash": act_hash(kind, named),
            "user_id": work.actor.user_id,
        },
    )
    if approver is None:
        raise approval_required(
            (kind, named), reason="Esa aprobación es de otra operación, ya se usó o venció; pida otra."
        )
    work.record("approval.used", approval_id, after={"kind": kind, "subject": named, "approvedBy": approver})
    return approver


def _approval_out(row: Approval) -> ApprovalOut:
    return ApprovalOut(
        id=row.id,
        kind=convert(row.kind, ApprovalKind),
        subject=to_builtins(row.subject),
        requested_by=row.requested_by,
        approved_by=row.approved_by,
        expires_at=row.expires_at,
        used_at=row.used_at,
        created_at=row.created_at,
    )
